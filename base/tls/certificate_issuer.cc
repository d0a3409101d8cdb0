#include "base/tls/certificate_issuer.h"

#include <algorithm>
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
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/status/status_macros.h"
#include "base/tls/key_rules.h"
#include "base/tls/openssl_handle.h"

namespace rolemesh::base {
namespace {

constexpr int kSerialBits = 127;
constexpr size_t kMaxNameBytes = 64;  // X.520's ub-common-name
constexpr size_t kMaxUriBytes = 2048;
constexpr size_t kMaxDnsBytes = 253;
constexpr size_t kMaxSans = 100;
constexpr int kRootPathLength = 1;

using X509Handle = OpenSslHandle<X509, X509_free>;

bool IsVisibleAscii(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

absl::Status CheckSans(const LeafRequest& request) {
  const size_t count = request.uri_sans.size() + request.dns_sans.size() + request.ip_sans.size();
  if (count == 0 || count > kMaxSans) {
    return absl::InvalidArgumentError("certificate: 1 to 100 subject alternative names");
  }
  for (const std::string& uri : request.uri_sans) {
    if (!IsVisibleAscii(uri) || uri.size() > kMaxUriBytes || uri.find(':') == std::string::npos) {
      return absl::InvalidArgumentError("uri_sans: not a URI of 3 to 2,048 ASCII characters");
    }
  }
  for (const std::string& dns : request.dns_sans) {
    if (!IsVisibleAscii(dns) || dns.size() > kMaxDnsBytes) {
      return absl::InvalidArgumentError("dns_sans: not a DNS name of 1 to 253 ASCII characters");
    }
  }
  return absl::OkStatus();
}

/// A GENERAL_NAMES entry; takes `value` over.
bool AddName(GENERAL_NAMES* names, int type, ASN1_STRING* value) {
  GENERAL_NAME* const name = value != nullptr ? GENERAL_NAME_new() : nullptr;
  if (name == nullptr) {
    ASN1_STRING_free(value);
    return false;
  }
  GENERAL_NAME_set0_value(name, type, value);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

bool AddText(GENERAL_NAMES* names, int type, absl::string_view text) {
  ASN1_STRING* const value = ASN1_IA5STRING_new();
  if (value != nullptr) {
    ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
  }
  return AddName(names, type, value);
}

/// Fills in one certificate step by step; Sign() ends it.
class CertificateDraft {
 public:
  CertificateDraft() : x509_(X509_new()) {}

  absl::Status SetSubject(absl::string_view common_name, const PublicKey& key) {
    if (common_name.size() > kMaxNameBytes) {
      return absl::InvalidArgumentError("subject name: longer than 64 bytes");
    }
    OpenSslHandle<X509_NAME, X509_NAME_free> name(X509_NAME_new());
    if (!common_name.empty() &&
        (common_name.find('\0') != absl::string_view::npos ||
         X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), /*loc=*/-1,
                                    /*set=*/0) != 1)) {
      ERR_clear_error();
      return absl::InvalidArgumentError("subject name: not UTF-8 text");
    }
    OpenSslHandle<BIGNUM, BN_free> serial(BN_new());
    do {
      if (BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1) {
        return OpenSslInternal("cannot draw a serial");
      }
    } while (BN_is_zero(serial.get()));
    if (X509_set_version(x509_.get(), X509_VERSION_3) != 1 ||
        BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(x509_.get())) == nullptr ||
        X509_set_subject_name(x509_.get(), name.get()) != 1 ||
        X509_set_pubkey(x509_.get(), key.native()) != 1) {
      return OpenSslInternal("cannot fill in a certificate");
    }
    return absl::OkStatus();
  }

  absl::Status SetValidity(absl::Time now, absl::Time not_after) {
    static const absl::Time kLast = absl::FromUnixSeconds(253402300799);  // end of 9999
    const absl::Time not_before = now - kCertificateBackdating;
    if (not_before < absl::UnixEpoch() || not_after > kLast || not_after <= now) {
      return absl::InvalidArgumentError("validity: ends before it begins, or outside 1970..9999");
    }
    if (ASN1_TIME_set(X509_getm_notBefore(x509_.get()), absl::ToTimeT(not_before)) == nullptr ||
        ASN1_TIME_set(X509_getm_notAfter(x509_.get()), absl::ToTimeT(not_after)) == nullptr) {
      return OpenSslInternal("cannot write a time");
    }
    return absl::OkStatus();
  }

