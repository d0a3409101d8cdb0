#include "agent/process/posix_process_launcher.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/base/internal/raw_logging.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/status/annotate.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"

namespace rolemesh::agent {
namespace {

// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }
  void Close() {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
    }
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Not in every libc's headers.
int PidfdOpen(int pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}
int PidfdSendSignal(int pidfd, int signal) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

absl::StatusOr<std::string> ReadProcFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return base::ErrnoStatus(errno, path);
  }
  char buffer[4096];
  const ssize_t count = read(fd.get(), buffer, sizeof(buffer));
  if (count < 0) {
    return base::ErrnoStatus(errno, path);
  }
  return std::string(buffer, static_cast<size_t>(count));
}

struct ProcessStat {
  uint64_t start_time;
  bool ended;  // but not reaped
};

absl::StatusOr<ProcessStat> ReadStat(int pid) {
  const std::string path = absl::StrCat("/proc/", pid, "/stat");
  RM_ASSIGN_OR_RETURN(const std::string text, ReadProcFile(path));
  // Field 2 is the name in parentheses and may hold anything; field 3 follows the last ")".
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return absl::InternalError(absl::StrCat(path, ": no name in it"));
  }
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(text).substr(name_end + 1), ' ', absl::SkipEmpty());
  constexpr size_t kStartTime = 22 - 3;
  ProcessStat stat = {};
  if (fields.size() <= kStartTime || !absl::SimpleAtoi(fields[kStartTime], &stat.start_time)) {
    return absl::InternalError(absl::StrCat(path, ": field 22 is not a number"));
  }
  stat.ended = fields[0] == "Z" || fields[0] == "X";
  return stat;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// What the child does between fork and exec; only calls that are safe there. `error_fd` receives
// the errno when it does not get as far as the new program.
[[noreturn]] void BecomeProgram(const char* executable, char* const* argv, char* const* envp,
                                int stdin_fd, int log_fd, int error_fd) {
  constexpr int kErrorFd = 3;
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    sigaction(signal, &standard, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setpgid(0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // Best effort: a container may not allow it.
  if (const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    [[maybe_unused]] const ssize_t ignored = write(fd, "500", 3);
    close(fd);
  }
  // The descriptors of the parent are above 3, see LaunchChild().
  if (dup2(stdin_fd, 0) == 0 && dup2(log_fd, 1) == 1 && dup2(log_fd, 2) == 2 &&
      dup3(error_fd, kErrorFd, O_CLOEXEC) == kErrorFd && chdir("/") == 0 &&
      syscall(SYS_close_range, kErrorFd + 1, ~0U, 0) == 0) {
    execve(executable, argv, envp);
    error_fd = kErrorFd;
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t ignored = write(error_fd, &error, sizeof(error));
  _exit(127);
}

// `fd` at a number that BecomeProgram() does not overwrite.
Fd MoveAbove(int lowest, Fd fd) {
  if (fd.get() > lowest) {
    return fd;
  }
  return Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, lowest + 1));
}

}  // namespace

