// Starts processes that outlive us, and says at once when one ends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"

namespace rolemesh::agent {

/// Names one process for ever: a pid alone is reused.
/// Thread-safety: a value.
struct ProcessIdentity {
  int pid = 0;              ///< 0: no process.
  uint64_t start_time = 0;  ///< Clock ticks after boot (/proc/PID/stat, field 22).
  std::string boot_id;      ///< /proc/sys/kernel/random/boot_id

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// How a process ended.
/// Thread-safety: a value.
struct ExitStatus {
  absl::optional<int> code;    ///< It called exit().
  absl::optional<int> signal;  ///< A signal ended it.
  // Neither: it was adopted, and only its own parent is told.

  /// "exit status 1", "killed by signal 9 (KILL)", "exit status unknown".
  std::string ToString() const;
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

/// What to run. There is no shell anywhere.
/// Thread-safety: a value.
struct ProcessSpec {
  std::string executable;                ///< Absolute path.
  std::vector<std::string> arguments;    ///< Without argv[0].
  std::vector<std::string> environment;  ///< NAME=VALUE; all of it, nothing is inherited.
  std::string log_path;                  ///< stdout and stderr are appended to it.
};

/// A process that runs or has ended. Destroying this does not touch the process; its exit
/// callback will not run any more.
///
/// Thread-safety: owned by its caller.
/// Ownership: its launcher outlives it.
class Process {
 public:
  virtual ~Process() = default;

  virtual const ProcessIdentity& identity() const = 0;

  /// Never reaches another process that was given the same pid.
  /// Errors: NotFound: it has ended; PermissionDenied: not ours any more.
  virtual absl::Status Signal(int signal) = 0;

  /// The same for the process and all of its group: its children too.
  virtual absl::Status SignalGroup(int signal) = 0;
};

/// Thread-safety: thread-safe.
class ProcessLauncher {
 public:
  /// Runs once, at once when the process has ended, on a thread of the launcher: post and return.
  using ExitCallback = absl::AnyInvocable<void(ExitStatus)>;

  virtual ~ProcessLauncher() = default;

  /// Starts `spec` in a process group of its own, which survives us; stdin is empty.
  /// Errors: those of execve, NotFound and PermissionDenied first of all: fix the configuration;
  /// ResourceExhausted: retry with backoff. The message begins with the path.
  virtual absl::StatusOr<std::unique_ptr<Process>> Launch(const ProcessSpec& spec,
                                                          ExitCallback on_exit) = 0;

  /// Watches a process that an earlier agent started.
  /// Errors: NotFound: it has ended; another process may have its pid.
  virtual absl::StatusOr<std::unique_ptr<Process>> Adopt(const ProcessIdentity& identity,
                                                         ExitCallback on_exit) = 0;
};

}  // namespace rolemesh::agent
