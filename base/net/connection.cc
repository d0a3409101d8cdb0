#include "base/net/connection.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/status/errno_status.h"

namespace rolemesh::base {
namespace {

using boost::asio::ip::tcp;

enum Direction { kRead = 0, kWrite = 1 };

constexpr SteadyTime kNever = SteadyTime::max();
constexpr size_t kTlsRecordBytes = 16 * 1024;
constexpr size_t kLingerBytes = 64 * 1024;

// What OpenSSL's own socket BIO does, with MSG_NOSIGNAL. One per TLS connection.
struct SocketBio {
  int fd = -1;
  bool eof = false;
  int error = 0;  // errno of the last call that failed for good
};

int FinishBioCall(BIO* bio, SocketBio* socket, ssize_t result) {
  BIO_clear_retry_flags(bio);
  if (result > 0) {
    return static_cast<int>(result);
  }
  if (result == 0) {
    socket->eof = true;
    return 0;
  }
  if (errno == EAGAIN || errno == EINTR) {
    return -1;
  }
  socket->error = errno;
  return -2;
}

int BioWrite(BIO* bio, const char* data, int length) {
  auto* socket = static_cast<SocketBio*>(BIO_get_data(bio));
  const int result =
      FinishBioCall(bio, socket, send(socket->fd, data, static_cast<size_t>(length), MSG_NOSIGNAL));
  if (result == -1) {
    BIO_set_retry_write(bio);
  }
  return std::max(result, -1);
}

int BioRead(BIO* bio, char* data, int length) {
  auto* socket = static_cast<SocketBio*>(BIO_get_data(bio));
  const int result =
      FinishBioCall(bio, socket, recv(socket->fd, data, static_cast<size_t>(length), 0));
  if (result == -1) {
    BIO_set_retry_read(bio);
  }
  return std::max(result, -1);
}

long BioControl(BIO* bio, int command, long, void*) {  // NOLINT(google-runtime-int)
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return static_cast<SocketBio*>(BIO_get_data(bio))->eof ? 1 : 0;
    default:
      return 0;
  }
}

const BIO_METHOD* SocketBioMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "rolemesh socket");
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

SteadyTime After(absl::Duration timeout) {
  const SteadyTime now = std::chrono::steady_clock::now();
  const std::chrono::nanoseconds span = absl::ToChronoNanoseconds(timeout);
  return span < kNever - now ? now + span : kNever;
}

absl::Status Closed() {
  return absl::CancelledError("connection: closed on this side");
}

absl::Status TimedOut(Direction direction) {
  return absl::DeadlineExceededError(direction == kRead ? "connection: nothing came in time"
                                                        : "connection: the peer does not read");
}

