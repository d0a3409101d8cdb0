#include "base/tls/private_key.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/status/status_macros.h"
#include "base/tls/key_rules.h"
#include "base/tls/openssl_handle.h"

namespace rolemesh::base {
namespace {

constexpr size_t kMaxPemBytes = 16 << 10;

/// Never prompts on the terminal; an encrypted key then fails to parse.
int NoPassphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

PrivateKey::PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

absl::StatusOr<PrivateKey> PrivateKey::GenerateP256() {
  std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  if (key == nullptr) {
    return OpenSslInternal("cannot make a key");
  }
  return PrivateKey(std::move(key));
}

absl::StatusOr<PrivateKey> PrivateKey::FromPem(absl::string_view pem) {
  if (pem.size() > kMaxPemBytes) {
    return absl::InvalidArgumentError("private key: larger than 16 KiB");
  }
  OpenSslHandle<BIO, BIO_free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr),
                                EVP_PKEY_free);
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        "private key: not an unencrypted PEM private key (encrypted keys are not supported)");
  }
  RM_RETURN_IF_ERROR(CheckKeyRules(key.get(), /*min_rsa_bits=*/2048, "private key"));
  return PrivateKey(std::move(key));
}

Secret PrivateKey::ToPem() const {
  OpenSslHandle<BIO, BIO_free> bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    ERR_clear_error();
    return Secret();
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret(std::string(data, size));
}

}  // namespace rolemesh::base
