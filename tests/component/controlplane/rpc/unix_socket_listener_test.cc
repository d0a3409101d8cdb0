// UnixSocketListener: who is let in, and what it leaves behind.
#include "controlplane/rpc/unix_socket_listener.h"

#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>

#include "absl/synchronization/notification.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

namespace rolemesh::controlplane {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kNobody = 65534;

class UnixSocketListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/rolemesh-sock-XXXXXX";
    folder_ = mkdtemp(pattern);
    path_ = folder_ + "/run/cp.sock";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A connected descriptor, or -1.
  static int Connect(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
    close(fd);
    return -1;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(UnixSocketListenerTest, OurOwnUserIsLetInAndTheFileIsForItOnly) {
  const auto listener = UnixSocketListener::Build(path_);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat found;
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  ASSERT_EQ(stat((folder_ + "/run").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);

  absl::Notification accepted;
  (*listener)->Start([&](int fd) {
    close(fd);
    accepted.Notify();
  });
  const int fd = Connect(path_);
  ASSERT_GE(fd, 0);
  EXPECT_TRUE(accepted.WaitForNotificationWithTimeout(absl::Seconds(5)));
  close(fd);
}

TEST_F(UnixSocketListenerTest, AnotherUserIsCutOffEvenWhenTheFileLetsItConnect) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const auto listener = UnixSocketListener::Build(path_);
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::atomic<int> accepted = 0;
  (*listener)->Start([&](int fd) {
    close(fd);
    ++accepted;
  });
  chmod(folder_.c_str(), 0755);
  chmod((folder_ + "/run").c_str(), 0755);
  chmod(path_.c_str(), 0666);
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(kNobody) != 0) _exit(2);
    const int fd = Connect(path_);
    char byte;
    _exit(fd >= 0 && read(fd, &byte, 1) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "connected, then cut off";
  EXPECT_EQ(accepted, 0);
}

TEST_F(UnixSocketListenerTest, ASecondListenerIsRefusedAndAStaleFileReplaced) {
  {
    const auto first = UnixSocketListener::Build(path_);
    ASSERT_TRUE(first.ok()) << first.status();
    const absl::Status second = UnixSocketListener::Build(path_).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(second));
    EXPECT_THAT(std::string(second.message()), HasSubstr("another process listens"));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);  // left behind by a process that was killed
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    close(fd);
  }
  EXPECT_TRUE(UnixSocketListener::Build(path_).ok());
}

TEST_F(UnixSocketListenerTest, AFolderThatOthersMayWriteToIsRefused) {
  std::filesystem::create_directory(folder_ + "/run");
  chmod((folder_ + "/run").c_str(), 0777);
  EXPECT_THAT(std::string(UnixSocketListener::Build(path_).status().message()),
              HasSubstr("chmod 700"));
}

}  // namespace
}  // namespace rolemesh::controlplane