// One thread that waits for the end of every process.
class PosixProcessLauncher::Watcher {
 public:
  Watcher() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    ABSL_RAW_CHECK(epoll_.valid() && wake_.valid(), "out of file descriptors at start");
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = 0}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
    thread_ = std::thread([this] { Run(); });
  }
  ~Watcher() {
    eventfd_write(wake_.get(), 1);
    thread_.join();
  }

  // Takes `pidfd` over. The number of the watch, never 0.
  absl::StatusOr<uint64_t> Watch(Fd pidfd, int pid, ExitCallback on_exit) {
    const absl::MutexLock lock(&mutex_);
    const uint64_t number = ++last_number_;
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = number}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd.get(), &event) != 0) {
      return base::ErrnoStatus(errno, absl::StrCat("watching process ", pid));
    }
    watches_.emplace(number, WatchEntry{std::move(pidfd), pid, std::move(on_exit)});
    return number;
  }

  // Afterwards the callback does not run; the process is still reaped. Waits for a callback
  // that runs now.
  void Forget(uint64_t number) {
    const absl::MutexLock callbacks_lock(&callback_mutex_);
    const absl::MutexLock lock(&mutex_);
    if (const auto found = watches_.find(number); found != watches_.end()) {
      found->second.on_exit = nullptr;
    }
  }

  absl::Status Signal(uint64_t number, int signal, bool group) {
    const absl::MutexLock lock(&mutex_);
    const auto found = watches_.find(number);
    if (found == watches_.end()) {
      return absl::NotFoundError("the process has ended");
    }
    // The group is signalled by number: it is ours as long as its leader has not been reaped,
    // and the entry goes before that.
    const int result = group ? kill(-found->second.pid, signal)
                             : PidfdSendSignal(found->second.pidfd.get(), signal);
    return result == 0 ? absl::OkStatus()
                       : base::ErrnoStatus(errno, absl::StrCat("process ", found->second.pid));
  }

 private:
  struct WatchEntry {
    Fd pidfd;
    int pid;
    ExitCallback on_exit;  // null when nobody wants to know
  };

  void Run() {
    pthread_setname_np(pthread_self(), "processes");
    while (true) {
      epoll_event events[16];
      const int count = epoll_wait(epoll_.get(), events, 16, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 == 0) {
          return;
        }
        OnEnded(events[i].data.u64);
      }
    }
  }

  void OnEnded(uint64_t number) {
    const absl::MutexLock callbacks_lock(&callback_mutex_);
    ExitCallback on_exit;
    ExitStatus status;
    {
      const absl::MutexLock lock(&mutex_);
      const auto found = watches_.find(number);
      if (found == watches_.end()) {
        return;
      }
      siginfo_t info = {};
      // Fails with ECHILD for an adopted process: then the status stays unknown.
      if (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(found->second.pidfd.get()),
                 &info, WEXITED | WNOHANG) == 0 &&
          info.si_pid != 0) {
        (info.si_code == CLD_EXITED ? status.code : status.signal) = info.si_status;
      }
      on_exit = std::move(found->second.on_exit);
      watches_.erase(found);
    }
    if (on_exit) {
      on_exit(status);
    }
  }

  const Fd epoll_;
  const Fd wake_;
  absl::Mutex callback_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);  // held while a callback runs
  absl::Mutex mutex_;
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, WatchEntry> watches_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

class PosixProcessLauncher::PosixProcess final : public Process {
 public:
  PosixProcess(std::shared_ptr<Watcher> watcher, uint64_t watch, ProcessIdentity identity)
      : watcher_(std::move(watcher)), watch_(watch), identity_(std::move(identity)) {}
  ~PosixProcess() override { watcher_->Forget(watch_); }

  const ProcessIdentity& identity() const override { return identity_; }
  absl::Status Signal(int signal) override { return watcher_->Signal(watch_, signal, false); }
  absl::Status SignalGroup(int signal) override { return watcher_->Signal(watch_, signal, true); }

 private:
  const std::shared_ptr<Watcher> watcher_;
  const uint64_t watch_;
  const ProcessIdentity identity_;
};

PosixProcessLauncher::PosixProcessLauncher() : watcher_(std::make_shared<Watcher>()) {}

PosixProcessLauncher::~PosixProcessLauncher() = default;

