#include "base/log/logger.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

#include "base/log/log_line.h"
#include "base/status/errno_status.h"
#include "base/time/clock.h"
#include "spdlog/async.h"
#include "spdlog/async_logger.h"
#include "spdlog/logger.h"
#include "spdlog/sinks/base_sink.h"

namespace rolemesh::base {
namespace {

constexpr size_t kQueuedLines = 8192;
constexpr char kName[] = "rolemesh";

// Writes each line with one write(2), so that lines of several processes on one
// terminal or file do not mix. No buffer of its own: nothing to flush.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  DescriptorSink(int fd, bool owned) : fd_(fd), owned_(owned) {}
  ~DescriptorSink() override {
    if (owned_) {
      close(fd_);
    }
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string line(message.payload.data(), message.payload.size());
    line.push_back('\n');
    absl::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t written = write(fd_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) {
        continue;
      }
      if (written <= 0) {
        return;  // full disk, closed terminal: a log has nowhere to complain
      }
      rest.remove_prefix(static_cast<size_t>(written));
    }
  }
  void flush_() override {}

 private:
  const int fd_;
  const bool owned_;
};

// Everything lives until the process ends: threads may log during exit().
struct LogState {
  std::atomic<int> level{static_cast<int>(LogLevel::kInfo)};
  std::atomic<LogFormat> format{LogFormat::kText};
  std::atomic<spdlog::logger*> active{nullptr};
  std::atomic<uint64_t> dropped_before{0};  // by pools that are gone
  const std::unique_ptr<Clock> clock = MakeSystemClock();

  absl::Mutex mutex;
  std::shared_ptr<spdlog::details::thread_pool> pool ABSL_GUARDED_BY(mutex);
  std::shared_ptr<spdlog::logger> synchronous ABSL_GUARDED_BY(mutex);
  // Replaced ones too: another thread may be inside.
  std::vector<std::shared_ptr<spdlog::logger>> loggers ABSL_GUARDED_BY(mutex);

  LogState() {
    absl::MutexLock lock(&mutex);
    UseSynchronous(std::make_shared<DescriptorSink>(STDERR_FILENO, /*owned=*/false));
  }

  void UseSynchronous(spdlog::sink_ptr sink) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    synchronous = std::make_shared<spdlog::logger>(kName, std::move(sink));
    loggers.push_back(synchronous);
    active.store(synchronous.get(), std::memory_order_release);
  }

  // Ends the writing thread once its queue is written.
  void StopPool() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (pool == nullptr) {
      return;
    }
    active.store(synchronous.get(), std::memory_order_release);
    dropped_before.fetch_add(pool->overrun_counter());
    pool.reset();
  }
};

LogState& State() {
  static LogState* const state = new LogState;
  return *state;
}

void BlockAllSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

absl::Status ConfigureLogging(const LogConfig& config) {
  LogState& state = State();
  int fd = STDERR_FILENO;
  if (!config.file.empty()) {
    fd = open(config.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
      return ErrnoStatus(errno, config.file);
    }
  }
  const auto sink = std::make_shared<DescriptorSink>(fd, /*owned=*/!config.file.empty());
  static std::once_flag at_exit;
  std::call_once(at_exit, [] { std::atexit(FlushLog); });

  absl::MutexLock lock(&state.mutex);
  state.StopPool();
  state.level.store(static_cast<int>(config.level), std::memory_order_relaxed);
  state.format.store(config.format, std::memory_order_relaxed);
  state.UseSynchronous(sink);
  state.pool = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1, BlockAllSignals);
  auto queued = std::make_shared<spdlog::async_logger>(
      kName, sink, state.pool, spdlog::async_overflow_policy::overrun_oldest);
  state.loggers.push_back(queued);
  state.active.store(queued.get(), std::memory_order_release);
  return absl::OkStatus();
}

bool LogEnabled(LogLevel level) {
  return static_cast<int>(level) >= State().level.load(std::memory_order_relaxed);
}

void Log(LogLevel level, absl::string_view component, absl::string_view message,
         std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) {
    return;
  }
  LogState& state = State();
  const std::string line = FormatLogLine(state.format.load(std::memory_order_relaxed),
                                         state.clock->WallNow(), level, component, message, fields);
  state.active.load(std::memory_order_acquire)
      ->log(spdlog::level::critical, spdlog::string_view_t(line.data(), line.size()));
}

void FlushLog() {
  LogState& state = State();
  absl::MutexLock lock(&state.mutex);
  state.StopPool();
}

uint64_t DroppedLogLines() {
  LogState& state = State();
  absl::MutexLock lock(&state.mutex);
  return state.dropped_before.load() + (state.pool != nullptr ? state.pool->overrun_counter() : 0);
}

}  // namespace rolemesh::base
