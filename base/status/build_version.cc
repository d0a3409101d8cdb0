#include "base/status/build_version.h"

#include "absl/strings/string_view.h"

namespace rolemesh::base {

absl::string_view BuildVersion() {
  return ROLEMESH_VERSION;
}

}  // namespace rolemesh::base
