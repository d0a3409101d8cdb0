// Carries one exchange between a client's connection and an upstream's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/http/message_head.h"
#include "base/net/io_task.h"
#include "base/time/clock.h"
#include "dataplane/downstream/byte_buffer.h"
#include "dataplane/downstream/client_connection.h"
#include "dataplane/openai/api_paths.h"
#include "dataplane/upstream/upstream_pool.h"

namespace rolemesh::dataplane {

struct RelayTimeouts {
  absl::Duration write = absl::Seconds(60);        ///< For sending the request.
  absl::Duration first_byte = absl::Seconds(300);  ///< From there to the answer's head.
  absl::Duration idle = absl::Seconds(120);        ///< Between two reads of the answer.
};

/// One client's request on its way: Ask() an upstream, look at answer(), then Ask() another one, or
/// RelayAnswer(). The edge and the agent's front both use it.
///
/// While it lives it watches the client: when that leaves, the upstream connection is
/// closed at once, whatever is in progress, and every call ends with kInterrupted.
/// The answer's body is read only after what was read before is written, so that a slow reader
/// slows its own upstream; at most 256 KiB are held.
///
/// Thread-safety: owned by the thread of both connections.
/// Ownership: `client` and `clock` outlive it.
class HttpRelay {
 public:
  HttpRelay(ClientConnection* client, const base::Clock& clock, const RelayTimeouts& timeouts);
  ~HttpRelay();
  HttpRelay(const HttpRelay&) = delete;
  HttpRelay& operator=(const HttpRelay&) = delete;

  /// Other than kNone: stop.
  Interruption interruption() const { return interruption_; }

  enum class AskResult {
    kAnswer,       ///< answer() holds its head.
    kNotSent,      ///< The request could not be written whole.
    kLost,         ///< Closed or reset before an answer.
    kTimedOut,     ///< No answer within first_byte.
    kMalformed,    ///< What came is not HTTP/1.1 as we accept it.
    kInterrupted,  ///< See interruption().
  };
  /// Sends `head` (complete, with its empty line) and `body`, and reads the answer's head; up to
  /// 16 interim answers (1xx) are skipped. A connection from before is closed.
  base::IoTask<AskResult> Ask(std::unique_ptr<UpstreamConnection> upstream, absl::string_view head,
                              absl::string_view body);

  /// After kAnswer, until the next Ask() or RelayAnswer()'s end.
  const base::ResponseHead& answer() const { return answer_->head; }

  /// The answer's whole body, for small ones that are looked at; nullopt when it is longer
  /// than `max_bytes` or does not end in order. Afterwards only TakeReusable() may follow.
  base::IoTask<absl::optional<std::string>> ReadAnswerBody(size_t max_bytes);

  struct RelayOptions {
    std::string fields;  ///< Complete lines that are added to the answer.
    /// Set: an event stream that breaks off ends with this kind of error event.
    absl::optional<ErrorShape> announce_loss;
    /// Whether an upstream connection may serve again after an event stream.
    bool reuse_after_stream = true;
  };
  enum class RelayResult {
    kComplete,
    kLostUnseen,     ///< The upstream broke off, and the client has not got a byte.
    kUpstreamLost,   ///< It broke off later: the client was told, or cut.
    kClientStalled,  ///< It did not read in time; cut.
    kInterrupted,    ///< See interruption(); when kCut, a stream got its error event.
  };
  /// Sends the client answer()'s head, with fields filtered (forwarded_fields.h), and its body.
  /// A body that does not end in order never looks complete.
  base::IoTask<RelayResult> RelayAnswer(RelayOptions options);

  /// Whether another request may come on the client's connection.
  bool client_may_continue() const { return client_may_continue_; }

  /// The upstream's connection when its answer ended in order and it may serve another request.
  std::unique_ptr<UpstreamConnection> TakeReusable();

  /// Closes the upstream's connection: as if it had broken off.
  void AbortUpstream();

  uint64_t payload_bytes() const { return payload_bytes_; }  ///< Of the answer's body.

 private:
  struct Answer {
    std::string raw;  // the views of `head` point here
    base::ResponseHead head;
  };
  struct Out;  // what goes to the client

  void OnInterruption(Interruption why);
  base::IoTask<AskResult> ReadAnswerHead();
  base::IoTask<RelayResult> EndBroken(Out* out, const RelayOptions* options, bool timed_out);
  bool MayReuse(const base::BodyFraming& framing, bool complete) const;

  ClientConnection* const client_;
  const base::Clock& clock_;
  const RelayTimeouts timeouts_;
  const bool to_head_;      // the client's request is HEAD
  const int client_minor_;  // HTTP/1.x
  std::unique_ptr<UpstreamConnection> upstream_;
  ByteBuffer in_;  // from the upstream
  std::unique_ptr<Answer> answer_;
  Interruption interruption_ = Interruption::kNone;
  bool reusable_ = false;
  bool client_may_continue_ = false;
  uint64_t payload_bytes_ = 0;
};

}  // namespace rolemesh::dataplane
