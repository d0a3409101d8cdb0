// TLS for connections between our own parts, and for listeners that clients reach.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/tls/private_key.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX
struct ssl_st;      // OpenSSL's SSL

namespace rolemesh::base {

enum class TlsVersion { k1_2, k1_3 };

/// Who we are, whom we trust and how both ends speak; makes SSLs for connections.
///
/// Always: TLS 1.2 at least, AEAD ciphers with forward secrecy, no compression, no
/// renegotiation, no early data. The peer's chain is verified during the handshake; its name is
/// not: take VerifiedPeer() and compare.
///
/// A certificate or trust change means a new context. Connections keep the one they were made
/// with, and session tickets die with theirs.
///
/// Thread-safety: immutable; copies share the SSL_CTX, which any thread may use.
class TlsContext {
 public:
  struct ServerConfig {
    std::string certificate_chain_pem;  ///< Leaf first, then intermediates.
    /// Roots of clients. Not empty: a client without a certificate of theirs is refused.
    /// Empty: clients are not asked for one.
    std::string client_ca_pem = {};
    TlsVersion min_version = TlsVersion::k1_3;
  };

  struct ClientConfig {
    std::string ca_pem;                      ///< Roots of servers; the system's are never used.
    std::string certificate_chain_pem = {};  ///< Empty: anonymous, `key` is then null.
    TlsVersion min_version = TlsVersion::k1_3;
  };

  /// Sessions resume by ticket (at most 1 h; within this context only).
  /// Errors: InvalidArgument: bad PEM, or `key` is not the leaf's.
  static absl::StatusOr<TlsContext> MakeServer(const ServerConfig& config, const PrivateKey& key);

  /// Sessions are not kept here: take SSL_get1_session and offer it to the next connection.
  /// Errors: as MakeServer.
  static absl::StatusOr<TlsContext> MakeClient(const ClientConfig& config, const PrivateKey* key);

  ssl_ctx_st* native() const { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<ssl_ctx_st> context);

  std::shared_ptr<ssl_ctx_st> context_;
};

/// The peer of a finished handshake, from its verified certificate.
struct PeerIdentity {
  std::vector<std::string> uri_sans;
  std::string subject_cn;  ///< For people only; never decides anything.
  std::string serial_hex;  ///< For the deny-list.
  absl::Time not_after;    ///< The connection must not outlive it.
};

/// Who is at the other end of `ssl`. Also holds for resumed sessions, whose certificates OpenSSL
/// does not look at again: call it after every handshake and check the deny-list.
/// Errors: Unauthenticated: no certificate, not verified, or not valid at `now`;
/// FailedPrecondition: the handshake is not finished.
absl::StatusOr<PeerIdentity> VerifiedPeer(const ssl_st* ssl, absl::Time now);

}  // namespace rolemesh::base
