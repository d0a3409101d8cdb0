#include "agent/process/process_log.h"

#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>

#include "absl/status/status.h"
#include <gtest/gtest.h>

namespace rolemesh::agent {
namespace {

class ProcessLogTest : public ::testing::Test {
 protected:
  ProcessLogTest() {
    std::string pattern = ::testing::TempDir() + "log_XXXXXX";
    path_ = std::string(mkdtemp(pattern.data())) + "/log";
  }
  void Append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  std::string Read(const std::string& suffix) {
    std::ifstream file(path_ + suffix);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::string path_;
};

TEST(LastLinesTest, AreWholeLinesFromTheEnd) {
  EXPECT_EQ(LastLines("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(LastLines("a\nb\nc", 2), "b\nc");
  EXPECT_EQ(LastLines("a\nb\n", 9), "a\nb\n");
  EXPECT_EQ(LastLines("a\n\n\n", 2), "\n\n");
  EXPECT_EQ(LastLines("", 2), "");
  EXPECT_EQ(LastLines("a\n", 0), "");
}

TEST_F(ProcessLogTest, ThreeOldLogsAreKept) {
  ProcessLog log(path_);
  for (const char* text : {"1", "2", "3", "4", "5"}) {
    ASSERT_TRUE(log.Rotate().ok());
    Append(text);
  }
  EXPECT_EQ(Read(""), "5");
  EXPECT_EQ(Read(".1"), "4");
  EXPECT_EQ(Read(".3"), "2");
  EXPECT_NE(access((path_ + ".4").c_str(), F_OK), 0);
}

TEST_F(ProcessLogTest, ALargeLogIsEmptiedUnderItsWriter) {
  ProcessLog log(path_, /*max_bytes=*/8);
  const int fd = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
  ASSERT_EQ(write(fd, "0123456789", 10), 10);
  ASSERT_TRUE(log.RotateIfLarge().ok());
  ASSERT_EQ(write(fd, "next", 4), 4);
  close(fd);
  EXPECT_EQ(Read(""), "next");
  EXPECT_EQ(Read(".1"), "23456789");
}

TEST_F(ProcessLogTest, ATailIsBoundedInLinesAndBytes) {
  const ProcessLog log(path_);
  EXPECT_EQ(log.Tail(5, 100).status().code(), absl::StatusCode::kNotFound);
  Append("one\ntwo\nthree\n");
  EXPECT_EQ(*log.Tail(2, 100), "two\nthree\n");
  EXPECT_EQ(*log.Tail(9, 10), "two\nthree\n");
  EXPECT_EQ(*log.Tail(9, 9), "three\n");
}

}  // namespace
}  // namespace rolemesh::agent
