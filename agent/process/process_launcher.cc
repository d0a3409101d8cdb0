#include "agent/process/process_launcher.h"

#include <string.h>
#include <string>

#include "absl/strings/str_cat.h"

namespace rolemesh::agent {

std::string ExitStatus::ToString() const {
  if (code.has_value()) {
    return absl::StrCat("exit status ", *code);
  }
  if (signal.has_value()) {
    const char* const name = sigabbrev_np(*signal);
    return absl::StrCat("killed by signal ", *signal, " (", name == nullptr ? "?" : name, ")");
  }
  return "exit status unknown";
}

}  // namespace rolemesh::agent
