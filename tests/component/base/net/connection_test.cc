#include "base/net/connection.h"

#include <chrono>
#include <dirent.h>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "base/net/io_task.h"
#include "base/net/listener.h"
#include "base/net/socket_address.h"
#include "base/tls/certificate_issuer.h"
#include "base/tls/private_key.h"
#include "base/tls/tls_context.h"

namespace rolemesh::base {
namespace {

using Clock = std::chrono::steady_clock;

// One authority, a server and a client that trust each other, and a client without certificate.
struct Credentials {
  TlsContext server;
  TlsContext client;
  TlsContext anonymous;
};

const Credentials& TestCredentials() {
  static const Credentials* const credentials = [] {
    const absl::Time now = absl::Now();
    PrivateKey ca_key = *PrivateKey::GenerateP256();
    const Certificate root = *SelfSignedCa({"test", "test", now, absl::Hours(1)}, ca_key);
    const CertificateIssuer issuer = *CertificateIssuer::Build(root, std::move(ca_key));
    const PrivateKey key = *PrivateKey::GenerateP256();
    LeafRequest request;
    request.subject_cn = "leaf";
    request.uri_sans = {"spiffe://test/node/a"};
    request.client_auth = request.server_auth = true;
    request.not_before = now;
    request.not_after = now + absl::Hours(1);
    const std::string leaf = issuer.IssueLeaf(request, key.public_key())->ToPem();
    TlsContext::ServerConfig server;
    server.certificate_chain_pem = leaf;
    server.client_ca_pem = root.ToPem();
    TlsContext::ClientConfig client;
    client.ca_pem = root.ToPem();
    client.certificate_chain_pem = leaf;
    TlsContext::ClientConfig anonymous;
    anonymous.ca_pem = root.ToPem();
    return new Credentials{*TlsContext::MakeServer(server, key),
                           *TlsContext::MakeClient(client, &key),
                           *TlsContext::MakeClient(anonymous, nullptr)};
  }();
  return *credentials;
}

int OpenDescriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) {
    ++count;
  }
  closedir(directory);
  return count;
}

std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  uint32_t state = 12345;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

// Two ends of one connection in one event loop.
class ConnectionTest : public ::testing::TestWithParam<bool> {
 protected:
  ConnectionTest() {
    ListenerOptions options;
    options.address = *SocketAddress::Parse("127.0.0.1:0", PortZero::kAllowed);
    listener_ = *Listener::Build(io_.get_executor(), options);
    Run(AcceptOne(), ConnectOne());
    server_->SetTimeout(absl::Seconds(10));
    client_->SetTimeout(absl::Seconds(10));
  }

  // Runs the tasks side by side until all have ended.
  template <class... Tasks>
  void Run(Tasks... tasks) {
    int left = 0;
    (
        [&](IoTask<> task) {
          ++left;
          boost::asio::co_spawn(io_.get_executor(), std::move(task),
                                [&left](std::exception_ptr) { --left; });
        }(std::move(tasks)),
        ...);
    const auto end = Clock::now() + std::chrono::seconds(30);
    io_.restart();
    while (left > 0 && Clock::now() < end) {
      io_.run_one_until(end);
    }
    ASSERT_EQ(left, 0);
  }

  IoTask<> AcceptOne() {
    absl::StatusOr<AcceptedSocket> socket = co_await listener_->Accept();
    server_ = *Connection::Adopt(io_.get_executor(), *std::move(socket));
    server_->SetTimeout(absl::Seconds(10));
    if (GetParam()) {
      const absl::Status status =
          co_await server_->HandshakeServer(TestCredentials().server.native());
      EXPECT_TRUE(status.ok()) << status;
    }
  }
  IoTask<> ConnectOne() {
    client_ =
        *co_await Connection::Connect(io_.get_executor(), listener_->address(), absl::Seconds(5));
    client_->SetTimeout(absl::Seconds(10));
    if (GetParam()) {
      const absl::Status status =
          co_await client_->HandshakeClient(TestCredentials().client.native(), "edge");
      EXPECT_TRUE(status.ok()) << status;
    }
  }

