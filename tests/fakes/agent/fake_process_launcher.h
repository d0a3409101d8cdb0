// Processes that a test ends by hand.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "agent/process/process_launcher.h"

namespace rolemesh::agent {

/// A machine without processes: what is launched runs until the test (or a signal) ends it.
///
///   FakeProcessLauncher launcher;
///   ... the code under test launches ...
///   launcher.Exit(launcher.last_pid(), {.code = 1});   // runs the exit callback at once
///
/// By default SIGTERM and SIGKILL end a process; IgnoreTerm() makes it ignore the first.
///
/// Thread-safety: the thread that made it only.
class FakeProcessLauncher final : public ProcessLauncher {
 public:
  struct Record {
    ProcessIdentity identity;
    ProcessSpec spec;
    std::vector<int> signals;  ///< In order; groups too.
    bool alive = true;
  };

  absl::StatusOr<std::unique_ptr<Process>> Launch(const ProcessSpec& spec,
                                                  ExitCallback on_exit) override;
  absl::StatusOr<std::unique_ptr<Process>> Adopt(const ProcessIdentity& identity,
                                                 ExitCallback on_exit) override;

  /// Launching `executable` fails from now on; OK lets it succeed again.
  void FailLaunch(absl::Status status) { launch_status_ = std::move(status); }
  void IgnoreTerm(bool ignore) { ignore_term_ = ignore; }

  void Exit(int pid, ExitStatus status);

  int last_pid() const { return last_pid_; }
  const Record& Get(int pid) const { return records_.at(pid); }
  std::vector<int> alive() const;
  int launched() const { return static_cast<int>(records_.size()); }

  static constexpr char kBootId[] = "00000000-0000-4000-8000-000000000001";

 private:
  class FakeProcess;
  struct Watch {
    int pid;
    bool is_parent;
    ExitCallback on_exit;
  };

  void OnSignal(int pid, int signal);

  absl::Status launch_status_;
  bool ignore_term_ = false;
  int last_pid_ = 1000;
  uint64_t last_watch_ = 0;
  absl::btree_map<int, Record> records_;
  absl::btree_map<uint64_t, Watch> watches_;
};

}  // namespace rolemesh::agent
