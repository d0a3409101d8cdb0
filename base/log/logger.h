// The log of this process: structured lines to stderr or a file.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "base/log/log_line.h"

namespace rolemesh::base {

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string file;  ///< Appended to, mode 0640 at creation; empty = stderr.
};

/// Sets where lines go from now on. Until the first call they go to stderr as
/// text from kInfo up, written by the caller.
///
/// Afterwards a line costs its caller the formatting and a push into a queue
/// of 8,192 lines; one thread writes. When the disk or the terminal stalls, the
/// oldest lines are dropped and counted (DroppedLogLines), never the caller
/// held up. exit() and return from main() write out the queue first; a crash
/// loses what is queued. After fork() the child must not log before exec.
///
/// Call from main, once, before other threads log and after SignalWaiter; a
/// further call (tests) replaces the first.
/// Errors: of opening the file, with its path: fix the configuration.
absl::Status ConfigureLogging(const LogConfig& config);

/// Whether a line of `level` would be written: ask before costly arguments.
bool LogEnabled(LogLevel level);

/// Writes one line: Log(LogLevel::kInfo, "link", "connected", {{"node", node_id}}).
/// `component` names the folder that speaks. Secrets and prompts are never passed.
/// Thread-safety: thread-safe.
void Log(LogLevel level, absl::string_view component, absl::string_view message,
         std::initializer_list<LogField> fields = {});

/// Writes out what is queued, then goes on synchronously: for the last words
/// before abort() or _exit().
void FlushLog();

/// Lines dropped because the queue was full, since start. For a metric.
uint64_t DroppedLogLines();

inline void LogDebug(absl::string_view component, absl::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, component, message, fields);
}
inline void LogInfo(absl::string_view component, absl::string_view message,
                    std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, component, message, fields);
}
inline void LogWarn(absl::string_view component, absl::string_view message,
                    std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarn, component, message, fields);
}
inline void LogError(absl::string_view component, absl::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, component, message, fields);
}

}  // namespace rolemesh::base
