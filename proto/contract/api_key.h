// A client's API key: rm_<id>_<secret>.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/tls/secret.h"

namespace rolemesh::contract {

/// A key just made. `text` is shown once and never kept.
struct NewApiKey {
  std::string id;             ///< Public: 12 characters, for lists, logs and revocation.
  base::Secret text;          ///< What clients send.
  std::string secret_sha256;  ///< 32 bytes, at rest and in the route table.
};

/// Makes a key with a secret of 160 bits from the system's generator.
NewApiKey MakeApiKey();

/// What a client sent, taken apart.
struct ParsedApiKey {
  absl::string_view id;       ///< Points into the text that was parsed.
  std::string secret_sha256;  ///< 32 bytes, to compare with ConstantTimeEquals().
};

/// Takes `text` apart. The last six characters of the secret are a checksum,
/// so that a typo is told without a lookup; it is no protection.
///
/// Errors: kInvalidArgument; the message holds nothing of the key.
absl::StatusOr<ParsedApiKey> ParseApiKey(absl::string_view text);

}  // namespace rolemesh::contract
