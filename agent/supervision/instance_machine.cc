#include "agent/supervision/instance_machine.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rolemesh::agent {
namespace {

constexpr int kMaxPortRetries = 3;

}  // namespace

absl::string_view InstancePhaseName(InstancePhase phase) {
  switch (phase) {
    case InstancePhase::kStopped:
      return "STOPPED";
    case InstancePhase::kStarting:
      return "STARTING";
    case InstancePhase::kReady:
      return "READY";
    case InstancePhase::kDraining:
      return "DRAINING";
    case InstancePhase::kBackoff:
      return "BACKOFF";
    case InstancePhase::kCrashLoop:
      return "CRASH_LOOP";
    case InstancePhase::kUnfit:
      return "UNFIT";
  }
  return "?";
}

InstanceAction InstanceMachine::SetTimer(Time now, absl::Duration delay) {
  due_ = now + absl::ToChronoNanoseconds(delay);
  return {InstanceAction::kSetTimer, delay};
}

InstanceActions InstanceMachine::Spawn() {
  state_ = State::kSpawning;
  due_.reset();
  return {{InstanceAction::kSpawn}};
}

InstanceActions InstanceMachine::Start(Time /*now*/) {
  wanted_ = true;
  if (state_ != State::kStopped) {
    return {};
  }
  return Spawn();
}

InstanceActions InstanceMachine::Stop(Time now, int running) {
  wanted_ = false;
  switch (state_) {
    case State::kStopped:
    case State::kFinishing:
    case State::kStopping:
      return {};
    case State::kSpawning:
    case State::kWaiting:
      state_ = State::kStopped;
      reason_.clear();
      due_.reset();
      return {};
    case State::kReady:
      if (running > 0) {
        state_ = State::kFinishing;
        reason_ = "is to stop; finishes what runs";
        drain_deadline_ = now + absl::ToChronoNanoseconds(timing_.drain_cap);
        return {SetTimer(now, timing_.drain_poll)};
      }
      break;
    case State::kProbing:
    case State::kUnfit:
      break;
  }
  return BeginStopping(now, "is being stopped");
}

InstanceActions InstanceMachine::Kill(Time now) {
  wanted_ = false;
  if (!has_process()) {
    return Stop(now, 0);
  }
  state_ = State::kStopping;
  reason_ = "is being killed";
  signals_sent_ = 3;
  return {{InstanceAction::kKill}, SetTimer(now, timing_.second_term)};
}

InstanceActions InstanceMachine::BeginStopping(Time now, absl::string_view reason) {
  state_ = State::kStopping;
  reason_ = std::string(reason);
  signals_sent_ = 1;
  return {{InstanceAction::kTerminate}, SetTimer(now, timing_.second_term)};
}

InstanceActions InstanceMachine::OnSpawned(Time now) {
  started_ = now;
  state_ = State::kProbing;
  if (restart_count_ == 0) {
    reason_.clear();
  }
  due_.reset();
  if (!wanted_) {
    return BeginStopping(now, "is being stopped");
  }
  return {{InstanceAction::kProbe}};
}

InstanceActions InstanceMachine::OnSpawnFailed(Time now, absl::string_view reason) {
  if (!wanted_) {
    state_ = State::kStopped;
    return {};
  }
  return AfterUnaskedEnd(now, reason);
}

InstanceActions InstanceMachine::OnAdopted(Time now, bool fits) {
  if (!fits) {
    return BeginStopping(now, wanted_ ? "is being restarted with its new configuration"
                                      : "is no longer configured; is being stopped");
  }
  started_ = now;
  state_ = State::kProbing;
  reason_ = "was found running";
  due_.reset();
  return {{InstanceAction::kProbe}};
}

