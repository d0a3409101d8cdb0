// Bytes as hex digits and back.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// Two lower-case digits per byte.
std::string HexEncode(absl::string_view bytes);

/// Accepts both cases, nothing else: no spaces, no prefix.
/// Errors: InvalidArgument: odd length, or the offset of the first character that is no digit.
absl::StatusOr<std::string> HexDecode(absl::string_view digits);

}  // namespace rolemesh::base
