#include "base/net/listener.h"

#include <cerrno>
#include <chrono>
#include <memory>
#include <unistd.h>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/status/errno_status.h"

namespace rolemesh::base {
namespace {

using boost::asio::ip::tcp;

// Long enough for a connection to end, short enough to go unnoticed.
constexpr auto kResourceWait = std::chrono::milliseconds(100);

absl::Status ListenError(int error, const SocketAddress& address) {
  const std::string where = absl::StrCat("listen ", address.ToString());
  switch (error) {
    case EADDRINUSE:
      return absl::FailedPreconditionError(
          absl::StrCat(where,
                       ": address already in use; another program has the port: choose another "
                       "`listen` or stop it"));
    case EADDRNOTAVAIL:
      return absl::FailedPreconditionError(absl::StrCat(
          where, ": this machine does not have that address: choose another `listen`"));
    case EACCES:
      return absl::PermissionDeniedError(
          absl::StrCat(where,
                       ": not allowed; ports below 1024 need CAP_NET_BIND_SERVICE: choose another "
                       "`listen`"));
    default:
      return ErrnoStatus(error, where);
  }
}

bool SetFlag(int fd, int level, int name) {
  const int on = 1;
  return setsockopt(fd, level, name, &on, sizeof(on)) == 0;
}

}  // namespace

AcceptedSocket::AcceptedSocket(AcceptedSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), peer_(other.peer_) {}

AcceptedSocket& AcceptedSocket::operator=(AcceptedSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(peer_, other.peer_);
  return *this;
}

AcceptedSocket::~AcceptedSocket() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

int AcceptedSocket::Release() {
  return std::exchange(fd_, -1);
}

struct Listener::State {
  explicit State(IoExecutor executor) : acceptor(executor), timer(executor) {}

  static IoTask<absl::StatusOr<AcceptedSocket>> Accept(std::shared_ptr<State> state);

  boost::asio::basic_socket_acceptor<tcp, IoExecutor> acceptor;
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>
      timer;
  SocketAddress address;
};

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}

Listener::~Listener() {
  Close();
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Build(IoExecutor executor,
                                                          const ListenerOptions& options) {
  sockaddr_storage native;
  const socklen_t length = options.address.ToNative(&native);
  const int fd = socket(native.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return ListenError(errno, options.address);
  }
  AcceptedSocket guard(fd, SocketAddress());
  if (!SetFlag(fd, SOL_SOCKET, SO_REUSEADDR) ||
      (options.reuse_port && !SetFlag(fd, SOL_SOCKET, SO_REUSEPORT)) ||
      (!options.address.ip().is_v4() && !SetFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
      bind(fd, reinterpret_cast<const sockaddr*>(&native), length) != 0 ||
      listen(fd, options.backlog) != 0) {
    return ListenError(errno, options.address);
  }
  absl::StatusOr<std::unique_ptr<Listener>> listener = Adopt(executor, fd);
  if (listener.ok()) {
    guard.Release();
  }
  return listener;
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Adopt(IoExecutor executor, int fd) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  sockaddr_storage native;
  socklen_t length = sizeof(native);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&native), &length) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("descriptor ", fd, ": not a listening socket"));
  }
  absl::StatusOr<SocketAddress> address =
      SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native), length);
  if (!address.ok()) {
    return std::move(address).status();
  }
  SetFlag(fd, IPPROTO_TCP, TCP_NODELAY);  // accepted sockets inherit it
  auto state = std::make_shared<State>(executor);
  state->address = *address;
  boost::system::error_code error;
  state->acceptor.assign(address->ip().is_v4() ? tcp::v4() : tcp::v6(), fd, error);
  if (!error) {
    state->acceptor.native_non_blocking(true, error);
    if (error) {
      state->acceptor.release();
    }
  }
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("listen ", address->ToString()));
  }
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

IoTask<absl::StatusOr<AcceptedSocket>> Listener::Accept() {
  return State::Accept(state_);
}

IoTask<absl::StatusOr<AcceptedSocket>> Listener::State::Accept(std::shared_ptr<State> state) {
  while (state->acceptor.is_open()) {
    sockaddr_storage native;
    socklen_t length = sizeof(native);
    const int fd = accept4(state->acceptor.native_handle(), reinterpret_cast<sockaddr*>(&native),
                           &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      const absl::StatusOr<SocketAddress> peer =
          SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native), length);
      co_return AcceptedSocket(fd, peer.ok() ? *peer : SocketAddress());
    }
    switch (errno) {
      case EAGAIN:
        (void)co_await state->acceptor.async_wait(tcp::socket::wait_read, kIoTuple);
        break;
      case ECONNABORTED:
      case EINTR:
      case EPROTO:
      case EPERM:  // a firewall rule
        break;
      default:  // EMFILE, ENFILE, ENOMEM...: the queue stays, so waiting for it would spin
        state->timer.expires_after(kResourceWait);
        (void)co_await state->timer.async_wait(kIoTuple);
        break;
    }
  }
  co_return absl::CancelledError(absl::StrCat("listen ", state->address.ToString(), ": closed"));
}

void Listener::Close() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->timer.cancel();
}

const SocketAddress& Listener::address() const {
  return state_->address;
}

int Listener::fd() const {
  return state_->acceptor.native_handle();
}

absl::Status CheckCanListen(const SocketAddress& address) {
  IoContext io(1);
  return Listener::Build(io.get_executor(), {.address = address}).status();
}

}  // namespace rolemesh::base
