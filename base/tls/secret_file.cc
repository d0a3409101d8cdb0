#include "base/tls/secret_file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <sys/stat.h>

#include "base/ids/random_id.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"

namespace rolemesh::base {
namespace {

constexpr int kTemporaryIdBits = 60;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  /// 0 or -1 with errno.
  int Close() { return fd_ >= 0 ? close(std::exchange(fd_, -1)) : 0; }

 private:
  int fd_;
};

absl::Status WriteAndSync(int fd, absl::string_view path, absl::string_view content, mode_t mode) {
  // Not left to open(): the umask would take bits away.
  if (fchmod(fd, mode) != 0) {
    return ErrnoStatus(errno, path);
  }
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return ErrnoStatus(errno, path);
    }
    content.remove_prefix(written);
  }
  return fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, path);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Reads to the end into `bytes`, whose memory is never given back unwiped by growing.
absl::Status ReadToEnd(const Descriptor& file, absl::string_view path, size_t size,
                       size_t max_bytes, std::string* bytes) {
  const absl::Status too_large = absl::InvalidArgumentError(
      absl::StrCat(path, ": larger than the limit of ", max_bytes, " bytes"));
  if (size > max_bytes) {
    return too_large;
  }
  bytes->resize(max_bytes + 1 < size + 4096 ? max_bytes + 1 : size + 4096);
  size_t used = 0;
  while (used < bytes->size()) {
    const ssize_t got = read(file.get(), bytes->data() + used, bytes->size() - used);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoStatus(errno, path);
    }
    if (got == 0) {
      bytes->resize(used);
      return absl::OkStatus();
    }
    used += got;
  }
  return used > max_bytes ? too_large
                          : absl::AbortedError(absl::StrCat(path, ": grew while it was read"));
}

/// Opens a regular file; never blocks on a FIFO or takes a terminal.
absl::Status OpenRegular(const std::string& path, const Descriptor& file, struct stat* info) {
  if (!file.is_open() || fstat(file.get(), info) != 0) {
    return ErrnoStatus(errno, path);
  }
  if (!S_ISREG(info->st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  }
  return absl::OkStatus();
}

constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

}  // namespace

absl::Status WriteFileAtomically(absl::string_view path, absl::string_view content, mode_t mode) {
  const std::string target(path);
  const std::string temporary = absl::StrCat(path, ".tmp-", RandomBase32(kTemporaryIdBits));
  Descriptor file(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR));
  if (!file.is_open()) {
    return ErrnoStatus(errno, path);
  }
  absl::Cleanup remove_temporary = [&] { unlink(temporary.c_str()); };
  RM_RETURN_IF_ERROR(WriteAndSync(file.get(), path, content, mode));
  if (file.Close() != 0 || std::rename(temporary.c_str(), target.c_str()) != 0) {
    return ErrnoStatus(errno, path);
  }
  std::move(remove_temporary).Cancel();
  const Descriptor folder(open(FolderOf(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || fsync(folder.get()) != 0) {
    return ErrnoStatus(errno, absl::StrCat(path, ": folder not synced"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSmallFile(absl::string_view path, size_t max_bytes) {
  const std::string name(path);
  const Descriptor file(open(name.c_str(), kReadFlags));
  struct stat info = {};
  RM_RETURN_IF_ERROR(OpenRegular(name, file, &info));
  std::string bytes;
  RM_RETURN_IF_ERROR(ReadToEnd(file, name, info.st_size, max_bytes, &bytes));
  return bytes;
}

absl::StatusOr<Secret> ReadSecretFile(absl::string_view path, size_t max_bytes) {
  const std::string name(path);
  const Descriptor file(open(name.c_str(), kReadFlags));
  struct stat info = {};
  RM_RETURN_IF_ERROR(OpenRegular(name, file, &info));
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": holds a secret but belongs to user ",
                                                    info.st_uid, "; run: chown ", geteuid(), " ",
                                                    path));
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, ": holds a secret but group or others have access; run: chmod 600 ", path));
  }
  std::string bytes;
  const absl::Status status = ReadToEnd(file, name, info.st_size, max_bytes, &bytes);
  Secret secret(std::move(bytes));  // wiped also when it is only half read
  RM_RETURN_IF_ERROR(status);
  return secret;
}

}  // namespace rolemesh::base
