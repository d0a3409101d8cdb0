// The process-wide log with its writing thread and a real file.
#include "base/log/logger.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace rolemesh::base {
namespace {

std::vector<std::string> Lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

class LoggerTest : public ::testing::Test {
 protected:
  LoggerTest() {
    // The default style forks without the writing thread.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  ~LoggerTest() override {
    EXPECT_TRUE(ConfigureLogging({}).ok());
    unlink(path_.c_str());
  }

  // The same in the re-executed process of a death test.
  const std::string path_ =
      absl::StrCat(::testing::TempDir(), "/logger_test.",
                   ::testing::UnitTest::GetInstance()->current_test_info()->name(), ".", getuid());
};

TEST_F(LoggerTest, LinesOfManyThreadsStayWhole) {
  ASSERT_TRUE(ConfigureLogging({LogLevel::kInfo, LogFormat::kJson, path_}).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 500; ++i) {
        LogInfo("test", "line", {{"thread", t}, {"i", i}});
        LogDebug("test", "below the level");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  FlushLog();
  const std::vector<std::string> lines = Lines(path_);
  EXPECT_EQ(lines.size(), 2000u);
  for (const std::string& line : lines) {
    EXPECT_EQ(nlohmann::json::parse(line)["msg"], "line");
  }
  EXPECT_EQ(DroppedLogLines(), 0u);
  LogWarn("test", "after the flush");
  EXPECT_EQ(Lines(path_).size(), 2001u);
  struct stat facts;
  ASSERT_EQ(stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07, 0u);
}

TEST_F(LoggerTest, ExitWritesOutTheQueue) {
  EXPECT_EXIT(
      {
        if (!ConfigureLogging({LogLevel::kDebug, LogFormat::kText, path_}).ok()) {
          _exit(1);
        }
        for (int i = 0; i < 1000; ++i) {
          LogDebug("test", "line");
        }
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(Lines(path_).size(), 1000u);
}

TEST_F(LoggerTest, AStalledReaderDropsLinesAndHoldsNobodyUp) {
  mkfifo(path_.c_str(), 0600);  // there already in the re-executed process
  EXPECT_EXIT(
      {
        // Read end open but never read: the pipe fills, then the writing thread blocks.
        std::thread([this] {
          std::ifstream silent(path_);
          pause();
        }).detach();
        if (!ConfigureLogging({LogLevel::kInfo, LogFormat::kText, path_}).ok()) {
          _exit(1);
        }
        for (int i = 0; i < 20000; ++i) {
          LogInfo("test", "a line long enough to fill a pipe soon, in a few thousand times");
        }
        _exit(DroppedLogLines() > 0 ? 0 : 2);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(LoggerTest, AFileThatCannotBeOpenedIsNamed) {
  const absl::Status status =
      ConfigureLogging({LogLevel::kInfo, LogFormat::kText, "/nonexistent/x"});
  EXPECT_EQ(status, absl::NotFoundError("/nonexistent/x: No such file or directory"));
}

}  // namespace
}  // namespace rolemesh::base