InstanceActions InstanceMachine::OnProbed(Time now, const absl::Status& verdict) {
  if (state_ != State::kProbing || due_.has_value()) {
    return {};
  }
  if (verdict.ok()) {
    state_ = State::kReady;
    reason_.clear();
    port_retries_ = 0;
    return {};
  }
  if (absl::IsFailedPrecondition(verdict)) {
    state_ = State::kUnfit;
    reason_ = std::string(verdict.message());
    return {};
  }
  if (now - started_ >= absl::ToChronoNanoseconds(timing_.start_limit)) {
    counts_as_failure_ = true;
    return BeginStopping(
        now, absl::StrCat("did not get ready in ", absl::FormatDuration(timing_.start_limit), ": ",
                          verdict.message()));
  }
  if (absl::IsUnavailable(verdict)) {
    return {SetTimer(now, timing_.probe_interval)};
  }
  reason_ = std::string(verdict.message());
  return {SetTimer(now, timing_.wrong_answer_interval)};
}

InstanceActions InstanceMachine::OnExited(Time now, absl::string_view reason, bool port_taken) {
  due_.reset();
  const bool asked = state_ == State::kStopping && !counts_as_failure_;
  const std::string why = counts_as_failure_ ? reason_ : std::string(reason);
  counts_as_failure_ = false;
  if (!wanted_) {
    state_ = State::kStopped;
    reason_.clear();
    return {};
  }
  if (asked) {  // to make room for itself
    reason_.clear();
    return Spawn();
  }
  if (port_taken && port_retries_ < kMaxPortRetries) {
    ++port_retries_;
    reason_ = "its port was taken by another program; tries another";
    return Spawn();
  }
  return AfterUnaskedEnd(now, why);
}

InstanceActions InstanceMachine::AfterUnaskedEnd(Time now, absl::string_view reason) {
  failures_.push_back(now);
  while (now - failures_.front() > absl::ToChronoNanoseconds(timing_.crash_loop_window)) {
    failures_.pop_front();
  }
  // Grows with what is in the window, and no further: a server that crashes for a year
  // costs no memory.
  while (failures_.size() > 64) {
    failures_.pop_front();
  }
  const int count = static_cast<int>(failures_.size());
  crash_loop_ = count >= timing_.crash_loop_exits;
  const absl::Duration pause =
      crash_loop_ ? timing_.max_backoff
                  : std::min(timing_.max_backoff, timing_.first_backoff * (1 << (count - 1)));
  state_ = State::kWaiting;
  reason_ = std::string(reason);
  port_retries_ = 0;
  return {SetTimer(now, pause)};
}

InstanceActions InstanceMachine::OnTimer(Time now, int running) {
  if (!due_.has_value() || now < *due_) {
    return {};
  }
  due_.reset();
  switch (state_) {
    case State::kProbing:
      return {{InstanceAction::kProbe}};
    case State::kWaiting:
      ++restart_count_;
      return Spawn();
    case State::kFinishing:
      if (running > 0 && now < drain_deadline_) {
        return {SetTimer(now, timing_.drain_poll)};
      }
      return BeginStopping(now, "is being stopped");
    case State::kStopping:
      if (++signals_sent_ == 2) {
        return {{InstanceAction::kTerminate}, SetTimer(now, timing_.kill)};
      }
      return {{InstanceAction::kKill}, SetTimer(now, timing_.second_term)};
    case State::kStopped:
    case State::kSpawning:
    case State::kReady:
    case State::kUnfit:
      break;
  }
  return {};
}

InstancePhase InstanceMachine::phase() const {
  switch (state_) {
    case State::kStopped:
      return InstancePhase::kStopped;
    case State::kSpawning:
    case State::kProbing:
      return InstancePhase::kStarting;
    case State::kReady:
      return drained_by_operator_ ? InstancePhase::kDraining : InstancePhase::kReady;
    case State::kUnfit:
      return InstancePhase::kUnfit;
    case State::kFinishing:
    case State::kStopping:
      return InstancePhase::kDraining;
    case State::kWaiting:
      return crash_loop_ ? InstancePhase::kCrashLoop : InstancePhase::kBackoff;
  }
  return InstancePhase::kStopped;
}

std::string InstanceMachine::reason() const {
  if (state_ == State::kReady && drained_by_operator_) {
    return "the node is drained";
  }
  return reason_;
}

bool InstanceMachine::has_process() const {
  return state_ == State::kProbing || state_ == State::kReady || state_ == State::kUnfit ||
         state_ == State::kFinishing || state_ == State::kStopping;
}

}  // namespace rolemesh::agent
