// What a child of the real launcher looks like from inside.
#include "agent/process/posix_process_launcher.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/process/process_launcher.h"

namespace rolemesh::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PosixProcessLauncherTest : public ::testing::Test {
 protected:
  PosixProcessLauncherTest() {
    std::string pattern = ::testing::TempDir() + "launcher_XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }

  // Runs the script to its end and returns what it wrote.
  std::string OutputOf(const std::string& script) {
    std::promise<ExitStatus> exited;
    const auto process = launcher_.Launch({.executable = "/bin/sh",
                                           .arguments = {"-c", script},
                                           .environment = {"PATH=/usr/bin:/bin", "HOME=/nowhere"},
                                           .log_path = folder_ + "/log"},
                                          [&](ExitStatus status) { exited.set_value(status); });
    if (!process.ok()) {
      return process.status().ToString();
    }
    status_ = exited.get_future().get();
    std::ifstream log(folder_ + "/log");
    return std::string(std::istreambuf_iterator<char>(log), {});
  }

  std::string folder_;
  PosixProcessLauncher launcher_;
  ExitStatus status_;
};

TEST_F(PosixProcessLauncherTest, AChildHasOnlyTheEnvironmentAndDescriptorsGivenToIt) {
  setenv("LLAMA_ARG_TOOLS", "all", 1);
  const std::string output = OutputOf("env; ls -l /proc/self/fd; cat");
  unsetenv("LLAMA_ARG_TOOLS");
  EXPECT_THAT(output, HasSubstr("HOME=/nowhere"));
  EXPECT_THAT(output, Not(HasSubstr("LLAMA_ARG_TOOLS")));
  EXPECT_THAT(output, HasSubstr("0 -> /dev/null"));
  EXPECT_THAT(output, HasSubstr("1 -> " + folder_ + "/log"));
  EXPECT_THAT(output, HasSubstr("2 -> " + folder_ + "/log"));
  EXPECT_THAT(output, Not(HasSubstr("pipe:")));
  EXPECT_THAT(output, Not(HasSubstr("anon_inode")));
}

TEST_F(PosixProcessLauncherTest, AChildLeadsAGroupDiesBeforeUsAndGainsNoPrivileges) {
  const std::string output = OutputOf(
      "cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status; "
      "grep SigBlk /proc/self/status; grep SigIgn /proc/self/status; "
      "ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat; echo $$");
  EXPECT_THAT(output, HasSubstr("500\n"));
  EXPECT_THAT(output, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(output, HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_THAT(output, HasSubstr("SigIgn:\t0000000000000000"));
}

TEST_F(PosixProcessLauncherTest, ArgumentsReachTheProgramUninterpreted) {
  std::promise<void> exited;
  const auto process = launcher_.Launch({.executable = "/usr/bin/printf",
                                         .arguments = {"[%s]", "a b; $(reboot) `id` *"},
                                         .environment = {},
                                         .log_path = folder_ + "/log"},
                                        [&](ExitStatus) { exited.set_value(); });
  ASSERT_TRUE(process.ok()) << process.status();
  exited.get_future().wait();
  std::ifstream log(folder_ + "/log");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(log), {}), "[a b; $(reboot) `id` *]");
}

TEST_F(PosixProcessLauncherTest, AChildThatEndsAtOnceIsSeenToEnd) {
  for (int i = 0; i < 20; ++i) {
    OutputOf("exit 3");
    EXPECT_EQ(status_, (ExitStatus{.code = 3, .signal = {}}));
  }
}

TEST_F(PosixProcessLauncherTest, AKillIsSeenAtOnce) {
  std::promise<std::chrono::steady_clock::time_point> exited;
  const auto process =
      launcher_.Launch({.executable = "/bin/sleep",
                        .arguments = {"1000"},
                        .environment = {},
                        .log_path = folder_ + "/log"},
                       [&](ExitStatus) { exited.set_value(std::chrono::steady_clock::now()); });
  ASSERT_TRUE(process.ok()) << process.status();
  const auto killed = std::chrono::steady_clock::now();
  ASSERT_TRUE((*process)->Signal(SIGKILL).ok());
  const auto seen = exited.get_future().get() - killed;
  const int64_t seen_us = std::chrono::duration_cast<std::chrono::microseconds>(seen).count();
  RecordProperty("exit_seen_us", std::to_string(seen_us));
  std::printf("exit seen after %lld us\n", static_cast<long long>(seen_us));
  EXPECT_LT(seen, std::chrono::seconds(5));  // a timer would show; the load here does not
}

}  // namespace
}  // namespace rolemesh::agent
