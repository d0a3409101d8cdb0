#include "controlplane/rpc/unix_socket_listener.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log/logger.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"

namespace rolemesh::controlplane {
namespace {

constexpr int kBacklog = 64;
constexpr int kPauseMillis = 100;  // when descriptors have run out

absl::Status PrepareFolder(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return base::ErrnoStatus(errno, folder);
  struct stat found;
  if (stat(folder.c_str(), &found) != 0) return base::ErrnoStatus(errno, folder);
  if ((found.st_mode & 022) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": others may write to it; chmod 700 ", folder));
  }
  return absl::OkStatus();
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Removes what a process that is gone left behind.
absl::Status RemoveStale(const std::string& path) {
  struct stat found;
  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus() : base::ErrnoStatus(errno, path);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": something else is there; remove it"));
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return base::ErrnoStatus(errno, path);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  const sockaddr_un address = AddressOf(path);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": another process listens there; stop it, or set another socket"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return base::ErrnoStatus(errno, path);
  return absl::OkStatus();
}

}  // namespace

UnixSocketListener::UnixSocketListener(std::string path, int listen_fd, int stop_fd)
    : path_(std::move(path)), listen_fd_(listen_fd), stop_fd_(stop_fd) {}

absl::StatusOr<std::unique_ptr<UnixSocketListener>> UnixSocketListener::Build(
    const std::string& path) {
  if (path.empty() || path[0] != '/' || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not an absolute path of at most ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  }
  RM_RETURN_IF_ERROR(PrepareFolder(path));
  RM_RETURN_IF_ERROR(RemoveStale(path));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return base::ErrnoStatus(errno, path);
  absl::Cleanup close_fd = [fd] { close(fd); };
  const sockaddr_un address = AddressOf(path);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return base::ErrnoStatus(errno, path);
  }
  // Before listen(), so that nobody could connect while the mode was the umask's.
  if (chmod(path.c_str(), 0600) != 0 || listen(fd, kBacklog) != 0) {
    return base::ErrnoStatus(errno, path);
  }
  const int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd < 0) return base::ErrnoStatus(errno, "eventfd");
  std::move(close_fd).Cancel();
  return absl::WrapUnique(new UnixSocketListener(path, fd, stop_fd));
}

UnixSocketListener::~UnixSocketListener() {
  Stop();
  close(listen_fd_);
  close(stop_fd_);
}

void UnixSocketListener::Start(std::function<void(int fd)> on_accepted) {
  thread_ = std::thread([this, on_accepted = std::move(on_accepted)] { Run(on_accepted); });
}

void UnixSocketListener::Stop() {
  if (stopped_) return;
  stopped_ = true;
  unlink(path_.c_str());
  const uint64_t one = 1;
  while (write(stop_fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  if (thread_.joinable()) thread_.join();
}

void UnixSocketListener::Run(const std::function<void(int fd)>& on_accepted) const {
  pollfd waits[] = {{listen_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  while (true) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        poll(&waits[1], 1, kPauseMillis);
      }
      continue;
    }
    ucred peer = {};
    socklen_t length = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 ||
        (peer.uid != 0 && peer.uid != geteuid())) {
      base::LogWarn("rpc", "refused a connection to the unix socket", {{"uid", peer.uid}});
      close(fd);
      continue;
    }
    on_accepted(fd);
  }
}

}  // namespace rolemesh::controlplane
