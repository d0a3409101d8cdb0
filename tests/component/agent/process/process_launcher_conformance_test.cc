// What every ProcessLauncher promises, held against the real one and the fake.
#include <csignal>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include <gtest/gtest.h>

#include "agent/process/posix_process_launcher.h"
#include "agent/process/process_launcher.h"
#include "tests/fakes/agent/fake_process_launcher.h"

namespace rolemesh::agent {
namespace {

// A launcher, and programs for it that wait, or that end by themselves.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual ProcessLauncher& launcher() = 0;
  virtual ProcessSpec Waiting() = 0;
  virtual ProcessSpec Missing() = 0;
  // Makes the process exit with `code`.
  virtual void MakeExit(Process& process, int code) = 0;
};

class RealSubject final : public Subject {
 public:
  ProcessLauncher& launcher() override { return launcher_; }
  ProcessSpec Waiting() override {
    return Shell("trap 'exit 7' USR1; echo ready; while :; do sleep 0.01; done");
  }
  ProcessSpec Missing() override {
    return {
        .executable = "/nonexistent/program", .arguments = {}, .environment = {}, .log_path = log_};
  }
  void MakeExit(Process& process, int code) override {
    ASSERT_EQ(code, 7);
    // The trap must be set before the signal comes.
    std::string line;
    for (int i = 0; i < 1000 && line != "ready"; ++i) {
      std::ifstream log(log_);
      std::getline(log, line);
      absl::SleepFor(absl::Milliseconds(5));
    }
    ASSERT_TRUE(process.Signal(SIGUSR1).ok());
  }

 private:
  ProcessSpec Shell(const std::string& script) {
    return {.executable = "/bin/sh",
            .arguments = {"-c", script},
            .environment = {"PATH=/usr/bin:/bin"},
            .log_path = log_};
  }
  const std::string log_ = [] {
    std::string path = ::testing::TempDir() + "conformance_XXXXXX";
    close(mkstemp(path.data()));
    return path;
  }();
  PosixProcessLauncher launcher_;
};

class FakeSubject final : public Subject {
 public:
  ProcessLauncher& launcher() override { return launcher_; }
  ProcessSpec Waiting() override {
    launcher_.FailLaunch(absl::OkStatus());
    return {.executable = "/bin/waiting", .arguments = {}, .environment = {}, .log_path = "/log"};
  }
  ProcessSpec Missing() override {
    launcher_.FailLaunch(absl::NotFoundError("/nonexistent/program: No such file or directory"));
    return {.executable = "/nonexistent/program",
            .arguments = {},
            .environment = {},
            .log_path = "/log"};
  }
  void MakeExit(Process& process, int code) override {
    launcher_.Exit(process.identity().pid, {.code = code, .signal = {}});
  }

 private:
  FakeProcessLauncher launcher_;
};

// The exit callback, and what it was told.
class Exit {
 public:
  ProcessLauncher::ExitCallback callback() {
    return [this](ExitStatus status) { promise_.set_value(status); };
  }
  bool WithinSoon() {
    return future_.wait_for(std::chrono::milliseconds(100)) == std::future_status::ready;
  }
  ExitStatus Wait() {
    if (future_.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      ADD_FAILURE() << "the exit was not seen";
      return {};
    }
    return future_.get();
  }

 private:
  std::promise<ExitStatus> promise_;
  std::future<ExitStatus> future_ = promise_.get_future();
};

template <class T>
class ProcessLauncherConformanceTest : public ::testing::Test {
 protected:
  T subject_;
  ProcessLauncher& launcher_ = subject_.launcher();
};

using Subjects = ::testing::Types<RealSubject, FakeSubject>;
TYPED_TEST_SUITE(ProcessLauncherConformanceTest, Subjects);

TYPED_TEST(ProcessLauncherConformanceTest, AMissingProgramIsNotFoundAndNamed) {
  Exit exit;
  const auto process = this->launcher_.Launch(this->subject_.Missing(), exit.callback());
  EXPECT_EQ(process.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(process.status().message().find("/nonexistent/program"), std::string::npos);
  EXPECT_FALSE(exit.WithinSoon());
}

TYPED_TEST(ProcessLauncherConformanceTest, AnExitIsToldWithItsCode) {
  Exit exit;
  const auto process = this->launcher_.Launch(this->subject_.Waiting(), exit.callback());
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_GT((*process)->identity().pid, 1);
  EXPECT_NE((*process)->identity().start_time, 0);
  EXPECT_FALSE((*process)->identity().boot_id.empty());
  this->subject_.MakeExit(**process, 7);
  EXPECT_EQ(exit.Wait(), (ExitStatus{.code = 7, .signal = {}}));
}

TYPED_TEST(ProcessLauncherConformanceTest, AKillIsToldWithItsSignalAndThenNothingCanBeSignalled) {
  Exit exit;
  const auto process = this->launcher_.Launch(this->subject_.Waiting(), exit.callback());
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_TRUE((*process)->SignalGroup(SIGKILL).ok());
  EXPECT_EQ(exit.Wait(), (ExitStatus{.code = {}, .signal = SIGKILL}));
  EXPECT_EQ((*process)->Signal(SIGTERM).code(), absl::StatusCode::kNotFound);
}

TYPED_TEST(ProcessLauncherConformanceTest, AProcessOutlivesItsHandleAndCanBeAdopted) {
  Exit first, second;
  auto launched = this->launcher_.Launch(this->subject_.Waiting(), first.callback());
  ASSERT_TRUE(launched.ok()) << launched.status();
  const ProcessIdentity identity = (*launched)->identity();
  launched->reset();
  auto adopted = this->launcher_.Adopt(identity, second.callback());
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ((*adopted)->identity(), identity);
  EXPECT_FALSE(second.WithinSoon());
  EXPECT_TRUE((*adopted)->Signal(SIGKILL).ok());
  second.Wait();
  EXPECT_FALSE(first.WithinSoon());
  EXPECT_EQ(this->launcher_.Adopt(identity, [](ExitStatus) {}).status().code(),
            absl::StatusCode::kNotFound);
}

TYPED_TEST(ProcessLauncherConformanceTest, AnotherStartTimeOrBootIsAnotherProcess) {
  Exit exit;
  const auto process = this->launcher_.Launch(this->subject_.Waiting(), exit.callback());
  ASSERT_TRUE(process.ok()) << process.status();
  ProcessIdentity later = (*process)->identity();
  ++later.start_time;
  EXPECT_EQ(this->launcher_.Adopt(later, [](ExitStatus) {}).status().code(),
            absl::StatusCode::kNotFound);
  ProcessIdentity rebooted = (*process)->identity();
  rebooted.boot_id = "00000000-0000-4000-8000-00000000ffff";
  EXPECT_EQ(this->launcher_.Adopt(rebooted, [](ExitStatus) {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE((*process)->SignalGroup(SIGKILL).ok());
  exit.Wait();
}

}  // namespace
}  // namespace rolemesh::agent
