#include "proto/contract/api_key.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "base/ids/random_id.h"
#include "base/tls/secret.h"
#include "proto/contract/digest.h"

namespace rolemesh::contract {
namespace {

constexpr absl::string_view kPrefix = "rm_";
constexpr absl::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kIdBits = 60;
constexpr size_t kIdChars = 12;
constexpr int kSecretBits = 160;
constexpr size_t kSecretChars = 32;
constexpr size_t kChecksumChars = 6;

// 30 bits of SHA-256 over all that precedes it.
std::string Checksum(absl::string_view text) {
  const std::string digest = Sha256(text);
  uint64_t bits = 0;
  for (int i = 0; i < 5; ++i) bits = bits << 8 | static_cast<unsigned char>(digest[i]);
  std::string checksum;
  for (size_t i = 0; i < kChecksumChars; ++i) checksum += kAlphabet[bits >> (5 * i) & 31];
  return checksum;
}

bool IsBase32(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return kAlphabet.find(c) != absl::string_view::npos; });
}

}  // namespace

NewApiKey MakeApiKey() {
  std::string id = base::RandomBase32(kIdBits);
  std::string text = absl::StrCat(kPrefix, id, "_", base::RandomBase32(kSecretBits));
  text += Checksum(text);
  std::string sha256 = Sha256(absl::string_view(text).substr(kPrefix.size() + kIdChars + 1));
  return {.id = std::move(id),
          .text = base::Secret(std::move(text)),
          .secret_sha256 = std::move(sha256)};
}

absl::StatusOr<ParsedApiKey> ParseApiKey(absl::string_view text) {
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, kPrefix) ||
      rest.size() != kIdChars + 1 + kSecretChars + kChecksumChars || rest[kIdChars] != '_') {
    return absl::InvalidArgumentError("not an API key of the form rm_<id>_<secret>");
  }
  const absl::string_view id = rest.substr(0, kIdChars);
  const absl::string_view secret = rest.substr(kIdChars + 1);
  if (!IsBase32(id) || !IsBase32(secret)) {
    return absl::InvalidArgumentError("the API key has characters that no key has");
  }
  const absl::string_view signed_part = text.substr(0, text.size() - kChecksumChars);
  if (Checksum(signed_part) != text.substr(signed_part.size())) {
    return absl::InvalidArgumentError("the API key's checksum is wrong: a typing error");
  }
  return ParsedApiKey{.id = id, .secret_sha256 = Sha256(secret)};
}

}  // namespace rolemesh::contract
