#include "base/tls/certificate.h"

#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/ids/hex.h"
#include "base/status/annotate.h"
#include "base/status/status_macros.h"
#include "base/tls/openssl_handle.h"
#include "base/tls/public_key.h"

namespace rolemesh::base {
namespace {

constexpr size_t kMaxCertificateBytes = 64 << 10;
constexpr size_t kMaxChainBytes = 256 << 10;
constexpr size_t kMaxChainLength = 128;
constexpr int kMaxSans = 1'000;
constexpr int kMaxDepth = 4;       // root, intermediate, leaf, and one to spare
constexpr int kSecurityLevel = 2;  // RSA 2048, no SHA-1; as OpenSSL's name for 112 bits

using X509Handle = OpenSslHandle<X509, X509_free>;

absl::string_view View(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

absl::StatusOr<std::string> WithoutNul(const ASN1_STRING* text, absl::string_view what) {
  const absl::string_view view = View(text);
  if (view.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("certificate: NUL byte in ", what));
  }
  return std::string(view);
}

std::string NameForPeople(const X509_NAME* name) {
  OpenSslHandle<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, size);
}

absl::StatusOr<std::string> CommonName(const X509_NAME* name) {
  int index = -1, last = -1;
  while ((index = X509_NAME_get_index_by_NID(name, NID_commonName, index)) >= 0) {
    last = index;
  }
  if (last < 0) {
    return std::string();
  }
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
  if (size < 0) {
    ERR_clear_error();
    return absl::InvalidArgumentError("certificate: common name is no text");
  }
  std::string text(reinterpret_cast<char*>(utf8), size);
  OPENSSL_free(utf8);
  if (text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("certificate: NUL byte in common name");
  }
  return text;
}

absl::StatusOr<absl::Time> ToTime(const ASN1_TIME* time) {
  std::tm tm = {};
  if (ASN1_TIME_to_tm(time, &tm) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("certificate: unreadable time");
  }
  return absl::FromTM(tm, absl::UTCTimeZone());
}

absl::StatusOr<std::string> SerialHex(const X509* x509) {
  OpenSslHandle<BIGNUM, BN_free> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nullptr));
  if (number == nullptr || BN_is_negative(number.get())) {
    ERR_clear_error();
    return absl::InvalidArgumentError("certificate: negative serial");
  }
  std::string bytes(BN_num_bytes(number.get()), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return bytes.empty() ? "00" : HexEncode(bytes);
}

}  // namespace

struct Certificate::Fields {
  std::shared_ptr<X509> x509;
  std::string subject_cn;
  std::string subject;
  std::string issuer;
  std::vector<std::string> uri_sans;
  std::vector<std::string> dns_sans;
  std::vector<std::string> ip_sans;
  std::string serial_hex;
  std::string spki_sha256_hex;
  absl::Time not_before;
  absl::Time not_after;

  absl::Status ReadSans();
};

absl::Status Certificate::Fields::ReadSans() {
  int critical = 0;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(x509.get(), NID_subject_alt_name, &critical, nullptr));
  ERR_clear_error();
  if (names == nullptr) {
    // -1: there is none. Otherwise twice or unreadable.
    return critical == -1 ? absl::OkStatus()
                          : absl::InvalidArgumentError("certificate: bad subjectAltName");
  }
  const auto free_names = absl::MakeCleanup([names] { GENERAL_NAMES_free(names); });
  if (sk_GENERAL_NAME_num(names) > kMaxSans) {
    return absl::InvalidArgumentError("certificate: more than 1,000 subject alternative names");
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    switch (name->type) {
      case GEN_URI: {
        RM_ASSIGN_OR_RETURN(std::string uri,
                            WithoutNul(name->d.uniformResourceIdentifier, "URI name"));
        uri_sans.push_back(std::move(uri));
        break;
      }
      case GEN_DNS: {
        RM_ASSIGN_OR_RETURN(std::string dns, WithoutNul(name->d.dNSName, "DNS name"));
        dns_sans.push_back(std::move(dns));
        break;
      }
      case GEN_IPADD: {
        const absl::string_view bytes = View(name->d.iPAddress);
        char text[INET6_ADDRSTRLEN];
        if (bytes.size() != 4 && bytes.size() != 16) {
          return absl::InvalidArgumentError("certificate: IP name of odd length");
        }
        inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
        ip_sans.emplace_back(text);
        break;
      }
      default:
        break;  // mail, directory names...: nobody here reads them
    }
  }
  return absl::OkStatus();
}

