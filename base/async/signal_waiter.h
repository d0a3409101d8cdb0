// Lets main wait for the signals that end or reload a program.
#pragma once

#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace rolemesh::base {

/// Blocks SIGTERM, SIGINT and SIGHUP and ignores SIGPIPE for the whole process;
/// main then takes them one by one.
///
/// Make one, first thing in main, before any thread exists: threads inherit the
/// mask. Children inherit it too, so a launcher unblocks all signals and restores SIGPIPE
/// between fork and exec. A part that fails for good wakes main with
/// kill(getpid(), SIGTERM). The destructor restores mask and SIGPIPE.
///
/// Thread-safety: one waiting thread.
class SignalWaiter {
 public:
  SignalWaiter();
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  /// The next of the three signals; waits without limit.
  int Wait();

  /// The same, or nullopt when none came in `timeout`.
  absl::optional<int> WaitFor(absl::Duration timeout);

 private:
  struct Saved;
  Saved* const saved_;
  int fd_;  // signalfd
};

}  // namespace rolemesh::base
