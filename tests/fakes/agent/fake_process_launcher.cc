#include "tests/fakes/agent/fake_process_launcher.h"

#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace rolemesh::agent {

class FakeProcessLauncher::FakeProcess final : public Process {
 public:
  FakeProcess(FakeProcessLauncher* launcher, uint64_t watch, ProcessIdentity identity)
      : launcher_(launcher), watch_(watch), identity_(std::move(identity)) {}
  ~FakeProcess() override { launcher_->watches_.erase(watch_); }

  const ProcessIdentity& identity() const override { return identity_; }
  absl::Status Signal(int signal) override {
    if (!launcher_->Get(identity_.pid).alive) {
      return absl::NotFoundError("the process has ended");
    }
    launcher_->OnSignal(identity_.pid, signal);
    return absl::OkStatus();
  }
  absl::Status SignalGroup(int signal) override { return Signal(signal); }

 private:
  FakeProcessLauncher* const launcher_;
  const uint64_t watch_;
  const ProcessIdentity identity_;
};

absl::StatusOr<std::unique_ptr<Process>> FakeProcessLauncher::Launch(const ProcessSpec& spec,
                                                                     ExitCallback on_exit) {
  if (!launch_status_.ok()) {
    return launch_status_;
  }
  const int pid = ++last_pid_;
  const ProcessIdentity identity = {
      .pid = pid, .start_time = 7000 + static_cast<uint64_t>(pid), .boot_id = kBootId};
  records_[pid] = {.identity = identity, .spec = spec, .signals = {}, .alive = true};
  watches_.emplace(++last_watch_, Watch{pid, /*is_parent=*/true, std::move(on_exit)});
  return std::make_unique<FakeProcess>(this, last_watch_, identity);
}

absl::StatusOr<std::unique_ptr<Process>> FakeProcessLauncher::Adopt(const ProcessIdentity& identity,
                                                                    ExitCallback on_exit) {
  const auto found = records_.find(identity.pid);
  if (found == records_.end() || !found->second.alive || found->second.identity != identity) {
    return absl::NotFoundError(absl::StrCat("process ", identity.pid, ": has ended"));
  }
  watches_.emplace(++last_watch_, Watch{identity.pid, /*is_parent=*/false, std::move(on_exit)});
  return std::make_unique<FakeProcess>(this, last_watch_, identity);
}

void FakeProcessLauncher::Exit(int pid, ExitStatus status) {
  records_.at(pid).alive = false;
  std::vector<std::pair<ExitCallback, ExitStatus>> due;
  for (auto it = watches_.begin(); it != watches_.end();) {
    if (it->second.pid == pid) {
      due.emplace_back(std::move(it->second.on_exit), it->second.is_parent ? status : ExitStatus());
      it = watches_.erase(it);
    } else {
      ++it;
    }
  }
  for (auto& [on_exit, seen] : due) {
    on_exit(seen);
  }
}

std::vector<int> FakeProcessLauncher::alive() const {
  std::vector<int> pids;
  for (const auto& [pid, record] : records_) {
    if (record.alive) {
      pids.push_back(pid);
    }
  }
  return pids;
}

void FakeProcessLauncher::OnSignal(int pid, int signal) {
  records_.at(pid).signals.push_back(signal);
  if (signal == SIGKILL || (signal == SIGTERM && !ignore_term_)) {
    Exit(pid, {.code = {}, .signal = signal});
  }
}

}  // namespace rolemesh::agent