Certificate::Certificate(std::shared_ptr<const Fields> fields) : fields_(std::move(fields)) {}

absl::StatusOr<Certificate> Certificate::FromNative(std::shared_ptr<x509_st> x509) {
  auto fields = std::make_shared<Fields>();
  fields->x509 = std::move(x509);
  X509* const raw = fields->x509.get();
  // Also makes OpenSSL cache the extensions, so that later calls only read.
  if ((X509_get_extension_flags(raw) & EXFLAG_INVALID) != 0) {
    ERR_clear_error();
    return absl::InvalidArgumentError("certificate: contradictory or unreadable extensions");
  }
  EVP_PKEY* const key = X509_get0_pubkey(raw);
  if (key == nullptr) {
    ERR_clear_error();
    return absl::InvalidArgumentError("certificate: unreadable public key");
  }
  RM_ASSIGN_OR_RETURN(fields->subject_cn, CommonName(X509_get_subject_name(raw)));
  fields->subject = NameForPeople(X509_get_subject_name(raw));
  fields->issuer = NameForPeople(X509_get_issuer_name(raw));
  RM_ASSIGN_OR_RETURN(fields->serial_hex, SerialHex(raw));
  RM_ASSIGN_OR_RETURN(fields->not_before, ToTime(X509_get0_notBefore(raw)));
  RM_ASSIGN_OR_RETURN(fields->not_after, ToTime(X509_get0_notAfter(raw)));
  RM_RETURN_IF_ERROR(fields->ReadSans());
  Certificate certificate(fields);
  fields->spki_sha256_hex = certificate.public_key().SpkiSha256Hex();
  return certificate;
}

absl::StatusOr<Certificate> Certificate::FromDer(absl::string_view der) {
  if (der.size() > kMaxCertificateBytes) {
    return absl::InvalidArgumentError("certificate: larger than 64 KiB");
  }
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* const end = at + der.size();
  std::shared_ptr<X509> x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free);
  ERR_clear_error();
  if (x509 == nullptr || at != end) {
    return absl::InvalidArgumentError(x509 == nullptr ? "certificate: not DER of a certificate"
                                                      : "certificate: bytes after its end");
  }
  return FromNative(std::move(x509));
}

absl::StatusOr<Certificate> Certificate::FromPem(absl::string_view pem) {
  if (pem.size() > kMaxCertificateBytes) {
    return absl::InvalidArgumentError("certificate: larger than 64 KiB");
  }
  RM_ASSIGN_OR_RETURN(std::vector<Certificate> chain, ParseChainPem(pem));
  if (chain.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate: expected one, found ", chain.size()));
  }
  return std::move(chain.front());
}

absl::StatusOr<std::vector<Certificate>> Certificate::ParseChainPem(absl::string_view pem) {
  if (pem.size() > kMaxChainBytes) {
    return absl::InvalidArgumentError("certificates: larger than 256 KiB");
  }
  OpenSslHandle<BIO, BIO_free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Certificate> chain;
  while (true) {
    const std::string where = absl::StrCat("certificate ", chain.size() + 1);
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) {
      const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (!at_end) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": truncated or damaged PEM"));
      }
      break;
    }
    const auto free_block = absl::MakeCleanup([=] {
      OPENSSL_free(name);
      OPENSSL_free(header);
      OPENSSL_clear_free(data, size);
    });
    if (absl::string_view(name) != "CERTIFICATE" || *header != '\0') {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": expected a CERTIFICATE block, found ", name));
    }
    if (chain.size() == kMaxChainLength) {
      return absl::InvalidArgumentError("certificates: more than 128");
    }
    absl::StatusOr<Certificate> one =
        FromDer({reinterpret_cast<const char*>(data), static_cast<size_t>(size)});
    if (!one.ok()) {
      return Annotate(one.status(), where);
    }
    chain.push_back(*std::move(one));
  }
  if (chain.empty()) {
    return absl::InvalidArgumentError("certificates: no PEM certificate found");
  }
  return chain;
}

