#include "agent/process/process_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <sys/stat.h>

#include "base/status/errno_status.h"
#include "base/status/status_macros.h"

namespace rolemesh::agent {
namespace {

// The last `max_bytes` of the open file.
absl::StatusOr<std::string> ReadEnd(int fd, int64_t max_bytes, const std::string& path) {
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size < 0) {
    return base::ErrnoStatus(errno, path);
  }
  off_t offset = std::max<off_t>(0, size - max_bytes);
  std::string text(static_cast<size_t>(size - offset), '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = pread(fd, text.data() + filled, text.size() - filled, offset);
    if (count < 0 && errno != EINTR) {
      return base::ErrnoStatus(errno, path);
    }
    if (count == 0) {
      break;  // emptied meanwhile
    }
    filled += static_cast<size_t>(std::max<ssize_t>(count, 0));
    offset += std::max<ssize_t>(count, 0);
  }
  text.resize(filled);
  return text;
}

absl::Status WriteAll(int fd, absl::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) {
      return base::ErrnoStatus(errno, path);
    }
    text.remove_prefix(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view LastLines(absl::string_view text, int line_count) {
  size_t begin = text.size();
  if (begin > 0 && text[begin - 1] == '\n') {
    --begin;
  }
  for (int lines = 0; begin > 0; --begin) {
    if (text[begin - 1] == '\n' && ++lines >= line_count) {
      break;
    }
  }
  return line_count <= 0 ? absl::string_view() : text.substr(begin);
}

absl::Status ProcessLog::ShiftKept() {
  for (int i = kKept; i > 1; --i) {
    if (rename(absl::StrCat(path_, ".", i - 1).c_str(), absl::StrCat(path_, ".", i).c_str()) != 0 &&
        errno != ENOENT) {
      return base::ErrnoStatus(errno, path_);
    }
  }
  return absl::OkStatus();
}

absl::Status ProcessLog::Rotate() {
  struct stat info;
  if (stat(path_.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : base::ErrnoStatus(errno, path_);
  }
  if (info.st_size == 0) {
    return absl::OkStatus();
  }
  RM_RETURN_IF_ERROR(ShiftKept());
  if (rename(path_.c_str(), absl::StrCat(path_, ".1").c_str()) != 0) {
    return base::ErrnoStatus(errno, path_);
  }
  return absl::OkStatus();
}

absl::Status ProcessLog::RotateIfLarge() {
  struct stat info;
  if (stat(path_.c_str(), &info) != 0 || info.st_size <= max_bytes_) {
    return absl::OkStatus();
  }
  const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    return base::ErrnoStatus(errno, path_);
  }
  const absl::Status status = [&]() -> absl::Status {
    RM_ASSIGN_OR_RETURN(const std::string text, ReadEnd(fd, max_bytes_, path_));
    RM_RETURN_IF_ERROR(ShiftKept());
    const std::string copy_path = absl::StrCat(path_, ".1");
    const int copy = open(copy_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (copy < 0) {
      return base::ErrnoStatus(errno, copy_path);
    }
    const absl::Status written = WriteAll(copy, text, copy_path);
    close(copy);
    RM_RETURN_IF_ERROR(written);
    return ftruncate(fd, 0) == 0 ? absl::OkStatus() : base::ErrnoStatus(errno, path_);
  }();
  close(fd);
  return status;
}

absl::StatusOr<std::string> ProcessLog::Tail(int line_count, size_t max_bytes) const {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return base::ErrnoStatus(errno, path_);
  }
  absl::StatusOr<std::string> text = ReadEnd(fd, static_cast<int64_t>(max_bytes) + 1, path_);
  close(fd);
  RM_RETURN_IF_ERROR(text.status());
  if (text->size() > max_bytes) {  // begins inside a line, or just behind one
    const size_t newline = text->find('\n');
    *text = newline == std::string::npos ? text->substr(1) : text->substr(newline + 1);
  }
  return std::string(LastLines(*text, line_count));
}

}  // namespace rolemesh::agent