  static IoTask<> Send(Connection* to, std::string data, size_t step, absl::Status* result) {
    absl::string_view rest = data;
    while (!rest.empty()) {
      const absl::string_view piece = rest.substr(0, step);
      *result = co_await to->WriteAll(piece);
      if (!result->ok()) {
        co_return;
      }
      rest.remove_prefix(piece.size());
    }
  }
  static IoTask<> Receive(Connection* from, size_t bytes, size_t step, absl::Duration pause,
                          std::string* got) {
    std::string buffer(step, '\0');
    while (got->size() < bytes) {
      const IoResult result = co_await from->ReadSome(absl::MakeSpan(buffer));
      if (!result.ok() || result.eof()) {
        ADD_FAILURE() << result.status;
        co_return;
      }
      got->append(buffer, 0, result.bytes);
      if (pause > absl::ZeroDuration()) {
        co_await IoSleep(pause);
      }
    }
  }
  static IoTask<> ReadOnce(Connection* from, IoResult* result) {
    char buffer[64];
    *result = co_await from->ReadSome(absl::MakeSpan(buffer));
  }
  static IoTask<> WatchOnce(Connection* peer, std::optional<PeerEvent>* event) {
    *event = co_await peer->WaitPeerClosedOrReadable();
  }
  static IoTask<> CancelWatchAfter(Connection* connection, absl::Duration delay) {
    co_await IoSleep(delay);
    connection->CancelWait();
  }
  static IoTask<> End(Connection* connection) { co_await connection->Shutdown(); }
  static IoTask<> Pause(absl::Duration delay) { co_await IoSleep(delay); }

  IoContext io_{1};
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> server_;
  std::unique_ptr<Connection> client_;
};

INSTANTIATE_TEST_SUITE_P(Transport, ConnectionTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Tls" : "Plain"; });

TEST_P(ConnectionTest, BytesArriveInOrderInPiecesOfAnySize) {
  for (const size_t step : {size_t{1000}, size_t{16385}, size_t{1 << 20}}) {
    const std::string data = Pattern(1 << 20);
    std::string got;
    absl::Status sent;
    Run(Send(client_.get(), data, step, &sent),
        Receive(server_.get(), data.size(), 5000, absl::ZeroDuration(), &got));
    EXPECT_TRUE(sent.ok()) << sent;
    EXPECT_TRUE(got == data);
  }
  EXPECT_EQ(client_->bytes_written(), 3u << 20);
  EXPECT_EQ(server_->bytes_read(), 3u << 20);
}

TEST_P(ConnectionTest, OneByteWritesArrive) {
  const std::string data = Pattern(2000);
  std::string got;
  absl::Status sent;
  Run(Send(client_.get(), data, 1, &sent),
      Receive(server_.get(), data.size(), 1, absl::ZeroDuration(), &got));
  EXPECT_TRUE(got == data);
}

TEST_P(ConnectionTest, BothDirectionsRunAtOnce) {
  const std::string data = Pattern(4 << 20);
  std::string at_server;
  std::string at_client;
  absl::Status sent[2];
  Run(Send(client_.get(), data, 100000, &sent[0]), Send(server_.get(), data, 70000, &sent[1]),
      Receive(server_.get(), data.size(), 9000, absl::ZeroDuration(), &at_server),
      Receive(client_.get(), data.size(), 8000, absl::ZeroDuration(), &at_client));
  EXPECT_TRUE(sent[0].ok() && sent[1].ok());
  EXPECT_TRUE(at_server == data);
  EXPECT_TRUE(at_client == data);
}

IoTask<> SendTwoParts(Connection* to, std::string first, std::string second) {
  EXPECT_TRUE((co_await to->WriteAll(first, second)).ok());
}

TEST_P(ConnectionTest, TwoPartsArriveAsOne) {
  const std::string all = Pattern(6 << 20);
  for (const auto& [first, second] : {std::pair<size_t, size_t>{0, 10},
                                      {10, 0},
                                      {0, 0},
                                      {200, 300},
                                      {16384, 1},
                                      {10, 3 << 20},
                                      {3 << 20, 10},
                                      {2 << 20, 2 << 20}}) {
    std::string got;
    Run(SendTwoParts(client_.get(), all.substr(0, first), all.substr(first, second)),
        Receive(server_.get(), first + second, 30000, absl::ZeroDuration(), &got));
    EXPECT_TRUE(got == all.substr(0, first + second)) << first << "+" << second;
  }
}

TEST_P(ConnectionTest, ASlowReaderHoldsItsWriterAndLosesNothing) {
  const std::string data = Pattern(3 << 20);
  std::string got;
  absl::Status sent;
  Run(Send(server_.get(), data, data.size(), &sent),
      Receive(client_.get(), data.size(), 64 * 1024, absl::Milliseconds(2), &got));
  EXPECT_TRUE(sent.ok()) << sent;
  EXPECT_TRUE(got == data);
}

TEST_P(ConnectionTest, AWriteToNobodyEndsAtItsDeadline) {
  absl::Status sent;
  server_->SetTimeout(absl::Milliseconds(150));
  const auto start = Clock::now();
  Run(Send(server_.get(), std::string(64 << 20, 'x'), 64 << 20, &sent));
  EXPECT_EQ(sent.code(), absl::StatusCode::kDeadlineExceeded) << sent;
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
  EXPECT_LT(server_->bytes_written(), 32u << 20);
}

TEST_P(ConnectionTest, AReadOfNothingEndsAtItsDeadline) {
  IoResult result;
  server_->SetReadDeadline(Clock::now() + std::chrono::milliseconds(80));
  const auto start = Clock::now();
  Run(ReadOnce(server_.get(), &result));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded) << result.status;
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(75));
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(3));
}

