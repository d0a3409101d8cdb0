#include "base/http/admin_server.h"

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "base/http/body_framing.h"
#include "base/http/field_syntax.h"
#include "base/http/head_reader.h"
#include "base/http/message_head.h"
#include "base/net/connection.h"
#include "base/net/listener.h"

namespace rolemesh::base {
namespace {

constexpr size_t kReadBytes = 4 * 1024;
constexpr absl::string_view kPlainText = "text/plain; charset=utf-8";

absl::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Refused" : "Failed";
  }
}

AdminReply Text(int status, absl::string_view text) {
  return AdminReply{std::string(kPlainText), absl::StrCat(text, "\n"), status};
}

std::string WriteHead(const AdminReply& reply, bool keep_alive) {
  const bool clean = IsFieldValue(reply.content_type);  // a page of ours, but never split a head
  return absl::StrCat("HTTP/1.1 ", reply.status, " ", Reason(reply.status), "\r\nContent-Type: ",
                      clean ? absl::string_view(reply.content_type) : kPlainText,
                      "\r\nContent-Length: ", reply.body.size(),
                      "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
                      reply.status == 405 ? "Allow: GET, HEAD\r\n" : "",
                      keep_alive ? "" : "Connection: close\r\n", "\r\n");
}

}  // namespace

struct AdminServer::State {
  explicit State(AdminServerOptions given) : options(std::move(given)), address(options.listen) {}

  AdminReply Answer(const RequestHead& head);
  IoTask<> AcceptAll();
  IoTask<> Serve(std::unique_ptr<Connection> connection);
  // One request; false: close afterwards.
  IoTask<bool> ServeOne(Connection* connection, std::string* buffer);

  AdminServerOptions options;
  SocketAddress address;
  std::function<absl::Status()> readiness;
  std::function<std::string()> metrics;
  absl::flat_hash_map<std::string, std::function<AdminReply()>> pages;

  // The rest is touched by the thread alone, once it runs.
  IoContext io{1};
  std::unique_ptr<Listener> listener;
  absl::flat_hash_set<Connection*> connections;
  bool stopping = false;
  std::thread thread;
};

AdminReply AdminServer::State::Answer(const RequestHead& head) {
  if (head.method != "GET" && head.method != "HEAD") {
    return Text(405, "only GET and HEAD");
  }
  if (head.path == "/healthz") {
    return Text(200, "ok");
  }
  if (head.path == "/readyz") {
    const absl::Status status = readiness ? readiness() : absl::OkStatus();
    if (status.ok()) {
      return Text(200, "ready");
    }
    return Text(503, address.IsLoopback() ? status.message() : "not ready");
  }
  if (head.path == "/metrics" && metrics) {
    return AdminReply{"text/plain; version=0.0.4; charset=utf-8", metrics(), 200};
  }
  const auto page = pages.find(head.path);
  return page == pages.end() ? Text(404, "not found") : page->second();
}

IoTask<bool> AdminServer::State::ServeOne(Connection* connection, std::string* buffer) {
  connection->SetTimeout(options.timeout);
  HeadScanner scanner(MessageKind::kRequest);
  HeadScanner::Result result = scanner.Scan(*buffer);
  while (result == HeadScanner::kMore) {
    char chunk[kReadBytes];
    const IoResult got = co_await connection->ReadSome(absl::MakeSpan(chunk));
    if (!got.ok() || got.eof()) {
      co_return false;
    }
    buffer->append(chunk, got.bytes);
    result = scanner.Scan(*buffer);
  }
  AdminReply reply;
  bool keep_alive = false;
  bool is_head = false;
  {
    RequestHead head;
    HeadError error = scanner.error();
    if (result == HeadScanner::kComplete) {
      error = ParseRequestHead(
          absl::string_view(*buffer).substr(scanner.begin(), scanner.end() - scanner.begin()), {},
          &head);
    }
    if (!error.ok()) {
      reply = Text(error.http_status, error.message);
    } else if (FramingOf(head).kind != BodyFraming::kNone) {
      reply = Text(413, "no body is read here");
    } else {
      reply = Answer(head);
      keep_alive = head.keep_alive && !stopping;
      is_head = head.method == "HEAD";
    }
  }
  buffer->erase(0, scanner.end());
  connection->SetTimeout(options.timeout);
  const std::string head = WriteHead(reply, keep_alive);
  const absl::Status status = co_await connection->WriteAll(head, is_head ? "" : reply.body);
  co_return status.ok() && keep_alive;
}

IoTask<> AdminServer::State::Serve(std::unique_ptr<Connection> connection) {
  std::string buffer;
  while (co_await ServeOne(connection.get(), &buffer)) {
  }
  if (!stopping) {
    co_await connection->Shutdown();
  }
  connections.erase(connection.get());
}

IoTask<> AdminServer::State::AcceptAll() {
  while (true) {
    absl::StatusOr<AcceptedSocket> socket = co_await listener->Accept();
    if (!socket.ok()) {
      co_return;  // Stop()
    }
    if (connections.size() >= options.max_connections) {
      continue;
    }
    absl::StatusOr<std::unique_ptr<Connection>> connection =
        Connection::Adopt(io.get_executor(), *std::move(socket));
    if (connection.ok()) {
      connections.insert(connection->get());
      // Ends when the connection does; Stop() closes all of them and waits for run() to end.
      boost::asio::co_spawn(io.get_executor(), Serve(*std::move(connection)),
                            [](std::exception_ptr) {});
    }
  }
}

AdminServer::AdminServer(AdminServerOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

AdminServer::~AdminServer() {
  Stop();
}

void AdminServer::SetReadiness(std::function<absl::Status()> readiness) {
  state_->readiness = std::move(readiness);
}

void AdminServer::SetMetrics(std::function<std::string()> render) {
  state_->metrics = std::move(render);
}

void AdminServer::AddPage(std::string path, std::function<AdminReply()> page) {
  state_->pages[std::move(path)] = std::move(page);
}

absl::Status AdminServer::Start() {
  State& state = *state_;
  if (!state.options.listen.IsLoopback() && (state.metrics || !state.pages.empty())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "admin listener ", state.options.listen.ToString(),
        ": metrics and admin pages are served on loopback only: listen on 127.0.0.1, and set "
        "`health_listen` for probes from outside"));
  }
  ListenerOptions listen;
  listen.address = state.options.listen;
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      Listener::Build(state.io.get_executor(), listen);
  if (!listener.ok()) {
    return std::move(listener).status();
  }
  state.listener = *std::move(listener);
  state.address = state.listener->address();
  boost::asio::co_spawn(state.io.get_executor(), state.AcceptAll(), [](std::exception_ptr) {});
  state.thread = std::thread([&state] { state.io.run(); });
  return absl::OkStatus();
}

void AdminServer::Stop() {
  State& state = *state_;
  if (!state.thread.joinable()) {
    return;
  }
  boost::asio::post(state.io.get_executor(), [&state] {
    state.stopping = true;
    state.listener->Close();
    for (Connection* const connection : state.connections) {
      connection->CloseNow();
    }
  });
  state.thread.join();
}

const SocketAddress& AdminServer::address() const {
  return state_->address;
}

}  // namespace rolemesh::base
