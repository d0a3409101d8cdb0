#include "proto/contract/digest.h"

#include <string>

#include "absl/strings/string_view.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace rolemesh::contract {

std::string Sha256(absl::string_view bytes) {
  std::string digest(32, '\0');
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  return digest;
}

bool ConstantTimeEquals(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace rolemesh::contract
