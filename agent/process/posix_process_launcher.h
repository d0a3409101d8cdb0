// Processes of this machine: execve, process groups, pidfds.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "agent/process/process_launcher.h"

namespace rolemesh::agent {

/// The real thing. A child has: a process group of its own, an empty stdin, no descriptor of
/// ours, default signal handling, no_new_privs, and oom_score_adj 500 so that the kernel takes
/// it before us. Its end is seen by pidfd on a thread of this class (in well under 5 ms).
///
/// A child that ends after its Process was destroyed is reaped all the same; one that outlives
/// the launcher is left to whoever adopts it.
///
/// Thread-safety: thread-safe; destroyed after all of its processes.
class PosixProcessLauncher final : public ProcessLauncher {
 public:
  PosixProcessLauncher();
  ~PosixProcessLauncher() override;

  absl::StatusOr<std::unique_ptr<Process>> Launch(const ProcessSpec& spec,
                                                  ExitCallback on_exit) override;
  absl::StatusOr<std::unique_ptr<Process>> Adopt(const ProcessIdentity& identity,
                                                 ExitCallback on_exit) override;

 private:
  class Watcher;
  class PosixProcess;

  const std::shared_ptr<Watcher> watcher_;
};

/// Errors: as ReadSmallFile.
absl::StatusOr<std::string> ReadBootId();

/// Field 22 of /proc/PID/stat.
/// Errors: NotFound: no such process.
absl::StatusOr<uint64_t> ReadStartTime(int pid);

}  // namespace rolemesh::agent