// A TLS failure that is about who the peers are.
bool IsCertificateReason(int reason) {
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Shared with coroutines in progress, so that whatever wakes late finds it.
struct Connection::State : std::enable_shared_from_this<Connection::State> {
  using Socket = boost::asio::basic_stream_socket<tcp, IoExecutor>;
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;

  // What one attempt at I/O came to: done (see IoResult), or wait for `direction`.
  struct Attempt {
    bool done = true;
    Direction direction = kRead;
    IoResult result;

    static Attempt Done(size_t bytes) { return Attempt{true, kRead, IoResult{bytes, {}}}; }
    static Attempt Failed(absl::Status status) {
      return Attempt{true, kRead, IoResult{0, std::move(status)}};
    }
    static Attempt Blocked(Direction direction) { return Attempt{false, direction, {}}; }
  };

  explicit State(IoExecutor executor) : socket(executor), timer(executor) {}
  ~State() { SSL_free(ssl); }

  bool open() const { return socket.is_open(); }

  Attempt RawRead(absl::Span<char> buffer);
  Attempt RawWrite(absl::string_view first, absl::string_view second);
  Attempt TryRead(absl::Span<char> buffer);
  Attempt TryWrite(absl::string_view first, absl::string_view second);
  // Judges what an SSL_ function returned (<= 0).
  Attempt TlsAttempt(int result, bool handshaking);
  PeerEvent Poll();

  static IoTask<absl::Status> Wait(std::shared_ptr<State> state, Direction direction);
  static IoTask<IoResult> Read(std::shared_ptr<State> state, absl::Span<char> buffer);
  static IoTask<absl::Status> Write(std::shared_ptr<State> state, absl::string_view first,
                                    absl::string_view second);
  static IoTask<absl::Status> Handshake(std::shared_ptr<State> state, ssl_ctx_st* context,
                                        bool server, std::string server_name,
                                        ssl_session_st* session);
  static IoTask<PeerEvent> Watch(std::shared_ptr<State> state);
  static IoTask<> Shutdown(std::shared_ptr<State> state, absl::Duration linger);

  void SetDeadline(Direction direction, absl::optional<SteadyTime> at);
  // Makes sure that the timer fires no later than `at`.
  void Arm(SteadyTime at);
  void OnTimer();
  void Close();

  Socket socket;
  Timer timer;
  SSL* ssl = nullptr;
  SocketBio bio;
  SocketAddress peer;
  SteadyTime deadline[2] = {kNever, kNever};
  SteadyTime timer_at = kNever;  // when the timer fires; kNever: not armed
  int waiting[2] = {0, 0};
  int watching = 0;
  uint64_t watch_epoch = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  bool tls_failed = false;  // OpenSSL forbids further calls
};

Connection::State::Attempt Connection::State::RawRead(absl::Span<char> buffer) {
  for (;;) {
    const ssize_t got = recv(socket.native_handle(), buffer.data(), buffer.size(), 0);
    if (got >= 0) {
      return Attempt::Done(static_cast<size_t>(got));
    }
    if (errno == EAGAIN) {
      return Attempt::Blocked(kRead);
    }
    if (errno != EINTR) {
      return Attempt::Failed(ErrnoStatus(errno, "read"));
    }
  }
}

Connection::State::Attempt Connection::State::RawWrite(absl::string_view first,
                                                       absl::string_view second) {
  for (;;) {
    ssize_t put;
    if (second.empty()) {
      put = send(socket.native_handle(), first.data(), first.size(), MSG_NOSIGNAL);
    } else {
      iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                        {const_cast<char*>(second.data()), second.size()}};
      msghdr message = {};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      put = sendmsg(socket.native_handle(), &message, MSG_NOSIGNAL);
    }
    if (put >= 0) {
      return Attempt::Done(static_cast<size_t>(put));
    }
    if (errno == EAGAIN) {
      return Attempt::Blocked(kWrite);
    }
    if (errno != EINTR) {
      return Attempt::Failed(ErrnoStatus(errno, "write"));
    }
  }
}

Connection::State::Attempt Connection::State::TlsAttempt(int result, bool handshaking) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return Attempt::Blocked(kRead);
    case SSL_ERROR_WANT_WRITE:
      return Attempt::Blocked(kWrite);
    case SSL_ERROR_ZERO_RETURN:
      return handshaking ? Attempt::Failed(absl::UnavailableError("tls: closed in the handshake"))
                         : Attempt::Done(0);
    case SSL_ERROR_SYSCALL:
      tls_failed = true;
      ERR_clear_error();
      return Attempt::Failed(bio.error != 0
                                 ? ErrnoStatus(bio.error, "tls")
                                 : absl::UnavailableError("tls: closed without close_notify"));
    default: {
      tls_failed = true;
      const unsigned long code = ERR_get_error();  // NOLINT(google-runtime-int)
      ERR_clear_error();
      const int reason = ERR_GET_REASON(code);
      if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return Attempt::Failed(absl::UnavailableError(
            handshaking ? "tls: closed in the handshake" : "tls: closed without close_notify"));
      }
      const char* const text = ERR_reason_error_string(code);
      const std::string message = absl::StrCat("tls: ", text != nullptr ? text : "protocol error");
      if (IsCertificateReason(reason)) {
        return Attempt::Failed(absl::PermissionDeniedError(message));
      }
      return Attempt::Failed(handshaking ? absl::FailedPreconditionError(message)
                                         : absl::UnavailableError(message));
    }
  }
}

