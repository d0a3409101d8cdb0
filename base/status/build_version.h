// Which build this is.
#pragma once

#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// The release, such as "0.1.0": for --version, hello messages and metrics.
absl::string_view BuildVersion();

}  // namespace rolemesh::base
