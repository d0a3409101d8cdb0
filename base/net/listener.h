// Accepts TCP connections.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "base/net/io_task.h"
#include "base/net/socket_address.h"

namespace rolemesh::base {

/// A connected socket that belongs to no event loop yet: the accepting thread
/// may hand it to another, which makes a Connection of it.
/// Ownership: owns the descriptor; closes it unless Release() was called.
class AcceptedSocket {
 public:
  AcceptedSocket() = default;
  AcceptedSocket(int fd, const SocketAddress& peer) : fd_(fd), peer_(peer) {}
  AcceptedSocket(AcceptedSocket&& other) noexcept;
  AcceptedSocket& operator=(AcceptedSocket&& other) noexcept;
  ~AcceptedSocket();

  int fd() const { return fd_; }
  const SocketAddress& peer() const { return peer_; }
  /// The descriptor, now the caller's to close.
  int Release();

 private:
  int fd_ = -1;  // -1: none
  SocketAddress peer_;
};

struct ListenerOptions {
  SocketAddress address;    ///< Port 0: the kernel chooses; see Listener::address().
  bool reuse_port = false;  ///< SO_REUSEPORT: one listener per thread on the same port.
  int backlog = 1024;       ///< The kernel caps it at net.core.somaxconn.
};

/// A listening socket (SO_REUSEADDR; IPv6 means IPv6 only) on one event loop.
///
/// Thread-safety: owned by its IoContext's thread; Build() may run elsewhere before it starts.
/// Ownership: `executor`'s context outlives the listener.
class Listener {
 public:
  /// Binds and listens. Messages read "listen 127.0.0.1:8080: what; what to do".
  /// Errors: FailedPrecondition: the port is taken, or the address is not on this machine:
  /// tell the operator; PermissionDenied: port below 1024; others of the kernel.
  static absl::StatusOr<std::unique_ptr<Listener>> Build(IoExecutor executor,
                                                         const ListenerOptions& options);
  /// Adopts a listening socket (from systemd or an older process).
  /// Errors: InvalidArgument: not a listening IP socket; the caller still owns `fd`.
  static absl::StatusOr<std::unique_ptr<Listener>> Adopt(IoExecutor executor, int fd);

  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// The next connection, with TCP_NODELAY set. When descriptors or memory have run out it
  /// waits 100 ms and tries again; connections that died in the queue are skipped.
  /// One caller at a time; it may outlive the listener and then gets Cancelled.
  /// Errors: Cancelled: Close() was called.
  IoTask<absl::StatusOr<AcceptedSocket>> Accept();

  /// Ends Accept() and frees the port. Harmless twice.
  void Close();

  /// The address with the actual port.
  const SocketAddress& address() const;
  /// For handing over to another process; still owned by the listener.
  int fd() const;

 private:
  struct State;
  explicit Listener(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

/// Whether a program may listen there and nobody does, not even with SO_REUSEPORT.
/// Errors: of Listener::Build.
absl::Status CheckCanListen(const SocketAddress& address);

}  // namespace rolemesh::base
