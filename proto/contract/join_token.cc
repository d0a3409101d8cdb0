#include "proto/contract/join_token.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

#include "base/ids/random_id.h"
#include "base/tls/secret.h"

namespace rolemesh::contract {
namespace {

constexpr absl::string_view kPrefix = "rmj1";
constexpr int kIdBits = 60;
constexpr size_t kIdChars = 12;
constexpr int kSecretBits = 256;
constexpr size_t kSecretChars = 52;
constexpr size_t kHashChars = 64;

bool IsAlphanumeric(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); });
}

}  // namespace

JoinToken MakeJoinToken(absl::string_view root_spki_sha256) {
  return {.id = base::RandomBase32(kIdBits),
          .secret = base::Secret(base::RandomBase32(kSecretBits)),
          .root_spki_sha256 = std::string(root_spki_sha256)};
}

base::Secret FormatJoinToken(const JoinToken& token) {
  return base::Secret(absl::StrCat(kPrefix, "_", token.id, "_", token.secret.reveal(), "_",
                                   token.root_spki_sha256));
}

absl::StatusOr<JoinToken> ParseJoinToken(absl::string_view text) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(absl::StripAsciiWhitespace(text), '_');
  if (parts.size() != 4 || parts[0] != kPrefix || parts[1].size() != kIdChars ||
      parts[2].size() != kSecretChars || parts[3].size() != kHashChars ||
      !std::all_of(parts.begin(), parts.end(), IsAlphanumeric) ||
      !std::all_of(parts[3].begin(), parts[3].end(), absl::ascii_isxdigit)) {
    return absl::InvalidArgumentError(
        "not a whole join token (rmj1_<id>_<secret>_<hash>); copy all of what "
        "`meshctl token create` printed");
  }
  return JoinToken{.id = std::string(parts[1]),
                   .secret = base::Secret(std::string(parts[2])),
                   .root_spki_sha256 = std::string(parts[3])};
}

}  // namespace rolemesh::contract
