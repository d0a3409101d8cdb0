#include "base/http/admin_server.h"

#include <chrono>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/http/http_client.h"
#include "base/net/socket_address.h"

namespace rolemesh::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

AdminServerOptions OnLoopback() {
  AdminServerOptions options;
  options.listen = *SocketAddress::Parse("127.0.0.1:0", PortZero::kAllowed);
  return options;
}

int Dial(const SocketAddress& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout = {5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  sockaddr_storage native;
  const socklen_t length = address.ToNative(&native);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&native), length), 0);
  return fd;
}

// What comes until the server closes, or 5 s.
std::string ReadAll(int fd) {
  std::string got;
  char buffer[4096];
  ssize_t bytes;
  while ((bytes = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
    got.append(buffer, static_cast<size_t>(bytes));
  }
  return bytes == 0 ? got : got + "<no end>";
}

std::string Talk(const SocketAddress& address, absl::string_view request) {
  const int fd = Dial(address);
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  const std::string got = ReadAll(fd);
  close(fd);
  return got;
}

class AdminServerTest : public ::testing::Test {
 protected:
  explicit AdminServerTest(AdminServerOptions options = OnLoopback()) : server_(options) {
    server_.SetReadiness([this] { return readiness_; });
    server_.SetMetrics([] { return std::string("rolemesh_up 1\n"); });
    server_.AddPage("/version", [] { return AdminReply{"application/json", "{}"}; });
    EXPECT_TRUE(server_.Start().ok());
  }

  HttpReply Get(absl::string_view target, absl::string_view method = "GET") {
    HttpRequest request;
    request.method = std::string(method);
    request.target = std::string(target);
    const absl::StatusOr<HttpReply> reply = FetchBlocking(server_.address(), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.value_or(HttpReply());
  }

  absl::Status readiness_;
  AdminServer server_;
};

TEST_F(AdminServerTest, HealthReadinessMetricsAndPages) {
  EXPECT_EQ(Get("/healthz").body, "ok\n");
  EXPECT_EQ(Get("/readyz").status, 200);
  const HttpReply metrics = Get("/metrics?x=y");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_EQ(metrics.body, "rolemesh_up 1\n");
  EXPECT_EQ(metrics.Find("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(metrics.Find("server"), absl::nullopt);
  const HttpReply page = Get("/version");
  EXPECT_EQ(page.body, "{}");
  EXPECT_EQ(page.Find("content-type"), "application/json");
}

TEST_F(AdminServerTest, NotReadySaysWhy) {
  readiness_ = absl::UnavailableError("no route table yet");
  const HttpReply reply = Get("/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "no route table yet\n");
}

TEST_F(AdminServerTest, HeadHasTheLengthAndNoBody) {
  const HttpReply reply = Get("/metrics", "HEAD");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.Find("content-length"), "14");
  EXPECT_EQ(reply.body, "");
}

TEST_F(AdminServerTest, ElseIsNotFoundAndOtherMethodsAreNotAllowed) {
  EXPECT_EQ(Get("/").status, 404);
  EXPECT_EQ(Get("/metrics/").status, 404);
  const HttpReply reply = Get("/healthz", "DELETE");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.Find("allow"), "GET, HEAD");
}

TEST_F(AdminServerTest, RequestsFollowEachOtherOnOneConnection) {
  const std::string got = Talk(server_.address(),
                               "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
                               "HEAD /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
                               "GET /nope HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(got, HasSubstr("\r\n\r\nok\nHTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(got, HasSubstr("\r\n\r\nHTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(got, Not(HasSubstr("<no end>")));
}

TEST_F(AdminServerTest, BadHeadsAndBodiesAreRefusedAndClosed) {
  for (const auto& [request, status] : std::vector<std::pair<absl::string_view, absl::string_view>>{
           {"GET / HTTP/1.1\nHost: h\n\n", "HTTP/1.1 400 "},
           {"GET /../etc HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 "},
           {"TRACE / HTTP/1.1\r\n", "HTTP/1.1 405 "},
           {"GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 413 "}}) {
    const std::string got = Talk(server_.address(), request);
    EXPECT_THAT(got, StartsWith(std::string(status)));
    EXPECT_THAT(got, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(got, Not(HasSubstr("<no end>")));
  }
}

TEST_F(AdminServerTest, StopClosesIdleConnections) {
  const int fd = Dial(server_.address());
  EXPECT_EQ(Get("/healthz").status, 200);
  const auto start = std::chrono::steady_clock::now();
  server_.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_EQ(ReadAll(fd), "");
  close(fd);
  EXPECT_EQ(FetchBlocking(server_.address(), HttpRequest()).status().code(),
            absl::StatusCode::kUnavailable);
  server_.Stop();
}

AdminServerOptions Small() {
  AdminServerOptions options = OnLoopback();
  options.max_connections = 2;
  options.timeout = absl::Milliseconds(200);
  return options;
}

class SmallAdminServerTest : public AdminServerTest {
 protected:
  SmallAdminServerTest() : AdminServerTest(Small()) {}
};

TEST_F(SmallAdminServerTest, ASlowClientIsCutOffWhateverItDrips) {
  const int fd = Dial(server_.address());
  const auto start = std::chrono::steady_clock::now();
  for (const char c : absl::string_view("GET /healthz HTTP/1.1\r\nHost: h\r\n")) {
    send(fd, &c, 1, MSG_NOSIGNAL);
    usleep(20000);
  }
  EXPECT_EQ(absl::StrContains(ReadAll(fd), "200 OK"), false);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
  close(fd);
}

TEST_F(SmallAdminServerTest, ConnectionsBeyondTheLimitAreClosed) {
  const int first = Dial(server_.address());
  const int second = Dial(server_.address());
  const int third = Dial(server_.address());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ReadAll(third), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(180));
  close(first);
  close(second);
  close(third);
}

TEST(AdminServerStartTest, OffLoopbackOnlyHealthIsServed) {
  AdminServerOptions options;
  options.listen = *SocketAddress::Parse("0.0.0.0:0", PortZero::kAllowed);
  AdminServer with_metrics(options);
  with_metrics.SetMetrics([] { return std::string(); });
  const absl::Status status = with_metrics.Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("health_listen"));
  AdminServer with_page(options);
  with_page.AddPage("/x", [] { return AdminReply(); });
  EXPECT_FALSE(with_page.Start().ok());

  AdminServer health(options);
  health.SetReadiness([] { return absl::UnavailableError("a detail"); });
  ASSERT_TRUE(health.Start().ok());
  HttpRequest request;
  request.target = "/readyz";
  const SocketAddress address(IpAddress::FromV4({127, 0, 0, 1}), health.address().port());
  const absl::StatusOr<HttpReply> reply = FetchBlocking(address, request);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(reply->body, "not ready\n");
  request.target = "/metrics";
  EXPECT_EQ(FetchBlocking(address, request)->status, 404);
}

TEST(AdminServerStartTest, ATakenPortIsSaidAtStart) {
  AdminServer first(OnLoopback());
  ASSERT_TRUE(first.Start().ok());
  AdminServerOptions options;
  options.listen = first.address();
  AdminServer second(options);
  EXPECT_EQ(second.Start().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rolemesh::base
