// One TCP connection, plain or TLS, for coroutines on a single-threaded event loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

#include "base/net/io_task.h"
#include "base/net/listener.h"
#include "base/net/socket_address.h"
#include "base/time/clock.h"

struct ssl_ctx_st;      // OpenSSL's SSL_CTX
struct ssl_session_st;  // SSL_SESSION
struct ssl_st;          // SSL

namespace rolemesh::base {

/// What a read or write came to.
struct IoResult {
  size_t bytes = 0;
  absl::Status status;

  bool ok() const { return status.ok(); }
  /// Of a read: the peer has ended its side in order (FIN; over TLS close_notify).
  bool eof() const { return status.ok() && bytes == 0; }
};

/// What a watch on a quiet peer saw.
enum class PeerEvent {
  kNone,       ///< PollPeer only: nothing happened.
  kReadable,   ///< It sent something: read it before watching again.
  kClosed,     ///< FIN, close_notify or reset. Half-closing counts as leaving.
  kCancelled,  ///< CancelWait, CloseNow or the connection was destroyed.
};

/// A connected socket with TCP_NODELAY, perhaps with TLS on it.
///
/// Each operation makes its system call at once and waits in the event loop only when the
/// kernel says EAGAIN. At most one read, one write and one watch may be in progress together;
/// a read and a watch must not overlap.
///
/// Deadlines are absolute, hold for all later operations until set anew, and cost nothing to
/// move: one timer per connection looks at them when it fires. No deadline = wait for
/// ever, which servers must not do. A watch has none.
///
/// Errors of reads, writes and handshakes:
///   DeadlineExceeded  the deadline passed; for a write part of the data may be out
///   Unavailable       refused, reset, broken pipe, TLS ended without close_notify
///   Cancelled         CloseNow()/ResetHard() from another coroutine
///   PermissionDenied  handshake: a certificate was refused, by us or by the peer
///   FailedPrecondition handshake: not TLS, no common version
/// After any of them only CloseNow() or ResetHard() make sense.
///
/// Thread-safety: owned by the thread of its IoContext.
/// Ownership: must outlive reads, writes, handshakes and shutdowns in progress; a watch may
/// outlive it and then ends with kCancelled.
class Connection {
 public:
  /// Takes an accepted socket into `executor`'s loop.
  static absl::StatusOr<std::unique_ptr<Connection>> Adopt(IoExecutor executor,
                                                           AcceptedSocket socket);

  /// Connects within `timeout`, on the calling coroutine's context, which is `executor`'s.
  /// Errors: Unavailable: refused or unreachable; DeadlineExceeded; ResourceExhausted: no
  /// descriptor free.
  static IoTask<absl::StatusOr<std::unique_ptr<Connection>>> Connect(IoExecutor executor,
                                                                     SocketAddress address,
                                                                     absl::Duration timeout);

  /// Closes at once, without close_notify.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// TLS as the server, with `context`'s certificates and rules (TlsContext::native()).
  IoTask<absl::Status> HandshakeServer(ssl_ctx_st* context);
  /// TLS as the client. `server_name` is sent as SNI unless empty; whether the certificate is the
  /// wanted one is for `context`'s verifier or the caller (native_tls()). `session` (may be
  /// null, not taken over) is offered for resumption.
  IoTask<absl::Status> HandshakeClient(ssl_ctx_st* context, std::string server_name,
                                       ssl_session_st* session = nullptr);

  /// At least one byte, or eof(). `buffer` is not empty.
  IoTask<IoResult> ReadSome(absl::Span<char> buffer);
  /// All of `data`, or an error.
  IoTask<absl::Status> WriteAll(absl::string_view data);
  /// `first` then `second`, in one system call (over TLS in one record when small).
  IoTask<absl::Status> WriteAll(absl::string_view first, absl::string_view second);

  /// ReadSome without waiting; nullopt: nothing to read now. For loops that want no coroutine
  /// frame when data is there.
  absl::optional<IoResult> TryRead(absl::Span<char> buffer);
  /// Writes what the kernel takes now; `bytes` may be less than offered, down to 0. Go on with
  /// WriteAll for the rest.
  IoResult TryWrite(absl::string_view first, absl::string_view second = {});

  /// Waits, without a deadline, until the peer sends or leaves; consumes nothing. For clients
  /// while their answer is made, and for idle pooled connections.
  IoTask<PeerEvent> WaitPeerClosedOrReadable();
  /// Ends the watch in progress with kCancelled, soon after; a read may start at once.
  void CancelWait();
  /// The same question without waiting.
  PeerEvent PollPeer();
  bool peer_closed() { return PollPeer() == PeerEvent::kClosed; }

  /// For reads (handshakes, shutdown) and writes; nullopt = none.
  void SetDeadline(absl::optional<SteadyTime> deadline);
  void SetReadDeadline(absl::optional<SteadyTime> deadline);
  void SetWriteDeadline(absl::optional<SteadyTime> deadline);
  /// SetDeadline(now + timeout).
  void SetTimeout(absl::Duration timeout);

  /// Orderly end: close_notify over TLS, then FIN. What the peer still sends is discarded until its
  /// FIN, at most `linger` and 64 KiB, so that the last answer is not lost to a reset; then closes.
  IoTask<> Shutdown(absl::Duration linger = absl::Seconds(1));
  /// FIN now (RST when unread data is there). Operations in progress end with Cancelled.
  void CloseNow();
  /// RST now: for a peer that must not take what it got for complete.
  void ResetHard();

  bool is_open() const;
  bool is_tls() const;
  /// OpenSSL's SSL for VerifiedPeer and sessions; null without TLS.
  ssl_st* native_tls() const;
  const SocketAddress& peer() const;
  /// Our own end, asked from the kernel.
  absl::StatusOr<SocketAddress> LocalAddress() const;
  int fd() const;
  IoExecutor executor() const;

  uint64_t bytes_read() const;     ///< Payload bytes since the start.
  uint64_t bytes_written() const;  ///< Payload bytes since the start.

 private:
  struct State;
  explicit Connection(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

}  // namespace rolemesh::base