Connection::State::Attempt Connection::State::TryRead(absl::Span<char> buffer) {
  assert(!buffer.empty());
  if (!open()) {
    return Attempt::Failed(Closed());
  }
  Attempt attempt;
  if (ssl == nullptr) {
    attempt = RawRead(buffer);
  } else if (tls_failed) {
    return Attempt::Failed(absl::UnavailableError("tls: failed before"));
  } else {
    ERR_clear_error();
    size_t got = 0;
    const int result = SSL_read_ex(ssl, buffer.data(), buffer.size(), &got);
    attempt = result == 1 ? Attempt::Done(got) : TlsAttempt(result, false);
  }
  bytes_read += attempt.result.bytes;
  return attempt;
}

Connection::State::Attempt Connection::State::TryWrite(absl::string_view first,
                                                       absl::string_view second) {
  if (!open()) {
    return Attempt::Failed(Closed());
  }
  if (first.empty()) {
    std::swap(first, second);
    if (first.empty()) {
      return Attempt::Done(0);
    }
  }
  Attempt attempt;
  if (ssl == nullptr) {
    attempt = RawWrite(first, second);
  } else if (tls_failed) {
    return Attempt::Failed(absl::UnavailableError("tls: failed before"));
  } else {
    // After "blocked" OpenSSL wants the same bytes again: what is offered depends only on
    // what is left to write.
    char record[kTlsRecordBytes];
    if (!second.empty() && first.size() < sizeof(record)) {
      const size_t more = std::min(second.size(), sizeof(record) - first.size());
      std::memcpy(record, first.data(), first.size());
      std::memcpy(record + first.size(), second.data(), more);
      first = absl::string_view(record, first.size() + more);
    }
    ERR_clear_error();
    size_t put = 0;
    const int result = SSL_write_ex(ssl, first.data(), first.size(), &put);
    attempt = result == 1 ? Attempt::Done(put) : TlsAttempt(result, false);
    if (result != 1 && attempt.done && attempt.result.ok()) {
      attempt = Attempt::Failed(absl::UnavailableError("tls: the peer has closed"));
    }
  }
  bytes_written += attempt.result.bytes;
  return attempt;
}

PeerEvent Connection::State::Poll() {
  if (!open() || tls_failed) {
    return PeerEvent::kClosed;
  }
  char byte;
  if (ssl != nullptr) {
    ERR_clear_error();
    size_t got = 0;
    const int result = SSL_peek_ex(ssl, &byte, 1, &got);
    if (result == 1) {
      return PeerEvent::kReadable;
    }
    return TlsAttempt(result, false).done ? PeerEvent::kClosed : PeerEvent::kNone;
  }
  for (;;) {
    const ssize_t got = recv(socket.native_handle(), &byte, 1, MSG_PEEK);
    if (got > 0) {
      return PeerEvent::kReadable;
    }
    if (got < 0 && errno == EINTR) {
      continue;
    }
    return got < 0 && errno == EAGAIN ? PeerEvent::kNone : PeerEvent::kClosed;
  }
}

IoTask<absl::Status> Connection::State::Wait(std::shared_ptr<State> state, Direction direction) {
  // socket.cancel() wakes every waiter; each then looks whether it was meant.
  for (;;) {
    if (!state->open()) {
      co_return Closed();
    }
    const SteadyTime deadline = state->deadline[direction];
    if (deadline != kNever) {
      if (std::chrono::steady_clock::now() >= deadline) {
        co_return TimedOut(direction);
      }
      state->Arm(deadline);
    }
    ++state->waiting[direction];
    const auto [error] = co_await state->socket.async_wait(
        direction == kRead ? tcp::socket::wait_read : tcp::socket::wait_write, kIoTuple);
    --state->waiting[direction];
    if (!error) {
      co_return state->open() ? absl::OkStatus() : Closed();
    }
    if (error != boost::asio::error::operation_aborted) {
      co_return ErrnoStatus(error.value(), "wait");
    }
  }
}

