#include "base/tls/public_key.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/ids/hex.h"

namespace rolemesh::base {

PublicKey::PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

std::string PublicKey::SpkiSha256Hex() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key_.get(), &der);
  if (size <= 0) {
    return "";  // out of memory; matches no pin
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(der, size, digest);
  OPENSSL_free(der);
  return HexEncode(absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace rolemesh::base
