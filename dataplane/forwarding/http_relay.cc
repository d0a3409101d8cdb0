#include "dataplane/forwarding/http_relay.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/http/body_framing.h"
#include "base/http/head_reader.h"
#include "dataplane/forwarding/forwarded_fields.h"
#include "dataplane/openai/api_error.h"
#include "dataplane/openai/event_stream.h"

namespace rolemesh::dataplane {
namespace {

constexpr int kMaxInterimAnswers = 16;
constexpr size_t kReadBytes = 64 * 1024;
// The start of an event is kept back up to this length: what breaks off must not leave half an
// event before the error event.
constexpr size_t kMaxHeldBytes = 64 * 1024;
// For an answer that was sent although the request could not be written whole.
constexpr absl::Duration kEarlyAnswerWait = absl::Milliseconds(100);

base::SteadyTime After(const base::Clock& clock, absl::Duration duration) {
  return clock.SteadyNow() + absl::ToChronoNanoseconds(duration);
}

}  // namespace

// How the answer goes out.
struct HttpRelay::Out {
  enum Framing { kNone, kLength, kChunked, kUntilClose };

  // `payload` as it stands on the wire, appended to `wire`.
  void Frame(absl::string_view payload, bool last) {
    if (framing != kChunked) {
      absl::StrAppend(&wire, payload);
      return;
    }
    if (!payload.empty()) {
      absl::StrAppend(&wire, absl::Hex(payload.size()), "\r\n", payload, "\r\n");
    }
    if (last) {
      absl::StrAppend(&wire, "0\r\n\r\n");
    }
  }