IoTask<> SendAfter(Connection* to, absl::Duration delay) {
  co_await IoSleep(delay);
  EXPECT_TRUE((co_await to->WriteAll("x")).ok());
}

TEST_P(ConnectionTest, AMovedDeadlineCountsFromWhereItIsNow) {
  IoResult result;
  server_->SetTimeout(absl::Milliseconds(40));
  server_->SetTimeout(absl::Seconds(5));
  Run(ReadOnce(server_.get(), &result), SendAfter(client_.get(), absl::Milliseconds(120)));
  EXPECT_EQ(result.bytes, 1u) << result.status;
  // Later, then earlier again, with the timer still armed for what was before.
  server_->SetTimeout(absl::Milliseconds(40));
  const auto start = Clock::now();
  Run(ReadOnce(server_.get(), &result));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(3));
}

TEST_P(ConnectionTest, ADeadlineInThePastStopsOnlyWaiting) {
  Run(SendAfter(client_.get(), absl::ZeroDuration()), Pause(absl::Milliseconds(20)));
  server_->SetDeadline(Clock::now() - std::chrono::seconds(1));
  IoResult result;
  Run(ReadOnce(server_.get(), &result));
  EXPECT_EQ(result.bytes, 1u) << result.status;
  Run(ReadOnce(server_.get(), &result));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_P(ConnectionTest, AnOrderlyEndIsEof) {
  IoResult result;
  Run(End(client_.get()), ReadOnce(server_.get(), &result), End(server_.get()));
  EXPECT_TRUE(result.eof()) << result.status;
  EXPECT_FALSE(client_->is_open());
}

TEST_P(ConnectionTest, ACutIsEofOnlyWithoutTls) {
  client_->CloseNow();
  IoResult result;
  Run(ReadOnce(server_.get(), &result));
  if (GetParam()) {
    EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable) << result.status;
  } else {
    EXPECT_TRUE(result.eof());
  }
}

TEST_P(ConnectionTest, AResetIsUnavailable) {
  client_->ResetHard();
  IoResult result;
  Run(ReadOnce(server_.get(), &result));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable) << result.status;
  absl::Status sent;
  Run(Send(server_.get(), "x", 1, &sent));
  EXPECT_EQ(sent.code(), absl::StatusCode::kUnavailable) << sent;
}

IoTask<> CloseAfter(Connection* connection, absl::Duration delay) {
  co_await IoSleep(delay);
  connection->CloseNow();
}

