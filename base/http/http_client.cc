#include "base/http/http_client.h"

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include <boost/asio/co_spawn.hpp>

#include "base/http/body_framing.h"
#include "base/http/field_syntax.h"
#include "base/http/head_reader.h"
#include "base/http/message_head.h"
#include "base/net/connection.h"
#include "base/status/annotate.h"

namespace rolemesh::base {
namespace {

constexpr int kMaxInterimAnswers = 16;
constexpr size_t kReadBytes = 16 * 1024;

absl::StatusOr<std::string> WriteHead(const SocketAddress& address, const HttpRequest& request) {
  if (!IsToken(request.method) || !IsTargetText(request.target) || request.target[0] != '/' ||
      !IsFieldValue(request.host)) {
    return absl::InvalidArgumentError("http request: bad method, target or host");
  }
  std::string head =
      absl::StrCat(request.method, " ", request.target,
                   " HTTP/1.1\r\nHost: ", request.host.empty() ? address.ToString() : request.host,
                   "\r\nConnection: close\r\n");
  if (!request.body.empty() || request.method == "POST") {
    absl::StrAppend(&head, "Content-Length: ", request.body.size(), "\r\n");
  }
  for (const auto& [name, value] : request.headers) {
    if (!IsToken(name) || !IsFieldValue(value)) {
      return absl::InvalidArgumentError("http request: bad header");
    }
    absl::StrAppend(&head, name, ": ", value, "\r\n");
  }
  head += "\r\n";
  return head;
}

// Reads heads until one is not 1xx; `*buffer` then starts with the body.
IoTask<absl::Status> ReadHead(Connection* connection, std::string* buffer, ResponseHead* head,
                              HttpReply* reply) {
  for (int interim = 0; interim <= kMaxInterimAnswers; ++interim) {
    HeadScanner scanner(MessageKind::kResponse);
    HeadScanner::Result result = scanner.Scan(*buffer);
    while (result == HeadScanner::kMore) {
      char chunk[kReadBytes];
      const IoResult got = co_await connection->ReadSome(absl::MakeSpan(chunk));
      if (!got.ok()) {
        co_return got.status;
      }
      if (got.eof()) {
        co_return absl::UnavailableError("closed before it answered");
      }
      buffer->append(chunk, got.bytes);
      result = scanner.Scan(*buffer);
    }
    HeadError error = scanner.error();
    if (result == HeadScanner::kComplete) {
      error = ParseResponseHead(absl::string_view(*buffer).substr(0, scanner.end()), {}, head);
    }
    if (!error.ok()) {
      co_return absl::InternalError(absl::StrCat("not an HTTP/1 answer: ", error.message));
    }
    if (head->status / 100 != 1) {
      reply->status = head->status;
      for (const HeaderField& field : head->fields) {
        reply->headers.emplace_back(std::string(field.name), std::string(field.value));
      }
      buffer->erase(0, scanner.end());  // the views in *head die; its numbers do not
      co_return absl::OkStatus();
    }
    buffer->erase(0, scanner.end());
  }
  co_return absl::InternalError("not an HTTP/1 answer: too many interim answers");
}

IoTask<absl::Status> ReadBody(Connection* connection, absl::string_view first, BodyFraming framing,
                              size_t max_body_bytes, std::string* body) {
  BodyTracker tracker(framing);
  if (tracker.remaining() > max_body_bytes) {
    co_return absl::ResourceExhaustedError("answer is too large");
  }
  const auto append = [body](absl::string_view payload) {
    body->append(payload.data(), payload.size());
  };
  char chunk[kReadBytes];
  absl::string_view bytes = first;
  while (true) {
    const absl::StatusOr<size_t> used = tracker.Feed(bytes, append);
    if (!used.ok()) {
      co_return absl::InternalError(
          absl::StrCat("not an HTTP/1 answer: ", used.status().message()));
    }
    if (body->size() > max_body_bytes) {
      co_return absl::ResourceExhaustedError("answer is too large");
    }
    if (tracker.complete()) {
      co_return absl::OkStatus();
    }
    const IoResult got = co_await connection->ReadSome(absl::MakeSpan(chunk));
    if (!got.ok()) {
      co_return got.status;
    }
    if (got.eof()) {
      co_return tracker.OnEof();
    }
    bytes = absl::string_view(chunk, got.bytes);
  }
}

IoTask<absl::Status> Exchange(Connection* connection, const HttpRequest* request,
                              absl::string_view request_head, const FetchOptions* options,
                              HttpReply* reply) {
  if (options->tls != nullptr) {
    absl::Status status = co_await connection->HandshakeClient(options->tls, request->host);
    if (!status.ok()) {
      co_return status;
    }
  }
  absl::Status status = co_await connection->WriteAll(request_head, request->body);
  if (!status.ok()) {
    co_return status;
  }
  std::string buffer;
  const auto head = std::make_unique<ResponseHead>();
  status = co_await ReadHead(connection, &buffer, head.get(), reply);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await ReadBody(connection, buffer, FramingOf(*head, request->method == "HEAD"),
                              options->max_body_bytes, &reply->body);
}

}  // namespace

absl::optional<absl::string_view> HttpReply::Find(absl::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (absl::EqualsIgnoreCase(key, name)) {
      return absl::string_view(value);
    }
  }
  return absl::nullopt;
}

IoTask<absl::StatusOr<HttpReply>> Fetch(IoExecutor executor, SocketAddress address,
                                        HttpRequest request, FetchOptions options) {
  const std::string where = absl::StrCat("http ", address.ToString());
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<std::string> request_head = WriteHead(address, request);
  if (!request_head.ok()) {
    co_return request_head.status();
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      co_await Connection::Connect(executor, address, options.timeout);
  if (!connection.ok()) {
    co_return std::move(connection).status();
  }
  const absl::Duration spent = absl::FromChrono(std::chrono::steady_clock::now() - start);
  (*connection)->SetTimeout(options.timeout - spent);
  HttpReply reply;
  const absl::Status status =
      co_await Exchange(connection->get(), &request, *request_head, &options, &reply);
  if (!status.ok()) {
    co_return Annotate(status, where);
  }
  co_return reply;
}

absl::StatusOr<HttpReply> FetchBlocking(const SocketAddress& address, HttpRequest request,
                                        const FetchOptions& options) {
  IoContext io(1);
  absl::StatusOr<HttpReply> reply = absl::InternalError("http: not finished");
  boost::asio::co_spawn(io.get_executor(),
                        Fetch(io.get_executor(), address, std::move(request), options),
                        [&reply](std::exception_ptr, absl::StatusOr<HttpReply> result) {
                          reply = std::move(result);
                        });
  io.run();
  return reply;
}

}  // namespace rolemesh::base