IoTask<IoResult> Connection::State::Read(std::shared_ptr<State> state, absl::Span<char> buffer) {
  for (;;) {
    Attempt attempt = state->TryRead(buffer);
    if (attempt.done) {
      co_return std::move(attempt.result);
    }
    // A read that must write (TLS key update) still obeys the read deadline.
    absl::Status status = co_await Wait(state, attempt.direction);
    if (!status.ok()) {
      co_return IoResult{0, std::move(status)};
    }
  }
}

IoTask<absl::Status> Connection::State::Write(std::shared_ptr<State> state, absl::string_view first,
                                              absl::string_view second) {
  while (!first.empty() || !second.empty()) {
    const Attempt attempt = state->TryWrite(first, second);
    if (attempt.done && !attempt.result.ok()) {
      co_return attempt.result.status;
    }
    const size_t from_first = std::min(first.size(), attempt.result.bytes);
    first.remove_prefix(from_first);
    second.remove_prefix(attempt.result.bytes - from_first);
    const bool full = attempt.done && state->ssl == nullptr && !(first.empty() && second.empty());
    if (!attempt.done || full) {
      const absl::Status status = co_await Wait(state, full ? kWrite : attempt.direction);
      if (!status.ok()) {
        co_return status;
      }
    }
  }
  co_return absl::OkStatus();
}

IoTask<absl::Status> Connection::State::Handshake(std::shared_ptr<State> state, ssl_ctx_st* context,
                                                  bool server, std::string server_name,
                                                  ssl_session_st* session) {
  if (!state->open()) {
    co_return Closed();
  }
  assert(state->ssl == nullptr);
  SSL* const ssl = SSL_new(context);
  BIO* const bio = BIO_new(SocketBioMethod());
  if (ssl == nullptr || bio == nullptr) {
    SSL_free(ssl);
    BIO_free(bio);
    ERR_clear_error();
    co_return absl::ResourceExhaustedError("tls: out of memory");
  }
  state->bio.fd = state->socket.native_handle();
  BIO_set_data(bio, &state->bio);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                        SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  state->ssl = ssl;
  if (server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    if ((!server_name.empty() && SSL_set_tlsext_host_name(ssl, server_name.c_str()) != 1) ||
        (session != nullptr && SSL_set_session(ssl, session) != 1)) {
      ERR_clear_error();
      co_return absl::InvalidArgumentError("tls: the server name or session cannot be used");
    }
  }
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl);
    if (result == 1) {
      co_return absl::OkStatus();
    }
    const Attempt attempt = state->TlsAttempt(result, true);
    if (attempt.done) {
      co_return attempt.result.status;
    }
    absl::Status status = co_await Wait(state, attempt.direction);
    if (!status.ok()) {
      co_return status;
    }
  }
}

IoTask<PeerEvent> Connection::State::Watch(std::shared_ptr<State> state) {
  const uint64_t epoch = ++state->watch_epoch;
  for (;;) {
    if (!state->open() || state->watch_epoch != epoch) {
      co_return PeerEvent::kCancelled;
    }
    const PeerEvent event = state->Poll();
    if (event != PeerEvent::kNone) {
      co_return event;
    }
    ++state->watching;
    const auto [error] = co_await state->socket.async_wait(tcp::socket::wait_read, kIoTuple);
    --state->watching;
    if (error && error != boost::asio::error::operation_aborted) {
      co_return PeerEvent::kClosed;
    }
  }
}