absl::StatusOr<std::unique_ptr<Process>> PosixProcessLauncher::Launch(const ProcessSpec& spec,
                                                                      ExitCallback on_exit) {
  RM_ASSIGN_OR_RETURN(std::string boot_id, ReadBootId());
  std::vector<std::string> argv_strings = {spec.executable};
  argv_strings.insert(argv_strings.end(), spec.arguments.begin(), spec.arguments.end());
  for (const std::string& argument : argv_strings) {
    if (argument.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat(spec.executable, ": an argument holds a zero byte"));
    }
  }
  std::vector<std::string> environment = spec.environment;
  const std::vector<char*> argv = Pointers(argv_strings);
  const std::vector<char*> envp = Pointers(environment);

  const Fd log =
      MoveAbove(3, Fd(open(spec.log_path.c_str(),
                           O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640)));
  if (!log.valid()) {
    return base::ErrnoStatus(errno, spec.log_path);
  }
  const Fd empty = MoveAbove(3, Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)));
  int pipe_fds[2];
  if (!empty.valid() || pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return base::ErrnoStatus(errno, spec.executable);
  }
  const Fd error_read(pipe_fds[0]);
  Fd error_write = MoveAbove(3, Fd(pipe_fds[1]));
  if (!error_write.valid()) {
    return base::ErrnoStatus(errno, spec.executable);
  }

  const pid_t pid = fork();
  if (pid == 0) {
    BecomeProgram(spec.executable.c_str(), argv.data(), envp.data(), empty.get(), log.get(),
                  error_write.get());
  }
  if (pid < 0) {
    return base::ErrnoStatus(errno, spec.executable);
  }
  error_write.Close();
  int child_errno = 0;
  ssize_t count;
  do {  // ends when exec has closed the other side
    count = read(error_read.get(), &child_errno, sizeof(child_errno));
  } while (count < 0 && errno == EINTR);
  if (count > 0) {
    waitpid(pid, nullptr, 0);
    return base::ErrnoStatus(child_errno, spec.executable);
  }

  // Nobody else reaps it: the pid is still this child's, even if it has ended by now.
  const auto fail = [&](absl::Status status) {
    kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return base::Annotate(status, spec.executable);
  };
  Fd pidfd(PidfdOpen(pid));
  if (!pidfd.valid()) {
    return fail(base::ErrnoStatus(errno, "pidfd_open"));
  }
  const absl::StatusOr<uint64_t> start_time = ReadStartTime(pid);
  if (!start_time.ok()) {
    return fail(start_time.status());
  }
  const absl::StatusOr<uint64_t> watch = watcher_->Watch(std::move(pidfd), pid, std::move(on_exit));
  if (!watch.ok()) {
    return fail(watch.status());
  }
  return std::make_unique<PosixProcess>(
      watcher_, *watch,
      ProcessIdentity{.pid = pid, .start_time = *start_time, .boot_id = std::move(boot_id)});
}

absl::StatusOr<std::unique_ptr<Process>> PosixProcessLauncher::Adopt(
    const ProcessIdentity& identity, ExitCallback on_exit) {
  RM_ASSIGN_OR_RETURN(const std::string boot_id, ReadBootId());
  const std::string what = absl::StrCat("process ", identity.pid);
  if (identity.pid <= 1 || boot_id != identity.boot_id) {
    return absl::NotFoundError(absl::StrCat(what, ": the machine was started since"));
  }
  Fd pidfd(PidfdOpen(identity.pid));
  if (!pidfd.valid()) {
    return base::ErrnoStatus(errno, what);
  }
  // Asked after the pidfd is there: from now on the pid cannot change hands unseen.
  RM_ASSIGN_OR_RETURN(const ProcessStat stat, ReadStat(identity.pid));
  if (stat.start_time != identity.start_time || stat.ended) {
    return absl::NotFoundError(absl::StrCat(what, ": has ended"));
  }
  RM_ASSIGN_OR_RETURN(const uint64_t watch,
                      watcher_->Watch(std::move(pidfd), identity.pid, std::move(on_exit)));
  return std::make_unique<PosixProcess>(watcher_, watch, identity);
}

absl::StatusOr<std::string> ReadBootId() {
  RM_ASSIGN_OR_RETURN(const std::string text, ReadProcFile("/proc/sys/kernel/random/boot_id"));
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::StatusOr<uint64_t> ReadStartTime(int pid) {
  RM_ASSIGN_OR_RETURN(const ProcessStat stat, ReadStat(pid));
  return stat.start_time;
}

}  // namespace rolemesh::agent
