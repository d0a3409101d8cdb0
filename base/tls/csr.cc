#include "base/tls/csr.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/status/status_macros.h"
#include "base/tls/key_rules.h"
#include "base/tls/openssl_handle.h"
#include "base/tls/private_key.h"
#include "base/tls/public_key.h"

namespace rolemesh::base {
namespace {

constexpr size_t kMaxCsrBytes = 16 << 10;
constexpr int kMinRsaBits = 3072;

using CsrHandle = OpenSslHandle<X509_REQ, X509_REQ_free>;

CsrHandle ReadDer(absl::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* const end = at + der.size();
  CsrHandle csr(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  return at == end ? std::move(csr) : nullptr;
}

CsrHandle ReadPem(absl::string_view pem) {
  OpenSslHandle<BIO, BIO_free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) {
    return nullptr;
  }
  const auto free_block = absl::MakeCleanup([=] {
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, size);
  });
  if (absl::string_view(name) != PEM_STRING_X509_REQ &&
      absl::string_view(name) != PEM_STRING_X509_REQ_OLD) {
    return nullptr;
  }
  return ReadDer({reinterpret_cast<const char*>(data), static_cast<size_t>(size)});
}

/// An allow-list: what is not known to be strong is refused.
bool IsStrongSignature(int signature_nid) {
  int digest_nid = NID_undef;
  int key_nid = NID_undef;
  if (OBJ_find_sigid_algs(signature_nid, &digest_nid, &key_nid) != 1) {
    return false;
  }
  return signature_nid == NID_ED25519 || digest_nid == NID_sha256 || digest_nid == NID_sha384 ||
         digest_nid == NID_sha512;
}

}  // namespace

absl::StatusOr<std::string> MakeCsr(const PrivateKey& key) {
  CsrHandle csr(X509_REQ_new());
  if (csr == nullptr || X509_REQ_set_version(csr.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(csr.get(), key.native()) != 1 ||
      X509_REQ_sign(csr.get(), key.native(), SigningDigest(key.native())) <= 0) {
    return OpenSslInternal("cannot make a certificate request");
  }
  OpenSslHandle<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509_REQ(bio.get(), csr.get()) != 1) {
    return OpenSslInternal("cannot write a certificate request");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, size);
}

absl::StatusOr<PublicKey> ParseCsr(absl::string_view pem_or_der) {
  if (pem_or_der.size() > kMaxCsrBytes) {
    return absl::InvalidArgumentError("certificate request: larger than 16 KiB");
  }
  const CsrHandle csr =
      absl::StrContains(pem_or_der, "-----BEGIN") ? ReadPem(pem_or_der) : ReadDer(pem_or_der);
  const auto clear_errors = absl::MakeCleanup([] { ERR_clear_error(); });
  if (csr == nullptr) {
    return absl::InvalidArgumentError("certificate request: not PEM or DER of a PKCS#10 request");
  }
  std::shared_ptr<EVP_PKEY> key(X509_REQ_get_pubkey(csr.get()), EVP_PKEY_free);
  if (key == nullptr) {
    return absl::InvalidArgumentError("certificate request: unreadable public key");
  }
  // Before the signature: verifying with a huge key is slow.
  RM_RETURN_IF_ERROR(CheckKeyRules(key.get(), kMinRsaBits, "certificate request"));
  const int signature_nid = X509_REQ_get_signature_nid(csr.get());
  if (!IsStrongSignature(signature_nid)) {
    const char* name = OBJ_nid2sn(signature_nid);
    return absl::InvalidArgumentError(
        absl::StrCat("certificate request: signature ", name != nullptr ? name : "unknown",
                     " is not accepted; sign with SHA-256, SHA-384, SHA-512 or Ed25519"));
  }
  if (X509_REQ_verify(csr.get(), key.get()) != 1) {
    return absl::InvalidArgumentError(
        "certificate request: its signature was not made with its own key");
  }
  return PublicKey(std::move(key));
}

}  // namespace rolemesh::base
