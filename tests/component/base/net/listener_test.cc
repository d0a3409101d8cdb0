#include "base/net/listener.h"

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/net/connection.h"
#include "base/net/io_task.h"
#include "base/net/socket_address.h"

namespace rolemesh::base {
namespace {

ListenerOptions OnLoopback(uint16_t port = 0) {
  ListenerOptions options;
  options.address = SocketAddress(IpAddress::FromV4({127, 0, 0, 1}), port);
  return options;
}

IoTask<> AcceptInto(Listener* listener, std::vector<absl::StatusOr<AcceptedSocket>>* into,
                    int count) {
  for (int i = 0; i < count; ++i) {
    into->push_back(co_await listener->Accept());
  }
}

IoTask<> ConnectTo(SocketAddress address, absl::Duration timeout, absl::Status* status) {
  const absl::StatusOr<std::unique_ptr<Connection>> connection =
      co_await Connection::Connect(co_await boost::asio::this_coro::executor, address, timeout);
  *status = connection.status();
}

// A blocking connect that needs no event loop.
int Dial(const SocketAddress& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage native;
  const socklen_t length = address.ToNative(&native);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&native), length), 0);
  return fd;
}

template <class Task>
void Spawn(IoContext& io, Task task) {
  boost::asio::co_spawn(io.get_executor(), std::move(task), [](std::exception_ptr) {});
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

TEST(ListenerTest, PortZeroBecomesAPort) {
  IoContext io(1);
  const auto listener = Listener::Build(io.get_executor(), OnLoopback());
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_NE((*listener)->address().port(), 0);
  EXPECT_TRUE((*listener)->address().IsLoopback());
}

TEST(ListenerTest, ATakenPortSaysWhatToDo) {
  IoContext io(1);
  const auto first = Listener::Build(io.get_executor(), OnLoopback());
  const auto second = Listener::Build(io.get_executor(), OnLoopback((*first)->address().port()));
  EXPECT_EQ(second.status(),
            absl::FailedPreconditionError(absl::StrCat(
                "listen ", (*first)->address().ToString(),
                ": address already in use; another program has the port: choose another `listen` "
                "or stop it")));
}

TEST(ListenerTest, AnAddressOfAnotherMachineSaysWhatToDo) {
  IoContext io(1);
  ListenerOptions options;
  options.address = *SocketAddress::Parse("192.0.2.1:8080");
  const absl::Status status = Listener::Build(io.get_executor(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
}

TEST(ListenerTest, ThreadsMayShareAPort) {
  IoContext io(1);
  ListenerOptions options = OnLoopback();
  options.reuse_port = true;
  const auto first = Listener::Build(io.get_executor(), options);
  ASSERT_TRUE(first.ok());
  options.address = (*first)->address();
  EXPECT_TRUE(Listener::Build(io.get_executor(), options).ok());
}

TEST(ListenerTest, AcceptedSocketsSendAtOnceAndKnowTheirPeer) {
  IoContext io(1);
  const auto listener = *Listener::Build(io.get_executor(), OnLoopback());
  const int client = Dial(listener->address());
  std::vector<absl::StatusOr<AcceptedSocket>> accepted;
  Spawn(io, AcceptInto(listener.get(), &accepted, 1));
  io.run_for(std::chrono::seconds(5));
  ASSERT_EQ(accepted.size(), 1u);
  ASSERT_TRUE(accepted[0].ok());
  int no_delay = 0;
  socklen_t size = sizeof(no_delay);
  getsockopt(accepted[0]->fd(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  EXPECT_EQ(no_delay, 1);
  sockaddr_storage native;
  socklen_t length = sizeof(native);
  getsockname(client, reinterpret_cast<sockaddr*>(&native), &length);
  EXPECT_EQ(accepted[0]->peer(),
            *SocketAddress::FromNative(reinterpret_cast<sockaddr*>(&native), length));
  close(client);
}

TEST(ListenerTest, CloseEndsAcceptAndFreesThePort) {
  IoContext io(1);
  auto listener = *Listener::Build(io.get_executor(), OnLoopback());
  const uint16_t port = listener->address().port();
  std::vector<absl::StatusOr<AcceptedSocket>> accepted;
  Spawn(io, AcceptInto(listener.get(), &accepted, 1));
  io.poll();
  listener.reset();  // Accept() may outlive it
  io.run_for(std::chrono::seconds(5));
  ASSERT_EQ(accepted.size(), 1u);
  EXPECT_EQ(accepted[0].status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(Listener::Build(io.get_executor(), OnLoopback(port)).ok());
}

TEST(ListenerTest, WithoutDescriptorsItWaitsAndThenGoesOn) {
  IoContext io(1);
  const auto listener = *Listener::Build(io.get_executor(), OnLoopback());
  const int client = Dial(listener->address());
  std::vector<absl::StatusOr<AcceptedSocket>> accepted;
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(client) + 1;  // the lowest free descriptor is the next
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const double cpu = CpuSeconds();
  Spawn(io, AcceptInto(listener.get(), &accepted, 1));
  io.run_for(std::chrono::milliseconds(350));
  EXPECT_TRUE(accepted.empty());
  EXPECT_LT(CpuSeconds() - cpu, 0.05);
  setrlimit(RLIMIT_NOFILE, &before);
  io.run_for(std::chrono::seconds(5));
  ASSERT_EQ(accepted.size(), 1u);
  EXPECT_TRUE(accepted[0].ok()) << accepted[0].status();
  close(client);
}

TEST(ListenerTest, AdoptRefusesWhatDoesNotListen) {
  IoContext io(1);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(Listener::Adopt(io.get_executor(), fd).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(close(fd), 0);
}

TEST(ConnectTest, NobodyThereIsUnavailable) {
  IoContext io(1);
  SocketAddress address;
  {
    const auto listener = *Listener::Build(io.get_executor(), OnLoopback());
    address = listener->address();
  }
  absl::Status status;
  Spawn(io, ConnectTo(address, absl::Seconds(5), &status));
  io.run_for(std::chrono::seconds(5));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST(ConnectTest, NoAnswerEndsAtTheDeadline) {
  IoContext io(1);
  ListenerOptions options = OnLoopback();
  options.backlog = 0;  // room for one; the kernel drops further calls
  const auto listener = *Listener::Build(io.get_executor(), options);
  const int client = Dial(listener->address());
  absl::Status status;
  Spawn(io, ConnectTo(listener->address(), absl::Milliseconds(100), &status));
  io.run_for(std::chrono::seconds(5));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  close(client);
}

}  // namespace
}  // namespace rolemesh::base
