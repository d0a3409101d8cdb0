// The listening unix socket that lets in root and our own user.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rolemesh::controlplane {

/// Accepts connections on a socket file (0600, in a folder that only its owner may write to),
/// checks the peer's credentials as the kernel states them, and hands the descriptors on.
///
/// Thread-safety: owned by its maker; `on_accepted` runs on the listener's thread.
class UnixSocketListener {
 public:
  /// Binds; a socket file that nobody listens on any more is replaced. A missing folder is made
  /// (0700, the last component only).
  /// Errors: FailedPrecondition: another process listens there, others may write to the folder, or
  /// something else stands at `path`; those of the kernel. The message begins with the path.
  static absl::StatusOr<std::unique_ptr<UnixSocketListener>> Build(const std::string& path);

  /// Stops.
  ~UnixSocketListener();
  UnixSocketListener(const UnixSocketListener&) = delete;
  UnixSocketListener& operator=(const UnixSocketListener&) = delete;

  /// From now on `on_accepted` gets each connection of uid 0 or our own, non-blocking and
  /// close-on-exec, its to close. Others are closed and logged.
  void Start(std::function<void(int fd)> on_accepted);

  /// Removes the socket file and joins the thread. Harmless twice.
  void Stop();

 private:
  UnixSocketListener(std::string path, int listen_fd, int stop_fd);
  void Run(const std::function<void(int fd)>& on_accepted) const;

  const std::string path_;
  const int listen_fd_;
  const int stop_fd_;  // eventfd
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace rolemesh::controlplane
