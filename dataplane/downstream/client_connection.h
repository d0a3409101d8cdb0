// One client's connection: requests in, answers out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/http/body_framing.h"
#include "base/http/head_reader.h"
#include "base/http/message_head.h"
#include "base/net/connection.h"
#include "base/net/io_task.h"
#include "base/time/clock.h"
#include "dataplane/downstream/byte_buffer.h"

namespace rolemesh::dataplane {

/// What a client may cost (security.md H5, H6).
struct ClientLimits {
  base::HeadLimits head;
  base::ChunkLimits chunks;
  uint64_t body_bytes = 16 << 20;                     ///< Beyond: 413.
  absl::Duration header_timeout = absl::Seconds(10);  ///< For a whole head, from its first byte.
  absl::Duration idle_timeout = absl::Seconds(75);    ///< For the first byte of the next head.
  absl::Duration body_grace = absl::Seconds(20);      ///< Then a body must come at...
  uint64_t body_bytes_per_second = 1000;              ///< ...this rate on average.
  absl::Duration write_timeout = absl::Seconds(60);   ///< For one write of at most 64 KiB.
  int requests_per_connection = 10'000;               ///< Then the connection is closed.
};

/// Why an exchange in progress must end, as WatchClient() tells it.
enum class Interruption {
  kNone,
  kClientGone,  ///< FIN or reset: nobody reads the answer.
  kCut,         ///< We stop and have waited long enough.
};

/// Reads requests and writes answers, in turns:
///
///   while (co_await client.ReadHead() == kRequest) {
///     co_await client.ReadBody(&body);
///     client.WatchClient(...);  work;  client.StopWatching();
///     co_await client.Write(...);
///   }
///
/// Bytes that follow a request (pipelining) are kept for the next ReadHead().
/// Thread-safety: owned by the thread of its connection.
class ClientConnection {
 public:
  /// `limits` and `clock` outlive it.
  ClientConnection(std::unique_ptr<base::Connection> connection, const ClientLimits& limits,
                   const base::Clock& clock);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  enum class HeadResult {
    kRequest,  ///< request() holds it.
    kClosed,   ///< The client has left, was idle too long, or we stop: say nothing.
    kRefused,  ///< Answer refusal(), then Close().
    kTooSlow,  ///< Answer 408, then Close().
  };
  base::IoTask<HeadResult> ReadHead();

  /// Valid from kRequest until ReleaseRequest() or the next ReadHead().
  const base::RequestHead& request() const { return request_->head; }
  const base::HeadError& refusal() const { return refusal_; }

  enum class BodyResult {
    kWhole,
    kTooLarge,   ///< 413
    kMalformed,  ///< 400
    kTooSlow,    ///< 408
    kGone,       ///< Say nothing.
  };
  /// The whole body without framing, with `padding` bytes of room behind it. Says "100 Continue"
  /// when that is waited for. After anything but kWhole the connection cannot go on.
  base::IoTask<BodyResult> ReadBody(std::string* body, size_t padding);

  /// Whether the body of request() has been read, or there is none.
  bool body_done() const { return body_done_; }
  /// Frees the head, for answers that take long.
  void ReleaseRequest() { request_.reset(); }

  /// Whether the client may send another request after this answer; otherwise the answer says
  /// "Connection: close". Fixed when the answer's head is made.
  bool MayKeepAlive() const;

  /// Writes with the write timeout. Errors: of base::Connection.
  base::IoTask<absl::Status> Write(absl::string_view first, absl::string_view second = {});
  /// A whole answer that we make; `fields` are complete lines. Adds Content-Length and Connection.
  /// `to_head`: leaves the body out. True: the connection may go on.
  base::IoTask<bool> WriteAnswer(int http_status, std::string fields, std::string body,
                                 bool to_head);

  /// From now until StopWatching(): when the client leaves or Cut() is called, `on_interruption`
  /// runs once, at once. What the client sends meanwhile is kept, up to 32 KiB.
  void WatchClient(std::function<void(Interruption)> on_interruption);
  void StopWatching();

  /// No further request after the one in progress; ends the wait for one.
  void BeginDrain();
  /// Ends what is in progress: an interruption when there is a watch, else the connection.
  void Cut();

  /// Orderly end, so that the last answer arrives.
  base::IoTask<> Close() { return connection_->Shutdown(); }

  base::Connection& connection() { return *connection_; }
  const ClientLimits& limits() const { return limits_; }
  int request_count() const { return request_count_; }

 private:
  struct Request {
    std::string raw;  // the views of `head` point here
    base::RequestHead head;
  };
  struct WatchState;

  static base::IoTask<> Watch(std::shared_ptr<WatchState> state);
  void Interrupt(Interruption why);

  const ClientLimits& limits_;
  const base::Clock& clock_;
  const std::unique_ptr<base::Connection> connection_;
  ByteBuffer buffer_;
  std::unique_ptr<Request> request_;
  base::HeadError refusal_;
  std::shared_ptr<WatchState> watch_;
  int request_count_ = 0;
  bool body_done_ = true;
  bool waiting_for_head_ = false;
  bool draining_ = false;
  bool keep_alive_ = false;  // of the request in progress
};

/// "OK", "Bad Gateway"...
absl::string_view ReasonPhrase(int http_status);

}  // namespace rolemesh::dataplane
