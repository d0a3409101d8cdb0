// SHA-256, and comparing secrets.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rolemesh::contract {

/// 32 bytes.
std::string Sha256(absl::string_view bytes);

/// Takes the same time wherever the first difference is.
bool ConstantTimeEquals(absl::string_view a, absl::string_view b);

}  // namespace rolemesh::contract