const std::string& Certificate::subject_cn() const {
  return fields_->subject_cn;
}
const std::string& Certificate::subject() const {
  return fields_->subject;
}
const std::string& Certificate::issuer() const {
  return fields_->issuer;
}
const std::vector<std::string>& Certificate::uri_sans() const {
  return fields_->uri_sans;
}
const std::vector<std::string>& Certificate::dns_sans() const {
  return fields_->dns_sans;
}
const std::vector<std::string>& Certificate::ip_sans() const {
  return fields_->ip_sans;
}
const std::string& Certificate::serial_hex() const {
  return fields_->serial_hex;
}
absl::Time Certificate::not_before() const {
  return fields_->not_before;
}
absl::Time Certificate::not_after() const {
  return fields_->not_after;
}
const std::string& Certificate::SpkiSha256Hex() const {
  return fields_->spki_sha256_hex;
}
x509_st* Certificate::native() const {
  return fields_->x509.get();
}

bool Certificate::is_ca() const {
  return (X509_get_extension_flags(native()) & EXFLAG_CA) != 0;
}

bool Certificate::is_self_signed() const {
  const bool good = X509_self_signed(native(), /*verify_signature=*/1) == 1;
  ERR_clear_error();
  return good;
}

PublicKey Certificate::public_key() const {
  return PublicKey(std::shared_ptr<EVP_PKEY>(X509_get_pubkey(native()), EVP_PKEY_free));
}

std::string Certificate::ToDer() const {
  unsigned char* der = nullptr;
  const int size = i2d_X509(native(), &der);
  std::string bytes(reinterpret_cast<char*>(der), size > 0 ? size : 0);
  OPENSSL_free(der);
  return bytes;
}

std::string Certificate::ToPem() const {
  OpenSslHandle<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), native());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, size);
}

absl::Status Certificate::VerifiedBy(absl::Span<const Certificate> roots,
                                     absl::Span<const Certificate> intermediates, absl::Time now,
                                     Purpose purpose) const {
  OpenSslHandle<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  OpenSslHandle<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  STACK_OF(X509)* const untrusted = sk_X509_new_null();
  const auto free_untrusted = absl::MakeCleanup([untrusted] { sk_X509_free(untrusted); });
  for (const Certificate& root : roots) {
    X509_STORE_add_cert(store.get(), root.native());
  }
  for (const Certificate& intermediate : intermediates) {
    sk_X509_push(untrusted, intermediate.native());
  }
  if (X509_STORE_CTX_init(context.get(), store.get(), native(), untrusted) != 1) {
    return OpenSslInternal("cannot verify");
  }
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(rules, absl::ToTimeT(now));
  X509_VERIFY_PARAM_set_depth(rules, kMaxDepth);
  X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
  if (purpose != Purpose::kAny) {
    X509_VERIFY_PARAM_set_purpose(
        rules, purpose == Purpose::kServer ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  }
  const int verified = X509_verify_cert(context.get());
  ERR_clear_error();
  if (verified != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    X509* const culprit = X509_STORE_CTX_get_current_cert(context.get());
    return absl::UnauthenticatedError(
        absl::StrCat("certificate \"",
                     culprit != nullptr ? NameForPeople(X509_get_subject_name(culprit)) : subject(),
                     "\": ", X509_verify_cert_error_string(error)));
  }
  // OpenSSL lets certificates without basicConstraints sign in some old cases.
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    X509* const signer = sk_X509_value(chain, i);
    if ((X509_get_extension_flags(signer) & EXFLAG_CA) == 0) {
      return absl::UnauthenticatedError(absl::StrCat("certificate \"",
                                                     NameForPeople(X509_get_subject_name(signer)),
                                                     "\": signs certificates but is no CA"));
    }
  }
  return absl::OkStatus();
}

bool operator==(const Certificate& a, const Certificate& b) {
  return a.fields_ == b.fields_ || X509_cmp(a.native(), b.native()) == 0;
}

std::string ChainToPem(absl::Span<const Certificate> chain) {
  std::string pem;
  for (const Certificate& certificate : chain) {
    absl::StrAppend(&pem, certificate.ToPem());
  }
  return pem;
}

}  // namespace rolemesh::base
