// The file that a process writes its output to: kept short, read from its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rolemesh::agent {

/// A log file and its older copies `PATH.1` (newest) to `PATH.3`.
///
/// Thread-safety: one writer of names at a time (the supervisor); Tail() from anywhere.
class ProcessLog {
 public:
  static constexpr int kKept = 3;
  static constexpr int64_t kMaxBytes = 16 << 20;

  explicit ProcessLog(std::string path, int64_t max_bytes = kMaxBytes)
      : path_(std::move(path)), max_bytes_(max_bytes) {}

  const std::string& path() const { return path_; }

  /// Before a start: what is there becomes `PATH.1`, unless it is empty.
  /// Errors: as ErrnoStatus.
  absl::Status Rotate();

  /// While the process runs: when the file is larger than the limit, copies its newest
  /// `max_bytes` to `PATH.1` and empties it (the process goes on appending to the same
  /// file). Lines written meanwhile may be lost.
  /// Errors: as ErrnoStatus.
  absl::Status RotateIfLarge();

  /// The newest `line_count` whole lines, in order, at most `max_bytes` of them; an unfinished
  /// last line counts as one.
  /// Errors: as ErrnoStatus; NotFound: never started.
  absl::StatusOr<std::string> Tail(int line_count, size_t max_bytes) const;

 private:
  absl::Status ShiftKept();

  const std::string path_;
  const int64_t max_bytes_;
};

/// The last `line_count` lines of `text`. Pure.
absl::string_view LastLines(absl::string_view text, int line_count);

}  // namespace rolemesh::agent
