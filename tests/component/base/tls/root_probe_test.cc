// FetchPinnedRoot against a TLS server on loopback.
#include "base/tls/root_probe.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/time/clock.h"
#include "base/tls/tls_context.h"
#include "tests/unit/base/tls/test_authority.h"

namespace rolemesh::base {
namespace {

using ::testing::HasSubstr;

/// A listening socket on a free port of 127.0.0.1.
class LoopbackListener {
 public:
  LoopbackListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 5), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~LoopbackListener() { close(fd_); }

  int fd() const { return fd_; }
  uint16_t port() const { return port_; }

 private:
  const int fd_;
  uint16_t port_ = 0;
};

/// Serves one TLS handshake, then counts the bytes that still come.
class OneHandshake {
 public:
  explicit OneHandshake(TlsContext context)
      : context_(std::move(context)), thread_([this] { Run(); }) {}
  ~OneHandshake() { Join(); }

  uint16_t port() const { return listener_.port(); }
  /// Bytes of application data after the handshake.
  int Join() {
    if (thread_.joinable()) {
      thread_.join();
    }
    return application_bytes_;
  }

 private:
  void Run() {
    // OpenSSL writes to its sockets with write(); the probe may have left already.
    signal(SIGPIPE, SIG_IGN);
    const int fd = accept(listener_.fd(), nullptr, nullptr);
    SSL* const ssl = SSL_new(context_.native());
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
      char bytes[100];
      for (int got; (got = SSL_read(ssl, bytes, sizeof(bytes))) > 0;) {
        application_bytes_ += got;
      }
    }
    SSL_free(ssl);
    close(fd);
  }

  const LoopbackListener listener_;
  const TlsContext context_;
  std::atomic<int> application_bytes_ = 0;
  std::thread thread_;
};

class RootProbeTest : public testing::Test {
 protected:
  RootProbeTest()
      : clock_(MakeSystemClock()),
        root_(TestRoot(clock_->WallNow())),
        replica_(TestIntermediate(root_, clock_->WallNow())),
        leaf_(TestLeaf(replica_, TestLeafRequest("controlplane/b", clock_->WallNow()))) {}

  TlsContext Server(std::vector<Certificate> chain) {
    return TlsContext::MakeServer({.certificate_chain_pem = ChainToPem(chain)}, leaf_.key).value();
  }
  absl::StatusOr<Certificate> Fetch(uint16_t port, const std::string& hash,
                                    absl::Duration timeout = absl::Seconds(10)) {
    return FetchPinnedRoot("127.0.0.1", port, hash, timeout, *clock_);
  }
  std::string pin() { return root_.certificate().SpkiSha256Hex(); }

  const std::unique_ptr<Clock> clock_;
  const CertificateIssuer root_;
  const CertificateIssuer replica_;
  const TestIdentity leaf_;
};

TEST_F(RootProbeTest, ReturnsThePinnedRootAndSendsNothingElse) {
  OneHandshake server(Server({leaf_.certificate, replica_.certificate(), root_.certificate()}));
  const auto root = Fetch(server.port(), absl::AsciiStrToUpper(pin()));
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(*root, root_.certificate());
  EXPECT_EQ(server.Join(), 0);
}

TEST_F(RootProbeTest, ANameIsResolved) {
  OneHandshake server(Server({leaf_.certificate, replica_.certificate(), root_.certificate()}));
  const auto root = FetchPinnedRoot("localhost", server.port(), pin(), absl::Seconds(10), *clock_);
  EXPECT_TRUE(root.ok()) << root.status();
}

TEST_F(RootProbeTest, AnythingButTheTokensMeshIsRefused) {
  const absl::Time now = clock_->WallNow();
  const CertificateIssuer foreign = TestRoot(now);  // the same subject, another key
  const Certificate& replica = replica_.certificate();
  const struct {
    const char* what;
    std::vector<Certificate> chain;
    std::string hash;
  } kCases[] = {
      {"another root",
       {leaf_.certificate, replica, root_.certificate()},
       foreign.certificate().SpkiSha256Hex()},
      {"root not sent", {leaf_.certificate, replica}, pin()},
      {"intermediate not sent", {leaf_.certificate, root_.certificate()}, pin()},
      {"pinned root appended to a foreign chain",
       {leaf_.certificate, replica, root_.certificate(), foreign.certificate()},
       foreign.certificate().SpkiSha256Hex()},
      {"the pin is the leaf's key",
       {leaf_.certificate, replica, root_.certificate()},
       leaf_.certificate.SpkiSha256Hex()},
      {"the pin is the intermediate's key",
       {leaf_.certificate, replica, root_.certificate()},
       replica.SpkiSha256Hex()},
  };
  for (const auto& test : kCases) {
    OneHandshake server(Server(test.chain));
    const absl::Status status = Fetch(server.port(), test.hash).status();
    EXPECT_TRUE(absl::IsUnauthenticated(status)) << test.what << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is not the mesh of this token"));
    EXPECT_EQ(server.Join(), 0);
  }
}

TEST_F(RootProbeTest, AnExpiredServerIsRefused) {
  const absl::Time now = clock_->WallNow();
  const TestIdentity old = TestLeaf(root_, TestLeafRequest("controlplane/a", now - absl::Hours(2)));
  OneHandshake server(
      TlsContext::MakeServer(
          {.certificate_chain_pem = ChainToPem({old.certificate, root_.certificate()})}, old.key)
          .value());
  const absl::Status status = Fetch(server.port(), pin()).status();
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("has expired"));
}

TEST_F(RootProbeTest, ARefusedConnectionIsUnavailable) {
  uint16_t port = 0;
  {
    const LoopbackListener closed;
    port = closed.port();
  }
  EXPECT_TRUE(absl::IsUnavailable(Fetch(port, pin()).status()));
}

TEST_F(RootProbeTest, SilenceEndsAtTheDeadline) {
  const LoopbackListener silent;  // the kernel accepts, nobody answers
  const SteadyTime start = clock_->SteadyNow();
  const absl::Status status = Fetch(silent.port(), pin(), absl::Milliseconds(100)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GE(clock_->SteadyNow() - start, std::chrono::milliseconds(99));
}

TEST_F(RootProbeTest, OtherProtocolsAreUnavailable) {
  LoopbackListener listener;
  std::thread server([&] {
    const int fd = accept(listener.fd(), nullptr, nullptr);
    const char kAnswer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    EXPECT_GT(send(fd, kAnswer, strlen(kAnswer), MSG_NOSIGNAL), 0);
    char bytes[1000];
    while (recv(fd, bytes, sizeof(bytes), 0) > 0) {
    }
    close(fd);
  });
  EXPECT_TRUE(absl::IsUnavailable(Fetch(listener.port(), pin()).status()));
  server.join();
}

TEST_F(RootProbeTest, ABadPinIsRefusedBeforeConnecting) {
  for (const std::string& hash : {std::string(), pin() + "0", std::string(64, 'g')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Fetch(1, hash).status()));
  }
}

}  // namespace
}  // namespace rolemesh::base
