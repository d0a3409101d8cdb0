#include "base/http/http_client.h"

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "base/net/connection.h"
#include "base/net/io_task.h"
#include "base/net/listener.h"

namespace rolemesh::base {
namespace {

// A server that answers one request with fixed bytes and leaves.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::string answer, absl::Duration delay = absl::ZeroDuration())
      : answer_(std::move(answer)), delay_(delay) {
    ListenerOptions options;
    options.address = *SocketAddress::Parse("127.0.0.1:0", PortZero::kAllowed);
    listener_ = *Listener::Build(io_.get_executor(), options);
    boost::asio::co_spawn(io_.get_executor(), Serve(), [](std::exception_ptr) {});
    thread_ = std::thread([this] { io_.run_for(std::chrono::seconds(10)); });
  }
  ~ScriptedServer() { Request(); }

  const SocketAddress& address() const { return listener_->address(); }
  // What the client sent; once the exchange is over.
  const std::string& Request() {
    if (thread_.joinable()) {
      thread_.join();
    }
    return request_;
  }

 private:
  IoTask<> Serve() {
    absl::StatusOr<AcceptedSocket> socket = co_await listener_->Accept();
    const auto connection = *Connection::Adopt(io_.get_executor(), *std::move(socket));
    connection->SetTimeout(absl::Seconds(5));
    char buffer[4096];
    while (!absl::StrContains(request_, "\r\n\r\n")) {
      const IoResult got = co_await connection->ReadSome(absl::MakeSpan(buffer));
      if (!got.ok() || got.eof()) {
        co_return;
      }
      request_.append(buffer, got.bytes);
    }
    co_await IoSleep(delay_);
    for (const char c : answer_) {  // the hard way
      if (!(co_await connection->WriteAll(absl::string_view(&c, 1))).ok()) {
        co_return;
      }
    }
    co_await connection->Shutdown();
  }

  const std::string answer_;
  const absl::Duration delay_;
  std::string request_;
  IoContext io_{1};
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

TEST(HttpClientTest, AnswersAreReadInEveryFraming) {
  for (const char* answer : {"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello",
                             "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: "
                             "chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n",
                             "HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nhello",
                             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: "
                             "b\r\nContent-Length: 5\r\n\r\nhello"}) {
    ScriptedServer server(answer);
    const absl::StatusOr<HttpReply> reply = FetchBlocking(server.address(), HttpRequest());
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->body, "hello");
    EXPECT_EQ(reply->Find("x-a"), "b");
  }
}

TEST(HttpClientTest, TheRequestIsWhatWasAsked) {
  ScriptedServer server("HTTP/1.1 204 No Content\r\n\r\n");
  HttpRequest request;
  request.method = "POST";
  request.target = "/v1/x?y";
  request.host = "name";
  request.headers = {{"Authorization", "Bearer k"}};
  request.body = "body";
  const absl::StatusOr<HttpReply> reply = FetchBlocking(server.address(), request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 204);
  EXPECT_EQ(server.Request(),
            "POST /v1/x?y HTTP/1.1\r\nHost: name\r\nConnection: close\r\nContent-Length: "
            "4\r\nAuthorization: Bearer k\r\n\r\nbody");
}

TEST(HttpClientTest, WhatIsNotAWholeAnswerIsAnError) {
  struct Case {
    const char* answer;
    absl::StatusCode code;
  };
  for (const Case& c :
       {Case{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", absl::StatusCode::kUnavailable},
        Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
             absl::StatusCode::kUnavailable},
        Case{"HTTP/1.1 200 OK\r\n", absl::StatusCode::kUnavailable},
        Case{"", absl::StatusCode::kUnavailable},
        Case{"hello\r\n\r\n", absl::StatusCode::kInternal},
        Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", absl::StatusCode::kInternal},
        Case{"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n",
             absl::StatusCode::kResourceExhausted}}) {
    ScriptedServer server(c.answer);
    const absl::StatusOr<HttpReply> reply = FetchBlocking(server.address(), HttpRequest());
    EXPECT_EQ(reply.status().code(), c.code) << c.answer << " " << reply.status();
  }
}

TEST(HttpClientTest, ASilentServerEndsAtTheDeadline) {
  ScriptedServer server("HTTP/1.1 200 OK\r\n\r\n", absl::Milliseconds(300));
  FetchOptions options;
  options.timeout = absl::Milliseconds(50);
  EXPECT_EQ(FetchBlocking(server.address(), HttpRequest(), options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, ARequestThatBreaksItsHeadIsNotSent) {
  HttpRequest request;
  request.headers = {{"X", "a\r\nY: b"}};
  EXPECT_EQ(FetchBlocking(*SocketAddress::Parse("127.0.0.1:1"), request).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rolemesh::base
