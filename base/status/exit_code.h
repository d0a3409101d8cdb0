// The exit codes of every program, as docs/reference documents them.
#pragma once

#include "absl/status/status.h"

namespace rolemesh::base {

/// What a script may rely on. Numbers never change meaning.
enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,      ///< Anything without a code of its own, our bugs included.
  kUsage = 2,        ///< Wrong arguments or configuration; nothing was done.
  kNotFound = 3,     ///< What was named does not exist.
  kDenied = 4,       ///< Not authenticated, or not allowed.
  kUnavailable = 5,  ///< The other side cannot be reached, or asks to slow down; retry later.
  kDeadline = 6,     ///< No answer in time; it may or may not have happened.
  kConflict = 7,     ///< State forbids it or changed meanwhile; look again before retrying.
};

/// The ExitCode for `status`, as main() returns it.
int ExitCodeFor(const absl::Status& status);

/// The same for a program that could not start: what its configuration or the machine is to blame
/// for (a port in use, a missing file) is kUsage, as with --check.
int ExitCodeAtStart(const absl::Status& status);

}  // namespace rolemesh::base