  /// `issuer` null: self-signed.
  absl::Status SetIssuer(const Certificate* issuer) {
    X509* const from = issuer != nullptr ? issuer->native() : x509_.get();
    if (X509_set_issuer_name(x509_.get(), X509_get_subject_name(from)) != 1) {
      return OpenSslInternal("cannot write the issuer");
    }
    RM_RETURN_IF_ERROR(Extend(NID_subject_key_identifier, "hash", from));
    // An outside root may have no key id to refer to.
    if (issuer != nullptr && X509_get0_subject_key_id(from) != nullptr) {
      RM_RETURN_IF_ERROR(Extend(NID_authority_key_identifier, "keyid:always", from));
    }
    return absl::OkStatus();
  }

  absl::Status Extend(int nid, const std::string& value, X509* issuer = nullptr) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509_.get(), nullptr, nullptr, 0);
    OpenSslHandle<X509_EXTENSION, X509_EXTENSION_free> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    if (extension == nullptr || X509_add_ext(x509_.get(), extension.get(), -1) != 1) {
      return OpenSslInternal(absl::StrCat("cannot add ", OBJ_nid2sn(nid)));
    }
    return absl::OkStatus();
  }

  absl::Status SetSans(const std::vector<std::string>& uris, const std::vector<std::string>& dns,
                       const std::vector<std::string>& ips) {
    GENERAL_NAMES* const names = GENERAL_NAMES_new();
    const auto free_names = absl::MakeCleanup([names] { GENERAL_NAMES_free(names); });
    bool ok = names != nullptr;
    for (const std::string& uri : uris) {
      ok = ok && AddText(names, GEN_URI, uri);
    }
    for (const std::string& name : dns) {
      ok = ok && AddText(names, GEN_DNS, name);
    }
    for (const std::string& ip : ips) {
      ASN1_OCTET_STRING* const bytes = a2i_IPADDRESS(ip.c_str());
      if (bytes == nullptr) {
        ERR_clear_error();
        return absl::InvalidArgumentError("ip_sans: not an IPv4 or IPv6 literal");
      }
      ok = ok && AddName(names, GEN_IPADD, bytes);
    }
    // RFC 5280 4.2.1.6: critical when the subject says nothing.
    const int critical = X509_NAME_entry_count(X509_get_subject_name(x509_.get())) == 0;
    if (!ok || X509_add1_ext_i2d(x509_.get(), NID_subject_alt_name, names, critical,
                                 X509V3_ADD_DEFAULT) != 1) {
      return OpenSslInternal("cannot add subjectAltName");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Certificate> Sign(const PrivateKey& key) {
    if (X509_sign(x509_.get(), key.native(), SigningDigest(key.native())) <= 0) {
      return OpenSslInternal("cannot sign a certificate");
    }
    unsigned char* der = nullptr;
    const int size = i2d_X509(x509_.get(), &der);
    if (size <= 0) {
      return OpenSslInternal("cannot encode a certificate");
    }
    const auto free_der = absl::MakeCleanup([der] { OPENSSL_free(der); });
    // Read back: what we hand out is what others will parse.
    return Certificate::FromDer({reinterpret_cast<char*>(der), static_cast<size_t>(size)});
  }

 private:
  const X509Handle x509_;
};

absl::StatusOr<Certificate> IssueCa(const CaRequest& request, int path_length, const PublicKey& key,
                                    const Certificate* issuer, const PrivateKey& issuer_key) {
  if (request.name.empty()) {
    return absl::InvalidArgumentError("name: empty");
  }
  if (!IsVisibleAscii(request.trust_domain) || request.trust_domain.size() > kMaxDnsBytes ||
      request.trust_domain.find_first_of("/?#@:") != std::string::npos) {
    return absl::InvalidArgumentError("trust_domain: not a name of 1 to 253 ASCII characters");
  }
  absl::Time not_after = request.now + request.validity;
  if (issuer != nullptr) {
    not_after = std::min(not_after, issuer->not_after());
  }
  CertificateDraft draft;
  RM_RETURN_IF_ERROR(draft.SetSubject(request.name, key));
  RM_RETURN_IF_ERROR(draft.SetValidity(request.now, not_after));
  RM_RETURN_IF_ERROR(
      draft.Extend(NID_basic_constraints, absl::StrCat("critical,CA:TRUE,pathlen:", path_length)));
  RM_RETURN_IF_ERROR(draft.Extend(NID_key_usage, "critical,keyCertSign,cRLSign"));
  RM_RETURN_IF_ERROR(draft.SetIssuer(issuer));
  RM_RETURN_IF_ERROR(draft.SetSans({absl::StrCat("spiffe://", request.trust_domain)}, {}, {}));
  return draft.Sign(issuer_key);
}

absl::Status CheckNotExpired(const Certificate& issuer, absl::Time now) {
  if (now >= issuer.not_after()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the authority \"", issuer.subject(), "\" has expired"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Certificate> SelfSignedCa(const CaRequest& request, const PrivateKey& key) {
  return IssueCa(request, kRootPathLength, key.public_key(), /*issuer=*/nullptr, key);
}

CertificateIssuer::CertificateIssuer(Certificate certificate, PrivateKey key)
    : certificate_(std::move(certificate)), key_(std::move(key)) {}

absl::StatusOr<CertificateIssuer> CertificateIssuer::Build(Certificate certificate,
                                                           PrivateKey key) {
  if (!certificate.is_ca() || (X509_get_key_usage(certificate.native()) & KU_KEY_CERT_SIGN) == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate \"", certificate.subject(), "\" is not of an authority"));
  }
  if (X509_check_private_key(certificate.native(), key.native()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat("the private key is not that of certificate \"", certificate.subject(), "\""));
  }
  return CertificateIssuer(std::move(certificate), std::move(key));
}

absl::StatusOr<Certificate> CertificateIssuer::IssueIntermediate(const CaRequest& request,
                                                                 const PublicKey& key) const {
  RM_RETURN_IF_ERROR(CheckNotExpired(certificate_, request.now));
  if (X509_get_pathlen(certificate_.native()) == 0) {
    return absl::FailedPreconditionError(absl::StrCat("the authority \"", certificate_.subject(),
                                                      "\" may not have authorities under it"));
  }
  return IssueCa(request, /*path_length=*/0, key, &certificate_, key_);
}

absl::StatusOr<Certificate> CertificateIssuer::IssueLeaf(const LeafRequest& request,
                                                         const PublicKey& key) const {
  RM_RETURN_IF_ERROR(CheckNotExpired(certificate_, request.not_before));
  RM_RETURN_IF_ERROR(CheckSans(request));
  if (!request.client_auth && !request.server_auth) {
    return absl::InvalidArgumentError("certificate: neither client_auth nor server_auth");
  }
  CertificateDraft draft;
  RM_RETURN_IF_ERROR(draft.SetSubject(request.subject_cn, key));
  RM_RETURN_IF_ERROR(
      draft.SetValidity(request.not_before, std::min(request.not_after, certificate_.not_after())));
  RM_RETURN_IF_ERROR(draft.Extend(NID_basic_constraints, "critical,CA:FALSE"));
  RM_RETURN_IF_ERROR(draft.Extend(NID_key_usage, "critical,digitalSignature"));
  RM_RETURN_IF_ERROR(draft.Extend(
      NID_ext_key_usage, absl::StrCat(request.client_auth ? "clientAuth" : "",
                                      request.client_auth && request.server_auth ? "," : "",
                                      request.server_auth ? "serverAuth" : "")));
  RM_RETURN_IF_ERROR(draft.SetIssuer(&certificate_));
  RM_RETURN_IF_ERROR(draft.SetSans(request.uri_sans, request.dns_sans, request.ip_sans));
  return draft.Sign(key_);
}

}  // namespace rolemesh::base
