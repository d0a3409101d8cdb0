#include "dataplane/downstream/client_connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace rolemesh::dataplane {
namespace {

constexpr size_t kPipelinedBytes = 32 * 1024;

base::SteadyTime After(const base::Clock& clock, absl::Duration duration) {
  return clock.SteadyNow() + absl::ToChronoNanoseconds(duration);
}

}  // namespace

// Outlives the connection when the watch ends after it.
struct ClientConnection::WatchState {
  ClientConnection* owner;  // null: StopWatching() was called
  std::function<void(Interruption)> on_interruption;
};

ClientConnection::ClientConnection(std::unique_ptr<base::Connection> connection,
                                   const ClientLimits& limits, const base::Clock& clock)
    : limits_(limits),
      clock_(clock),
      connection_(std::move(connection)),
      buffer_(std::max(kPipelinedBytes,
                       limits.head.line_bytes + limits.head.field_block_bytes + 1024)) {}

ClientConnection::~ClientConnection() {
  StopWatching();
}

base::IoTask<ClientConnection::HeadResult> ClientConnection::ReadHead() {
  request_.reset();
  refusal_ = {};
  keep_alive_ = false;
  base::HeadScanner scanner(base::MessageKind::kRequest, limits_.head);
  connection_->SetReadDeadline(
      After(clock_, request_count_ == 0 ? limits_.header_timeout : limits_.idle_timeout));
  bool started = false;
  for (;;) {
    if (!buffer_.empty()) {
      if (!started) {
        started = true;
        connection_->SetReadDeadline(After(clock_, limits_.header_timeout));
      }
      const base::HeadScanner::Result result = scanner.Scan(buffer_.view());
      if (result == base::HeadScanner::kComplete) {
        break;
      }
      if (result == base::HeadScanner::kRefused || buffer_.full()) {
        refusal_ = result == base::HeadScanner::kRefused
                       ? scanner.error()
                       : base::HeadError{431, "the request's fields are too large"};
        co_return HeadResult::kRefused;
      }
    }
    if (draining_ && !started && request_count_ > 0) {
      co_return HeadResult::kClosed;
    }
    waiting_for_head_ = !started;
    const base::IoResult read = co_await connection_->ReadSome(buffer_.Room());
    waiting_for_head_ = false;
    if (!read.ok() || read.eof()) {
      co_return absl::IsDeadlineExceeded(read.status) && started ? HeadResult::kTooSlow
                                                                 : HeadResult::kClosed;
    }
    buffer_.Commit(read.bytes);
  }
  auto request = std::make_unique<Request>();
  request->raw =
      std::string(buffer_.view().substr(scanner.begin(), scanner.end() - scanner.begin()));
  refusal_ = base::ParseRequestHead(request->raw, limits_.head, &request->head);
  if (!refusal_.ok()) {
    co_return HeadResult::kRefused;
  }
  buffer_.Consume(scanner.end());
  request_ = std::move(request);
  ++request_count_;
  const base::RequestHead& head = request_->head;
  body_done_ = base::FramingOf(head).kind == base::BodyFraming::kNone ||
               (head.content_length.has_value() && *head.content_length == 0);
  keep_alive_ = head.keep_alive;
  co_return HeadResult::kRequest;
}

