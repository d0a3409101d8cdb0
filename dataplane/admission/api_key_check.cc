#include "dataplane/admission/api_key_check.h"

#include <string>

#include "absl/status/status.h"

#include "proto/contract/api_key.h"
#include "proto/contract/digest.h"

namespace rolemesh::dataplane {

absl::StatusOr<const ApiKey*> CheckApiKey(const RouteTable& table, absl::string_view text,
                                          absl::Time now) {
  const absl::StatusOr<contract::ParsedApiKey> parsed = contract::ParseApiKey(text);
  if (!parsed.ok()) {
    return absl::UnauthenticatedError("malformed API key");
  }
  static const std::string* const kNobody = new std::string(32, '\0');
  const ApiKey* const key = table.FindKey(parsed->id);
  const bool proved = contract::ConstantTimeEquals(parsed->secret_sha256,
                                                   key != nullptr ? key->secret_sha256 : *kNobody);
  if (key == nullptr || !proved) {
    return absl::UnauthenticatedError("unknown API key");
  }
  if (now >= key->expires_at) {
    return absl::UnauthenticatedError("expired API key");
  }
  return key;
}

}  // namespace rolemesh::dataplane