IoTask<> Connection::State::Shutdown(std::shared_ptr<State> state, absl::Duration linger) {
  if (!state->open()) {
    co_return;
  }
  state->SetDeadline(kRead, After(linger));
  state->SetDeadline(kWrite, state->deadline[kRead]);
  if (state->ssl != nullptr && !state->tls_failed && SSL_is_init_finished(state->ssl) == 1) {
    for (;;) {
      ERR_clear_error();
      const int result = SSL_shutdown(state->ssl);
      if (result >= 0) {
        break;  // close_notify is out; the peer's is not waited for
      }
      const Attempt attempt = state->TlsAttempt(result, false);
      if (attempt.done || !(co_await Wait(state, attempt.direction)).ok()) {
        break;
      }
    }
  }
  if (state->open() && shutdown(state->socket.native_handle(), SHUT_WR) == 0) {
    size_t discarded = 0;
    while (discarded < kLingerBytes) {
      char buffer[1024];
      Attempt attempt = state->RawRead(absl::MakeSpan(buffer));
      if (!attempt.done) {
        if (!(co_await Wait(state, kRead)).ok()) {
          break;
        }
        continue;
      }
      if (!attempt.result.ok() || attempt.result.eof()) {
        break;
      }
      discarded += attempt.result.bytes;
    }
  }
  state->Close();
}

void Connection::State::SetDeadline(Direction direction, absl::optional<SteadyTime> at) {
  deadline[direction] = at.value_or(kNever);
  if (waiting[direction] > 0) {
    Arm(deadline[direction]);
  }
}

void Connection::State::Arm(SteadyTime at) {
  // A timer that fires too early looks at the deadlines and is armed again: cheaper than
  // moving it with each deadline.
  if (at >= timer_at) {
    return;
  }
  timer_at = at;
  timer.expires_at(at);
  timer.async_wait([state = shared_from_this()](const boost::system::error_code& error) {
    if (!error) {
      state->OnTimer();
    }
  });
}

void Connection::State::OnTimer() {
  timer_at = kNever;
  if (!open()) {
    return;
  }
  const SteadyTime now = std::chrono::steady_clock::now();
  SteadyTime next = kNever;
  bool expired = false;
  for (const Direction direction : {kRead, kWrite}) {
    if (waiting[direction] > 0) {
      if (deadline[direction] <= now) {
        expired = true;
      } else {
        next = std::min(next, deadline[direction]);
      }
    }
  }
  if (next != kNever) {
    Arm(next);
  }
  if (expired) {
    boost::system::error_code ignored;
    socket.cancel(ignored);
  }
}

void Connection::State::Close() {
  boost::system::error_code ignored;
  socket.close(ignored);
  timer_at = kNever;
  timer.cancel();
}

Connection::Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}

Connection::~Connection() {
  state_->Close();
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Adopt(IoExecutor executor,
                                                              AcceptedSocket socket) {
  auto state = std::make_shared<State>(executor);
  state->peer = socket.peer();
  boost::system::error_code error;
  state->socket.assign(socket.peer().ip().is_v4() ? tcp::v4() : tcp::v6(), socket.fd(), error);
  if (error) {
    return ErrnoStatus(error.value(), "adopt socket");
  }
  socket.Release();
  return std::unique_ptr<Connection>(new Connection(std::move(state)));
}

IoTask<absl::StatusOr<std::unique_ptr<Connection>>> Connection::Connect(IoExecutor executor,
                                                                        SocketAddress address,
                                                                        absl::Duration timeout) {
  const std::string where = absl::StrCat("connect ", address.ToString());
  sockaddr_storage native;
  const socklen_t length = address.ToNative(&native);
  AcceptedSocket socket(::socket(native.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                        address);
  if (socket.fd() < 0) {
    co_return ErrnoStatus(errno, where);
  }
  const int fd = socket.fd();
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&native), length) == 0;
  if (!connected && errno != EINPROGRESS) {
    co_return ErrnoStatus(errno, where);
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = Adopt(executor, std::move(socket));
  if (connected || !connection.ok()) {
    co_return connection;
  }
  (*connection)->SetTimeout(timeout);
  const absl::Status status = co_await State::Wait((*connection)->state_, kWrite);
  if (absl::IsDeadlineExceeded(status)) {
    co_return absl::DeadlineExceededError(absl::StrCat(where, ": no answer in time"));
  }
  if (!status.ok()) {
    co_return status;
  }
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    co_return ErrnoStatus(error, where);
  }
  const absl::StatusOr<SocketAddress> local = (*connection)->LocalAddress();
  if (local.ok() && *local == address) {
    // Nobody listens, and the kernel gave us the very port we called.
    co_return absl::UnavailableError(absl::StrCat(where, ": connected to itself"));
  }
  (*connection)->SetDeadline(absl::nullopt);
  co_return connection;
}

