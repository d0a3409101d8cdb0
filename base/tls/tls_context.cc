#include "base/tls/tls_context.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/status/annotate.h"
#include "base/status/status_macros.h"
#include "base/tls/certificate.h"
#include "base/tls/openssl_handle.h"

namespace rolemesh::base {
namespace {

constexpr int kSecurityLevel = 2;        // 112 bits: RSA 2048, no SHA-1
constexpr int kMaxChainDepth = 4;        // root, intermediate, leaf, and one to spare
constexpr long kSessionSeconds = 3'600;  // a ticket older than this is not resumed
constexpr unsigned char kSessionContext[] = "rolemesh";

// AES-128 first: the cheapest per byte with AES instructions.
constexpr char kTls13Ciphers[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kTls12Ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

using Context = std::shared_ptr<SSL_CTX>;

absl::StatusOr<Context> MakeContext(const SSL_METHOD* method, TlsVersion min_version) {
  Context context(SSL_CTX_new(method), SSL_CTX_free);
  if (context == nullptr) {
    return OpenSslInternal("cannot make a TLS context");
  }
  SSL_CTX* const ctx = context.get();
  SSL_CTX_set_security_level(ctx, kSecurityLevel);
  SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
  SSL_CTX_set_options(
      ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_verify_depth(ctx, kMaxChainDepth);
  SSL_CTX_set_max_early_data(ctx, 0);
  if (SSL_CTX_set_min_proto_version(
          ctx, min_version == TlsVersion::k1_2 ? TLS1_2_VERSION : TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(ctx, kTls13Ciphers) != 1 ||
      SSL_CTX_set_cipher_list(ctx, kTls12Ciphers) != 1) {
    return OpenSslInternal("cannot set up TLS");
  }
  return context;
}

absl::Status UseCertificate(SSL_CTX* ctx, absl::string_view chain_pem, const PrivateKey& key) {
  RM_ASSIGN_OR_RETURN(const std::vector<Certificate> chain, Certificate::ParseChainPem(chain_pem));
  if (X509_check_private_key(chain.front().native(), key.native()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat(
        "the private key is not that of the first certificate, \"", chain.front().subject(), "\""));
  }
  if (SSL_CTX_use_certificate(ctx, chain.front().native()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, key.native()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate \"", chain.front().subject(), "\": ", TakeOpenSslError()));
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ctx, chain[i].native()) != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("certificate \"", chain[i].subject(), "\": ", TakeOpenSslError()));
    }
  }
  return absl::OkStatus();
}

/// Trusts the roots of `ca_pem`; `announce` names them to clients.
absl::Status Trust(SSL_CTX* ctx, absl::string_view ca_pem, bool announce) {
  RM_ASSIGN_OR_RETURN(const std::vector<Certificate> roots, Certificate::ParseChainPem(ca_pem));
  for (const Certificate& root : roots) {
    if (!root.is_ca()) {
      return absl::InvalidArgumentError(
          absl::StrCat("certificate \"", root.subject(), "\" is not of an authority"));
    }
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root.native()) != 1 ||
        (announce && SSL_CTX_add_client_CA(ctx, root.native()) != 1)) {
      return OpenSslInternal("cannot trust a certificate");
    }
  }
  return absl::OkStatus();
}

}  // namespace

TlsContext::TlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}

absl::StatusOr<TlsContext> TlsContext::MakeServer(const ServerConfig& config,
                                                  const PrivateKey& key) {
  RM_ASSIGN_OR_RETURN(const Context context, MakeContext(TLS_server_method(), config.min_version));
  SSL_CTX* const ctx = context.get();
  if (const absl::Status used = UseCertificate(ctx, config.certificate_chain_pem, key);
      !used.ok()) {
    return Annotate(used, "certificate chain");
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  if (!config.client_ca_pem.empty()) {
    if (const absl::Status trusted = Trust(ctx, config.client_ca_pem, /*announce=*/true);
        !trusted.ok()) {
      return Annotate(trusted, "client CA");
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  // Tickets hold the session, so the server keeps none in memory.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_timeout(ctx, kSessionSeconds);
  SSL_CTX_set_num_tickets(ctx, 1);
  if (SSL_CTX_set_session_id_context(ctx, kSessionContext, sizeof(kSessionContext) - 1) != 1) {
    return OpenSslInternal("cannot set up sessions");
  }
  return TlsContext(context);
}

absl::StatusOr<TlsContext> TlsContext::MakeClient(const ClientConfig& config,
                                                  const PrivateKey* key) {
  if (config.certificate_chain_pem.empty() != (key == nullptr)) {
    return absl::InvalidArgumentError("certificate chain: chain and key come together or not");
  }
  RM_ASSIGN_OR_RETURN(const Context context, MakeContext(TLS_client_method(), config.min_version));
  SSL_CTX* const ctx = context.get();
  if (const absl::Status trusted = Trust(ctx, config.ca_pem, /*announce=*/false); !trusted.ok()) {
    return Annotate(trusted, "CA");
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  if (key != nullptr) {
    if (const absl::Status used = UseCertificate(ctx, config.certificate_chain_pem, *key);
        !used.ok()) {
      return Annotate(used, "certificate chain");
    }
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  return TlsContext(context);
}

absl::StatusOr<PeerIdentity> VerifiedPeer(const ssl_st* ssl, absl::Time now) {
  if (SSL_is_init_finished(ssl) != 1) {
    return absl::FailedPreconditionError("TLS handshake is not finished");
  }
  X509* const x509 = SSL_get0_peer_certificate(ssl);
  if (x509 == nullptr) {
    return absl::UnauthenticatedError("the peer sent no certificate");
  }
  if (const long result = SSL_get_verify_result(ssl); result != X509_V_OK) {
    return absl::UnauthenticatedError(absl::StrCat("the peer's certificate is not verified: ",
                                                   X509_verify_cert_error_string(result)));
  }
  X509_up_ref(x509);
  absl::StatusOr<Certificate> certificate =
      Certificate::FromNative(std::shared_ptr<X509>(x509, X509_free));
  if (!certificate.ok()) {
    return absl::UnauthenticatedError(certificate.status().message());
  }
  if (now < certificate->not_before() || now > certificate->not_after()) {
    return absl::UnauthenticatedError(
        absl::StrCat("the peer's certificate is valid from ",
                     absl::FormatTime(certificate->not_before(), absl::UTCTimeZone()), " to ",
                     absl::FormatTime(certificate->not_after(), absl::UTCTimeZone())));
  }
  return PeerIdentity{.uri_sans = certificate->uri_sans(),
                      .subject_cn = certificate->subject_cn(),
                      .serial_hex = certificate->serial_hex(),
                      .not_after = certificate->not_after()};
}

}  // namespace rolemesh::base