TEST_P(ConnectionTest, ClosingOurEndCancelsWhatWaits) {
  IoResult result;
  std::optional<PeerEvent> event;
  Run(ReadOnce(server_.get(), &result), CloseAfter(server_.get(), absl::Milliseconds(20)));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kCancelled) << result.status;
  Run(WatchOnce(client_.get(), &event));
  EXPECT_EQ(event, PeerEvent::kClosed);
  Run(ReadOnce(server_.get(), &result));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kCancelled);
}

TEST_P(ConnectionTest, AWatchSeesBytesWithoutTakingThem) {
  std::optional<PeerEvent> event;
  IoResult result;
  Run(WatchOnce(server_.get(), &event), SendAfter(client_.get(), absl::Milliseconds(20)));
  EXPECT_EQ(event, PeerEvent::kReadable);
  EXPECT_EQ(server_->PollPeer(), PeerEvent::kReadable);
  Run(ReadOnce(server_.get(), &result));
  EXPECT_EQ(result.bytes, 1u);
  EXPECT_EQ(server_->PollPeer(), PeerEvent::kNone);
  EXPECT_FALSE(server_->peer_closed());
}

TEST_P(ConnectionTest, AWatchSeesThePeerLeave) {
  std::optional<PeerEvent> event;
  Run(WatchOnce(server_.get(), &event), CloseAfter(client_.get(), absl::Milliseconds(20)));
  EXPECT_EQ(event, PeerEvent::kClosed);
  EXPECT_TRUE(server_->peer_closed());
}

TEST_P(ConnectionTest, AnIdlePeerIsQuietAfterTheHandshake) {
  Run(Pause(absl::Milliseconds(30)));  // session tickets are under way
  EXPECT_EQ(client_->PollPeer(), PeerEvent::kNone);
  EXPECT_EQ(server_->PollPeer(), PeerEvent::kNone);
}

TEST_P(ConnectionTest, CancellingAWatchLeavesAWriteAlone) {
  const std::string data = Pattern(8 << 20);
  std::optional<PeerEvent> event;
  absl::Status sent;
  std::string got;
  Run(WatchOnce(server_.get(), &event), Send(server_.get(), data, data.size(), &sent),
      CancelWatchAfter(server_.get(), absl::Milliseconds(30)),
      Receive(client_.get(), data.size(), 64 * 1024, absl::Milliseconds(1), &got));
  EXPECT_EQ(event, PeerEvent::kCancelled);
  EXPECT_TRUE(sent.ok()) << sent;
  EXPECT_TRUE(got == data);
}

TEST_P(ConnectionTest, ADeadlineOfOneDirectionLeavesTheOtherAlone) {
  IoResult result;
  absl::Status sent;
  std::string got;
  const std::string data = Pattern(4 << 20);
  server_->SetReadDeadline(Clock::now() + std::chrono::milliseconds(30));
  Run(ReadOnce(server_.get(), &result), Send(server_.get(), data, data.size(), &sent),
      Receive(client_.get(), data.size(), 64 * 1024, absl::Milliseconds(2), &got));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(sent.ok()) << sent;
  EXPECT_TRUE(got == data);
}

IoTask<> DestroyAfter(std::unique_ptr<Connection>* connection, absl::Duration delay) {
  co_await IoSleep(delay);
  connection->reset();
}

TEST_P(ConnectionTest, AWatchOutlivesItsConnection) {
  std::optional<PeerEvent> event;
  Run(WatchOnce(server_.get(), &event), DestroyAfter(&server_, absl::Milliseconds(20)));
  EXPECT_EQ(event, PeerEvent::kCancelled);
}

TEST_P(ConnectionTest, TryOperationsNeverWait) {
  char buffer[16];
  EXPECT_EQ(server_->TryRead(absl::MakeSpan(buffer)), absl::nullopt);
  const IoResult put = client_->TryWrite("hel", "lo");
  EXPECT_EQ(put.bytes, 5u) << put.status;
  Run(Pause(absl::Milliseconds(20)));
  const absl::optional<IoResult> got = server_->TryRead(absl::MakeSpan(buffer));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(absl::string_view(buffer, got->bytes), "hello");
}