IoTask<absl::Status> Connection::HandshakeServer(ssl_ctx_st* context) {
  return State::Handshake(state_, context, true, std::string(), nullptr);
}

IoTask<absl::Status> Connection::HandshakeClient(ssl_ctx_st* context, std::string server_name,
                                                 ssl_session_st* session) {
  return State::Handshake(state_, context, false, std::move(server_name), session);
}

IoTask<IoResult> Connection::ReadSome(absl::Span<char> buffer) {
  return State::Read(state_, buffer);
}

IoTask<absl::Status> Connection::WriteAll(absl::string_view data) {
  return State::Write(state_, data, absl::string_view());
}

IoTask<absl::Status> Connection::WriteAll(absl::string_view first, absl::string_view second) {
  return State::Write(state_, first, second);
}

absl::optional<IoResult> Connection::TryRead(absl::Span<char> buffer) {
  State::Attempt attempt = state_->TryRead(buffer);
  if (!attempt.done) {
    return absl::nullopt;
  }
  return std::move(attempt.result);
}

IoResult Connection::TryWrite(absl::string_view first, absl::string_view second) {
  return state_->TryWrite(first, second).result;
}

IoTask<PeerEvent> Connection::WaitPeerClosedOrReadable() {
  return State::Watch(state_);
}

void Connection::CancelWait() {
  ++state_->watch_epoch;
  if (state_->watching > 0 && state_->open()) {
    boost::system::error_code ignored;
    state_->socket.cancel(ignored);
  }
}

PeerEvent Connection::PollPeer() {
  return state_->Poll();
}

void Connection::SetDeadline(absl::optional<SteadyTime> deadline) {
  state_->SetDeadline(kRead, deadline);
  state_->SetDeadline(kWrite, deadline);
}

void Connection::SetReadDeadline(absl::optional<SteadyTime> deadline) {
  state_->SetDeadline(kRead, deadline);
}

void Connection::SetWriteDeadline(absl::optional<SteadyTime> deadline) {
  state_->SetDeadline(kWrite, deadline);
}

void Connection::SetTimeout(absl::Duration timeout) {
  SetDeadline(After(timeout));
}

IoTask<> Connection::Shutdown(absl::Duration linger) {
  return State::Shutdown(state_, linger);
}

void Connection::CloseNow() {
  state_->Close();
}

void Connection::ResetHard() {
  if (state_->open()) {
    const linger hard = {1, 0};
    setsockopt(fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }
  state_->Close();
}

bool Connection::is_open() const {
  return state_->open();
}

bool Connection::is_tls() const {
  return state_->ssl != nullptr;
}

ssl_st* Connection::native_tls() const {
  return state_->ssl;
}

const SocketAddress& Connection::peer() const {
  return state_->peer;
}

absl::StatusOr<SocketAddress> Connection::LocalAddress() const {
  sockaddr_storage native;
  socklen_t length = sizeof(native);
  if (!is_open() || getsockname(fd(), reinterpret_cast<sockaddr*>(&native), &length) != 0) {
    return absl::CancelledError("connection: closed");
  }
  return SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native), length);
}

int Connection::fd() const {
  return state_->socket.native_handle();
}

IoExecutor Connection::executor() const {
  return state_->socket.get_executor();
}

uint64_t Connection::bytes_read() const {
  return state_->bytes_read;
}

uint64_t Connection::bytes_written() const {
  return state_->bytes_written;
}

}  // namespace rolemesh::base
