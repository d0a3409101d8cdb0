// Decides when one llama-server is started, trusted, drained and stopped.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/time/clock.h"

namespace rolemesh::agent {

/// What everybody may know about an instance; as rolemesh.v1.InstancePhase.
enum class InstancePhase {
  kStopped,    ///< Not running, by wish.
  kStarting,   ///< A process exists, not proven ready.
  kReady,      ///< Proven.
  kDraining,   ///< Finishes what runs, takes nothing new; or is being stopped.
  kBackoff,    ///< Ended unasked; starts again after a pause.
  kCrashLoop,  ///< Ended 5 times in 10 minutes; slow retries.
  kUnfit,      ///< Runs, but not as demanded.
};

/// "READY".
absl::string_view InstancePhaseName(InstancePhase phase);

/// What the machine wants done; in the order given.
struct InstanceAction {
  enum Kind {
    kSpawn,      ///< Start a process, then OnSpawned() or OnSpawnFailed().
    kProbe,      ///< Ask it what it can do, then OnProbed().
    kTerminate,  ///< SIGTERM.
    kKill,       ///< SIGKILL to its process group.
    kSetTimer,   ///< OnTimer() after `delay`; replaces the timer set before.
  };
  Kind kind;
  absl::Duration delay = absl::ZeroDuration();

  friend bool operator==(const InstanceAction&, const InstanceAction&) = default;
};
using InstanceActions = std::vector<InstanceAction>;

/// The numbers of design.md §7.
struct InstanceTiming {
  absl::Duration first_backoff = absl::Seconds(1);  ///< Doubles with each exit in the window.
  absl::Duration max_backoff = absl::Seconds(60);
  int crash_loop_exits = 5;
  absl::Duration crash_loop_window = absl::Minutes(10);
  absl::Duration probe_interval = absl::Milliseconds(100);  ///< While the model is being loaded.
  absl::Duration wrong_answer_interval = absl::Seconds(5);  ///< When it answers, but wrongly.
  absl::Duration start_limit = absl::Minutes(30);           ///< To get ready; then it is replaced.
  absl::Duration drain_cap = absl::Seconds(60);             ///< For requests that run at a stop.
  absl::Duration drain_poll = absl::Milliseconds(20);
  absl::Duration second_term = absl::Seconds(2);  ///< llama-server then ends at once.
  absl::Duration kill = absl::Seconds(3);         ///< After the second SIGTERM.
};

/// One instance through all of its processes. The supervisor reports what happened and does
/// what is returned; time is an argument.
///
/// Thread-safety: owned by the supervisor's executor.
class InstanceMachine {
 public:
  using Time = base::SteadyTime;

  explicit InstanceMachine(InstanceTiming timing = {}) : timing_(timing) {}

  /// It shall run.
  InstanceActions Start(Time now);
  /// It shall run, and OnAdopted() follows.
  void Want() { wanted_ = true; }
  /// It shall not run. `running`: requests in progress, which get until the drain cap.
  InstanceActions Stop(Time now, int running);
  /// It shall not run, whatever that costs: nothing is waited for.
  InstanceActions Kill(Time now);
  /// Nothing new is taken while `draining`; the process stays.
  void SetDraining(bool draining) { drained_by_operator_ = draining; }

  InstanceActions OnSpawned(Time now);
  /// `reason`: one line.
  InstanceActions OnSpawnFailed(Time now, absl::string_view reason);
  /// A process of an earlier agent was found. `fits`: started as it would be now; otherwise it is
  /// stopped first.
  InstanceActions OnAdopted(Time now, bool fits);
  /// `verdict`: OK: proven; Unavailable: not yet; FailedPrecondition: unfit; others: it answers
  /// wrongly. Ignored when no probe was asked for.
  InstanceActions OnProbed(Time now, const absl::Status& verdict);
  /// `port_taken`: its port was taken meanwhile; tried again with another at once, three times.
  InstanceActions OnExited(Time now, absl::string_view reason, bool port_taken);
  /// Ignored before the time set.
  InstanceActions OnTimer(Time now, int running);

  InstancePhase phase() const;
  /// One line: why it is in this phase; may be empty.
  std::string reason() const;
  /// A process exists (as far as is known).
  bool has_process() const;
  /// Requests may be sent to it, as far as it itself is concerned.
  bool proven() const { return state_ == State::kReady || state_ == State::kFinishing; }
  /// Takes nothing new.
  bool draining() const {
    return drained_by_operator_ || state_ == State::kFinishing || state_ == State::kStopping;
  }
  /// Starts again after an exit that nobody asked for.
  int restart_count() const { return restart_count_; }

 private:
  enum class State {
    kStopped,
    kSpawning,  // kSpawn was returned
    kProbing,   // kProbe was returned, or its timer runs
    kReady,
    kUnfit,
    kFinishing,  // to be stopped once nothing runs
    kStopping,   // signals are being sent
    kWaiting,    // for the end of a pause
  };

  InstanceActions BeginStopping(Time now, absl::string_view reason);
  InstanceActions Spawn();
  InstanceActions AfterUnaskedEnd(Time now, absl::string_view reason);
  InstanceAction SetTimer(Time now, absl::Duration delay);

  const InstanceTiming timing_;
  State state_ = State::kStopped;
  bool wanted_ = false;
  bool drained_by_operator_ = false;
  bool counts_as_failure_ = false;  // the stop under way is for our reasons, not a wish
  bool crash_loop_ = false;
  std::string reason_;
  absl::optional<Time> due_;  // of the timer
  Time started_{};
  Time drain_deadline_{};
  int signals_sent_ = 0;
  int port_retries_ = 0;
  int restart_count_ = 0;
  std::deque<Time> failures_;  // unasked ends within the window
};

}  // namespace rolemesh::agent