TEST_P(ConnectionTest, AKeyUpdateGoesUnnoticed) {
  if (!GetParam()) {
    GTEST_SKIP();
  }
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(SSL_key_update(client_->native_tls(), SSL_KEY_UPDATE_REQUESTED), 1);
    std::string at_server;
    std::string at_client;
    absl::Status sent[2];
    const std::string data = Pattern(100000);
    Run(Send(client_.get(), data, 777, &sent[0]), Send(server_.get(), data, 999, &sent[1]),
        Receive(server_.get(), data.size(), 9000, absl::ZeroDuration(), &at_server),
        Receive(client_.get(), data.size(), 8000, absl::ZeroDuration(), &at_client));
    EXPECT_TRUE(at_server == data && at_client == data);
  }
}

TEST_P(ConnectionTest, AThousandConnectionsLeaveNoDescriptor) {
  const int count = GetParam() ? 100 : 1000;
  const int before = OpenDescriptors();
  for (int i = 0; i < count; ++i) {
    server_.reset();
    client_.reset();
    Run(AcceptOne(), ConnectOne());
    ASSERT_TRUE(server_ && client_);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

// Handshakes that must not succeed.
class HandshakeTest : public ::testing::Test {
 protected:
  IoTask<> Serve() {
    absl::StatusOr<AcceptedSocket> socket = co_await listener_->Accept();
    server_ = *Connection::Adopt(io_.get_executor(), *std::move(socket));
    server_->SetTimeout(timeout_);
    server_status_ = co_await server_->HandshakeServer(TestCredentials().server.native());
    server_->CloseNow();
  }
  IoTask<> CallAnonymously() {
    client_ =
        *co_await Connection::Connect(io_.get_executor(), listener_->address(), absl::Seconds(5));
    client_->SetTimeout(absl::Seconds(5));
    client_status_ = co_await client_->HandshakeClient(TestCredentials().anonymous.native(), "");
    if (client_status_.ok()) {  // TLS 1.3: the refusal comes after the client's last word
      char buffer[16];
      const IoResult result = co_await client_->ReadSome(absl::MakeSpan(buffer));
      client_status_ = result.status;
    }
  }
  IoTask<> CallWith(std::string bytes) {
    client_ =
        *co_await Connection::Connect(io_.get_executor(), listener_->address(), absl::Seconds(5));
    EXPECT_TRUE((co_await client_->WriteAll(bytes)).ok());
  }
  void Run(IoTask<> client) {
    ListenerOptions options;
    options.address = *SocketAddress::Parse("127.0.0.1:0", PortZero::kAllowed);
    listener_ = *Listener::Build(io_.get_executor(), options);
    int left = 2;
    const auto ended = [this, &left](std::exception_ptr) {
      if (--left == 0) {
        io_.stop();
      }
    };
    boost::asio::co_spawn(io_.get_executor(), Serve(), ended);
    boost::asio::co_spawn(io_.get_executor(), std::move(client), ended);
    io_.run_for(std::chrono::seconds(10));
  }

  IoContext io_{1};
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> server_;
  std::unique_ptr<Connection> client_;
  absl::Duration timeout_ = absl::Seconds(5);
  absl::Status server_status_;
  absl::Status client_status_;
};

TEST_F(HandshakeTest, AClientWithoutCertificateIsDeniedAndToldSo) {
  Run(CallAnonymously());
  EXPECT_EQ(server_status_.code(), absl::StatusCode::kPermissionDenied) << server_status_;
  EXPECT_EQ(client_status_.code(), absl::StatusCode::kPermissionDenied) << client_status_;
}

TEST_F(HandshakeTest, PlainHttpOnATlsPortIsNotTls) {
  Run(CallWith("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(server_status_.code(), absl::StatusCode::kFailedPrecondition) << server_status_;
}

TEST_F(HandshakeTest, ASilentClientIsCutOffAtTheDeadline) {
  timeout_ = absl::Milliseconds(50);
  Run(CallWith("\x16"));
  EXPECT_EQ(server_status_.code(), absl::StatusCode::kDeadlineExceeded) << server_status_;
}

}  // namespace
}  // namespace rolemesh::base