base::IoTask<ClientConnection::BodyResult> ClientConnection::ReadBody(std::string* body,
                                                                      size_t padding) {
  body->clear();
  const base::RequestHead& head = request();
  if (body_done_) {
    body->reserve(padding);
    co_return BodyResult::kWhole;
  }
  if (head.content_length.value_or(0) > limits_.body_bytes) {
    co_return BodyResult::kTooLarge;
  }
  if (head.expect_continue && head.minor_version == 1 && buffer_.empty()) {
    const absl::Status status = co_await Write("HTTP/1.1 100 Continue\r\n\r\n");
    if (!status.ok()) {
      co_return BodyResult::kGone;
    }
  }
  const base::SteadyTime start = clock_.SteadyNow();
  const auto set_deadline = [&] {
    connection_->SetReadDeadline(
        start +
        absl::ToChronoNanoseconds(
            limits_.body_grace +
            absl::Seconds(body->size() / std::max<uint64_t>(limits_.body_bytes_per_second, 1))));
  };
  const auto failed = [](const base::IoResult& read) {
    return absl::IsDeadlineExceeded(read.status) ? BodyResult::kTooSlow : BodyResult::kGone;
  };
  if (head.content_length.has_value()) {
    const size_t length = static_cast<size_t>(*head.content_length);
    const size_t here = std::min(length, buffer_.view().size());
    body->reserve(std::min<size_t>(length, 256 * 1024) + padding);
    absl::StrAppend(body, buffer_.view().substr(0, here));
    buffer_.Consume(here);
    while (body->size() < length) {
      // Memory follows what has really come, not what was announced.
      const size_t at = body->size();
      const size_t step = std::min(length - at, std::max<size_t>(at, 64 * 1024));
      body->reserve(std::min(length, at + step) + padding);
      body->resize(at + step);
      size_t got = 0;
      while (got < step) {
        set_deadline();
        const base::IoResult read =
            co_await connection_->ReadSome(absl::MakeSpan(body->data() + at + got, step - got));
        if (!read.ok() || read.eof()) {
          co_return failed(read);
        }
        got += read.bytes;
      }
    }
  } else {
    base::BodyTracker tracker(base::FramingOf(head), limits_.chunks);
    for (;;) {
      if (!buffer_.empty()) {
        const absl::StatusOr<size_t> used =
            tracker.Feed(buffer_.view(), [&](absl::string_view part) {
              if (body->size() + part.size() <= limits_.body_bytes) {
                absl::StrAppend(body, part);
              }
            });
        if (tracker.payload_bytes() > limits_.body_bytes) {
          co_return BodyResult::kTooLarge;
        }
        if (!used.ok()) {
          co_return BodyResult::kMalformed;
        }
        buffer_.Consume(*used);
        if (tracker.complete()) {
          break;
        }
      }
      set_deadline();
      const base::IoResult read = co_await connection_->ReadSome(buffer_.Room());
      if (!read.ok() || read.eof()) {
        co_return failed(read);
      }
      buffer_.Commit(read.bytes);
    }
    body->reserve(body->size() + padding);
  }
  body_done_ = true;
  co_return BodyResult::kWhole;
}

bool ClientConnection::MayKeepAlive() const {
  return keep_alive_ && body_done_ && !draining_ &&
         request_count_ < limits_.requests_per_connection;
}

base::IoTask<absl::Status> ClientConnection::Write(absl::string_view first,
                                                   absl::string_view second) {
  connection_->SetWriteDeadline(After(clock_, limits_.write_timeout));
  return connection_->WriteAll(first, second);
}

base::IoTask<bool> ClientConnection::WriteAnswer(int http_status, std::string fields,
                                                 std::string body, bool to_head) {
  const bool keep_alive = MayKeepAlive();
  const std::string head =
      absl::StrCat("HTTP/1.1 ", http_status, " ", ReasonPhrase(http_status), "\r\n", fields,
                   http_status == 204 ? "" : absl::StrCat("Content-Length: ", body.size(), "\r\n"),
                   keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  const absl::Status status =
      co_await Write(head, to_head ? absl::string_view() : absl::string_view(body));
  co_return status.ok() && keep_alive;
}

void ClientConnection::WatchClient(std::function<void(Interruption)> on_interruption) {
  StopWatching();
  watch_ = std::make_shared<WatchState>(WatchState{this, std::move(on_interruption)});
  // Ends by itself: StopWatching() and the destructor cancel the wait, and the state is shared.
  boost::asio::co_spawn(connection_->executor(), Watch(watch_), boost::asio::detached);
}

void ClientConnection::StopWatching() {
  if (watch_ != nullptr) {
    watch_->owner = nullptr;
    watch_.reset();
    connection_->CancelWait();
  }
}

base::IoTask<> ClientConnection::Watch(std::shared_ptr<WatchState> state) {
  while (state->owner != nullptr) {
    const base::PeerEvent event = co_await state->owner->connection_->WaitPeerClosedOrReadable();
    ClientConnection* const owner = state->owner;
    if (owner == nullptr || event == base::PeerEvent::kCancelled) {
      co_return;
    }
    if (event == base::PeerEvent::kReadable) {
      ByteBuffer& buffer = owner->buffer_;
      if (buffer.full()) {
        co_return;  // a client that sends that much ahead has not left
      }
      const absl::optional<base::IoResult> read = owner->connection_->TryRead(buffer.Room());
      if (!read.has_value()) {
        continue;
      }
      if (read->ok() && !read->eof()) {
        buffer.Commit(read->bytes);
        continue;
      }
    }
    owner->Interrupt(Interruption::kClientGone);
    co_return;
  }
}

void ClientConnection::Interrupt(Interruption why) {
  const std::shared_ptr<WatchState> watch = watch_;
  if (watch == nullptr || watch->on_interruption == nullptr) {
    return;
  }
  std::exchange(watch->on_interruption, nullptr)(why);
}

void ClientConnection::BeginDrain() {
  draining_ = true;
  if (waiting_for_head_) {
    connection_->CloseNow();
  }
}

void ClientConnection::Cut() {
  draining_ = true;
  if (watch_ != nullptr) {
    Interrupt(Interruption::kCut);
  } else {
    connection_->CloseNow();
  }
}

absl::string_view ReasonPhrase(int http_status) {
  switch (http_status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace rolemesh::dataplane
