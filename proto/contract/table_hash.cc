#include "proto/contract/table_hash.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <openssl/evp.h>

namespace rolemesh::contract {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the sum is kept in wire order");

std::array<uint64_t, 4> EntryDigest(uint32_t kind, absl::string_view id,
                                    absl::string_view payload) {
  const uint32_t lengths[2] = {kind, static_cast<uint32_t>(id.size())};
  std::array<uint64_t, 4> digest = {};
  thread_local EVP_MD_CTX* const context = EVP_MD_CTX_new();
  unsigned int size = 0;
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  EVP_DigestUpdate(context, lengths, sizeof lengths);
  EVP_DigestUpdate(context, id.data(), id.size());
  EVP_DigestUpdate(context, payload.data(), payload.size());
  EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(digest.data()), &size);
  return digest;
}

}  // namespace

absl::StatusOr<TableHash> TableHash::FromBytes(absl::string_view bytes) {
  TableHash hash;
  if (bytes.size() != sizeof hash.sum_) {
    return absl::InvalidArgumentError(absl::StrCat("hash: ", bytes.size(), " bytes, not 32"));
  }
  std::memcpy(hash.sum_.data(), bytes.data(), bytes.size());
  return hash;
}

void TableHash::Add(uint32_t kind, absl::string_view id, absl::string_view payload) {
  const std::array<uint64_t, 4> digest = EntryDigest(kind, id, payload);
  unsigned char carry = 0;
  for (size_t i = 0; i < sum_.size(); ++i) {
    unsigned long long out = 0;        // NOLINT(google-runtime-int): the builtin's type
    unsigned long long carry_out = 0;  // NOLINT(google-runtime-int)
    out = __builtin_addcll(sum_[i], digest[i], carry, &carry_out);
    sum_[i] = out;
    carry = static_cast<unsigned char>(carry_out);
  }
}

void TableHash::Subtract(uint32_t kind, absl::string_view id, absl::string_view payload) {
  const std::array<uint64_t, 4> digest = EntryDigest(kind, id, payload);
  unsigned char borrow = 0;
  for (size_t i = 0; i < sum_.size(); ++i) {
    unsigned long long borrow_out = 0;  // NOLINT(google-runtime-int): the builtin's type
    sum_[i] = __builtin_subcll(sum_[i], digest[i], borrow, &borrow_out);
    borrow = static_cast<unsigned char>(borrow_out);
  }
}

std::string TableHash::ToBytes() const {
  return std::string(reinterpret_cast<const char*>(sum_.data()), sizeof sum_);
}

std::string TableHash::ToShortHex() const {
  return absl::BytesToHexString(ToBytes().substr(0, 8));
}

}  // namespace rolemesh::contract