  Framing framing = kNone;
  bool event_stream = false;
  bool begun = false;          // the client may have got a byte
  bool between_events = true;  // what is out ends with a whole event
  std::string wire;            // to be written next; at first the head
};

HttpRelay::HttpRelay(ClientConnection* client, const base::Clock& clock,
                     const RelayTimeouts& timeouts)
    : client_(client),
      clock_(clock),
      timeouts_(timeouts),
      to_head_(client->request().method == "HEAD"),
      client_minor_(client->request().minor_version),
      in_(kReadBytes) {
  client_->WatchClient([this](Interruption why) { OnInterruption(why); });
}

HttpRelay::~HttpRelay() {
  client_->StopWatching();
}

void HttpRelay::OnInterruption(Interruption why) {
  interruption_ = why;
  AbortUpstream();
  if (why == Interruption::kClientGone) {
    client_->connection().CloseNow();  // ends a write that nobody reads
  }
}

void HttpRelay::AbortUpstream() {
  reusable_ = false;
  if (upstream_ != nullptr) {
    upstream_->connection->CloseNow();
  }
}

base::IoTask<HttpRelay::AskResult> HttpRelay::Ask(std::unique_ptr<UpstreamConnection> upstream,
                                                  absl::string_view head, absl::string_view body) {
  upstream_ = std::move(upstream);
  in_.Reset();
  answer_.reset();
  reusable_ = false;
  if (interruption_ != Interruption::kNone) {
    upstream_.reset();
    co_return AskResult::kInterrupted;
  }
  base::Connection& connection = *upstream_->connection;
  connection.SetWriteDeadline(After(clock_, timeouts_.write));
  const absl::Status sent = co_await connection.WriteAll(head, body);
  if (interruption_ != Interruption::kNone) {
    co_return AskResult::kInterrupted;
  }
  connection.SetReadDeadline(After(clock_, sent.ok() ? timeouts_.first_byte : kEarlyAnswerWait));
  const AskResult result = co_await ReadAnswerHead();
  if (!sent.ok() && result != AskResult::kAnswer && result != AskResult::kInterrupted) {
    co_return AskResult::kNotSent;
  }
  if (!sent.ok() && result == AskResult::kAnswer) {
    answer_->head.keep_alive = false;
  }
  co_return result;
}

base::IoTask<HttpRelay::AskResult> HttpRelay::ReadAnswerHead() {
  base::Connection& connection = *upstream_->connection;
  for (int interim = 0; interim <= kMaxInterimAnswers; ++interim) {
    base::HeadScanner scanner(base::MessageKind::kResponse);
    for (;;) {
      if (!in_.empty()) {
        const base::HeadScanner::Result result = scanner.Scan(in_.view());
        if (result == base::HeadScanner::kComplete) {
          break;
        }
        if (result == base::HeadScanner::kRefused || in_.full()) {
          co_return AskResult::kMalformed;
        }
      }
      const base::IoResult read = co_await connection.ReadSome(in_.Room());
      if (interruption_ != Interruption::kNone) {
        co_return AskResult::kInterrupted;
      }
      if (!read.ok() || read.eof()) {
        co_return absl::IsDeadlineExceeded(read.status) ? AskResult::kTimedOut : AskResult::kLost;
      }
      in_.Commit(read.bytes);
    }
    auto answer = std::make_unique<Answer>();
    answer->raw = std::string(in_.view().substr(scanner.begin(), scanner.end() - scanner.begin()));
    in_.Consume(scanner.end());
    if (!base::ParseResponseHead(answer->raw, base::HeadLimits(), &answer->head).ok() ||
        answer->head.status == 101) {
      co_return AskResult::kMalformed;
    }
    if (answer->head.status >= 200) {
      answer_ = std::move(answer);
      co_return AskResult::kAnswer;
    }
  }
  co_return AskResult::kMalformed;
}

bool HttpRelay::MayReuse(const base::BodyFraming& framing, bool complete) const {
  return complete && in_.empty() && answer_->head.keep_alive &&
         framing.kind != base::BodyFraming::kUntilClose && interruption_ == Interruption::kNone;
}

std::unique_ptr<UpstreamConnection> HttpRelay::TakeReusable() {
  if (!reusable_) {
    return nullptr;
  }
  reusable_ = false;
  return std::move(upstream_);
}

base::IoTask<absl::optional<std::string>> HttpRelay::ReadAnswerBody(size_t max_bytes) {
  const base::BodyFraming framing = base::FramingOf(answer_->head, to_head_);
  base::BodyTracker tracker(framing);
  std::string body;
  while (!tracker.complete()) {
    if (!in_.empty()) {
      const absl::StatusOr<size_t> used =
          tracker.Feed(in_.view(), [&](absl::string_view part) { absl::StrAppend(&body, part); });
      if (!used.ok() || body.size() > max_bytes) {
        co_return absl::nullopt;
      }
      in_.Consume(*used);
      continue;
    }
    upstream_->connection->SetReadDeadline(After(clock_, timeouts_.idle));
    const base::IoResult read = co_await upstream_->connection->ReadSome(in_.Room());
    if (!read.ok() || (read.eof() && !tracker.OnEof().ok())) {
      co_return absl::nullopt;
    }
    in_.Commit(read.bytes);
  }
  reusable_ = MayReuse(framing, true);
  co_return body;
}

base::IoTask<HttpRelay::RelayResult> HttpRelay::RelayAnswer(RelayOptions options) {
  const base::BodyFraming framing = base::FramingOf(answer_->head, to_head_);
  Out out;
  out.event_stream = IsEventStream(answer_->head);
  switch (framing.kind) {
    case base::BodyFraming::kNone:
      out.framing = Out::kNone;
      break;
    case base::BodyFraming::kLength:
      out.framing = Out::kLength;
      break;
    case base::BodyFraming::kChunked:
      out.framing = client_minor_ == 0 ? Out::kUntilClose : Out::kChunked;
      break;
    case base::BodyFraming::kUntilClose:
      out.framing = Out::kUntilClose;
      break;
  }
  const bool keep_alive = client_->MayKeepAlive() && out.framing != Out::kUntilClose;
  absl::StrAppend(
      &out.wire, "HTTP/1.1 ", answer_->head.status, " ",
      answer_->head.reason.empty() ? ReasonPhrase(answer_->head.status) : answer_->head.reason,
      "\r\n", ForwardedAnswerFields(answer_->head), options.fields);
  if (out.event_stream) {
    absl::StrAppend(&out.wire, "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n");
  }
  if (answer_->head.content_length.has_value() && answer_->head.status != 204 &&
      (out.framing == Out::kLength || to_head_)) {
    absl::StrAppend(&out.wire, "Content-Length: ", *answer_->head.content_length, "\r\n");
  } else if (out.framing == Out::kChunked) {
    absl::StrAppend(&out.wire, "Transfer-Encoding: chunked\r\n");
  }
  absl::StrAppend(&out.wire, "Connection: ", keep_alive ? "keep-alive" : "close", "\r\n\r\n");

  base::BodyTracker tracker(framing);
  const bool by_events = out.event_stream && out.framing != Out::kLength;
  std::string held;  // payload that is not written yet
  bool ended = tracker.complete();
  for (;;) {
    bool malformed = false;
    if (!ended && !in_.empty()) {
      const absl::StatusOr<size_t> used =
          tracker.Feed(in_.view(), [&](absl::string_view part) { absl::StrAppend(&held, part); });
      if (used.ok()) {
        in_.Consume(*used);
      } else {
        malformed = true;
      }
      ended = tracker.complete();
    }
    size_t ready = held.size();
    if (by_events && !ended) {
      ready = EndOfLastEvent(held);
      if (ready == 0 && held.size() > kMaxHeldBytes) {
        ready = held.size();
        out.between_events = false;
      } else if (ready > 0) {
        out.between_events = true;
      }
    }
    // The head goes out with the first of the body; that of a stream does not wait.
    if (ready > 0 || ended || (out.event_stream && !out.begun)) {
      payload_bytes_ += ready;
      out.Frame(absl::string_view(held).substr(0, ready), ended);
      held.erase(0, ready);
      out.begun = true;
      const absl::Status written = co_await client_->Write(out.wire);
      out.wire.clear();
      if (!written.ok()) {
        AbortUpstream();
        if (interruption_ == Interruption::kCut) {
          client_->connection().CloseNow();
        }
        if (absl::IsDeadlineExceeded(written)) {
          client_->connection().ResetHard();
          co_return RelayResult::kClientStalled;
        }
        if (interruption_ == Interruption::kNone) {
          interruption_ = Interruption::kClientGone;
        }
        co_return RelayResult::kInterrupted;
      }
    }
    if (ended) {
      break;
    }
    if (malformed) {
      co_return co_await EndBroken(&out, &options, /*timed_out=*/false);
    }
    upstream_->connection->SetReadDeadline(After(clock_, timeouts_.idle));
    const base::IoResult read = co_await upstream_->connection->ReadSome(in_.Room());
    if (read.eof() && tracker.OnEof().ok()) {
      ended = true;
      continue;
    }
    if (!read.ok() || read.eof()) {
      co_return co_await EndBroken(&out, &options, absl::IsDeadlineExceeded(read.status));
    }
    in_.Commit(read.bytes);
  }
  reusable_ = MayReuse(framing, true) && (options.reuse_after_stream || !out.event_stream);
  if (!reusable_) {
    AbortUpstream();
  }
  client_may_continue_ = keep_alive;
  co_return RelayResult::kComplete;
}

base::IoTask<HttpRelay::RelayResult> HttpRelay::EndBroken(Out* out, const RelayOptions* options,
                                                          bool timed_out) {
  AbortUpstream();
  if (interruption_ == Interruption::kClientGone) {
    co_return RelayResult::kInterrupted;
  }
  const bool cut = interruption_ == Interruption::kCut;
  if (!out->begun && !cut) {
    co_return RelayResult::kLostUnseen;
  }
  const bool announce = options->announce_loss.has_value() && out->event_stream && out->begun &&
                        out->framing != Out::kLength;
  if (announce) {
    ApiError error;
    error.http_status = cut ? 503 : timed_out ? 504 : 502;
    error.code = cut ? "shutting_down" : timed_out ? "upstream_timeout" : "upstream_lost";
    error.message = cut         ? "The server is shutting down; the answer is incomplete."
                    : timed_out ? "The model went silent; the answer is incomplete."
                                : "The connection to the model was lost; the answer is incomplete.";
    out->wire.clear();
    out->Frame(
        absl::StrCat(out->between_events ? "" : "\n\n", ErrorEvent(*options->announce_loss, error)),
        /*last=*/false);
    // Without the last chunk: nobody may take this for a clean end.
    if ((co_await client_->Write(out->wire)).ok()) {
      client_->StopWatching();  // Close() reads
      co_await client_->Close();
    }
  } else if (out->framing == Out::kUntilClose) {
    client_->connection().ResetHard();  // a plain end would look complete
  }
  client_->connection().CloseNow();
  co_return cut ? RelayResult::kInterrupted : RelayResult::kUpstreamLost;
}

}  // namespace rolemesh::dataplane
