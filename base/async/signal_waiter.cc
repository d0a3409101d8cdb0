#include "base/async/signal_waiter.h"

#include <algorithm>
#include <csignal>
#include <poll.h>
#include <unistd.h>

#include "absl/base/internal/raw_logging.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include <sys/signalfd.h>

namespace rolemesh::base {

struct SignalWaiter::Saved {
  sigset_t mask;
  struct sigaction pipe;
};

SignalWaiter::SignalWaiter() : saved_(new Saved) {
  sigset_t waited;
  sigemptyset(&waited);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&waited, signal);
  }
  pthread_sigmask(SIG_BLOCK, &waited, &saved_->mask);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &saved_->pipe);
  fd_ = signalfd(-1, &waited, SFD_CLOEXEC | SFD_NONBLOCK);
  ABSL_RAW_CHECK(fd_ >= 0, "signalfd failed: out of file descriptors at start");
}

SignalWaiter::~SignalWaiter() {
  close(fd_);
  sigaction(SIGPIPE, &saved_->pipe, nullptr);
  pthread_sigmask(SIG_SETMASK, &saved_->mask, nullptr);
  delete saved_;
}

int SignalWaiter::Wait() {
  while (true) {
    if (const absl::optional<int> signal = WaitFor(absl::Hours(1)); signal.has_value()) {
      return *signal;
    }
  }
}

absl::optional<int> SignalWaiter::WaitFor(absl::Duration timeout) {
  const absl::Duration bounded = std::clamp(timeout, absl::ZeroDuration(), absl::Hours(24));
  pollfd poll_entry = {.fd = fd_, .events = POLLIN, .revents = 0};
  if (poll(&poll_entry, 1, static_cast<int>(absl::ToInt64Milliseconds(bounded))) <= 0) {
    return absl::nullopt;
  }
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) {
    return absl::nullopt;
  }
  return static_cast<int>(info.ssi_signo);
}

}  // namespace rolemesh::base
