// What an agent writes down about a server, so that the next agent finds it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "agent/process/process_launcher.h"

namespace rolemesh::agent {

/// state_dir/instances/<name>/process.json.
/// Thread-safety: a value.
struct ProcessRecord {
  ProcessIdentity identity;  ///< pid 0: it has ended; only the generation counts.
  uint16_t port = 0;
  uint64_t generation = 0;  ///< Of the newest start; never goes back.
  /// Program and arguments, with port 0: another list is another configuration.
  std::vector<std::string> command;

  friend bool operator==(const ProcessRecord&, const ProcessRecord&) = default;
};

std::string FormatProcessRecord(const ProcessRecord& record);

/// Errors: InvalidArgument: not written by us.
absl::StatusOr<ProcessRecord> ParseProcessRecord(absl::string_view text);

}  // namespace rolemesh::agent
