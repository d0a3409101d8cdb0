// The supervisor over real llama-servers: started, trusted, killed, adopted, stopped.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "agent/config/agent_config.h"
#include "agent/llama/server_prober.h"
#include "agent/process/posix_process_launcher.h"
#include "agent/process/process_log.h"
#include "agent/supervision/instance_directory.h"
#include "agent/supervision/supervisor.h"
#include "base/async/serial_loop.h"
#include "base/http/http_client.h"
#include "base/metrics/registry.h"
#include "base/time/clock.h"

namespace rolemesh::agent {
namespace {

using ::testing::HasSubstr;

bool WaitUntil(const std::function<bool()>& holds,
               std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

bool IsAlive(int pid) {
  return kill(pid, 0) == 0;
}

class RealServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const server = std::getenv("ROLEMESH_LLAMA_SERVER");
    const char* const model = std::getenv("ROLEMESH_TINY_MODEL");
    ASSERT_NE(server, nullptr) << "set ROLEMESH_LLAMA_SERVER, or run tests/run.sh";
    ASSERT_NE(model, nullptr) << "set ROLEMESH_TINY_MODEL, or run tests/run.sh";
    llama_server_ = server;
    std::string pattern = ::testing::TempDir() + "real_server_XXXXXX";
    root_ = mkdtemp(pattern.data());
    mkdir((root_ + "/models").c_str(), 0700);
    std::ifstream source(model, std::ios::binary);
    ASSERT_TRUE(source.good()) << model << " cannot be read";
    std::ofstream(root_ + "/models/tiny.gguf", std::ios::binary) << source.rdbuf();
    planner_.name = "planner";
    planner_.roles = {"planner"};
    planner_.model = "tiny.gguf";
    planner_.slot_count = 2;
    planner_.context_per_slot = 2048;
    planner_.threads = 1;
  }
  void TearDown() override {
    if (supervisor_ != nullptr) {
      supervisor_->Kill();
      StopAll();
    }
  }

  void StartSupervisor(std::vector<InstanceConfig> instances) {
    loop_ = std::make_unique<base::SerialLoop>(*clock_);
    SupervisorOptions options{.instances_dir = root_ + "/instances",
                              .llama_server = llama_server_,
                              .models_dir = root_ + "/models",
                              .environment = {"PATH=/usr/bin:/bin", "HOME=/"}};
    options.timing = timing_;
    supervisor_ = std::make_unique<Supervisor>(std::move(options), std::move(instances), *loop_,
                                               *clock_, launcher_, prober_, directory_, metrics_);
    supervisor_->Start();
  }
  // As kill -9 of the agent would: servers live on.
  void DropSupervisor() {
    loop_->Stop();
    supervisor_.reset();
  }
  void StopAll() {
    std::promise<void> stopped;
    supervisor_->Stop([&] { stopped.set_value(); });
    ASSERT_EQ(stopped.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  }

  InstanceStatus Status() { return supervisor_->statuses().at(0); }
  bool WaitFor(InstancePhase phase) {
    return WaitUntil([&] {
      const auto statuses = supervisor_->statuses();
      return !statuses.empty() && statuses[0].phase == phase;
    });
  }
  std::shared_ptr<const InstanceEntry> Entry() { return directory_.snapshot()->Find("planner"); }

  std::string llama_server_, root_;
  InstanceConfig planner_;
  InstanceTiming timing_;
  std::unique_ptr<base::Clock> clock_ = base::MakeSystemClock();
  InstanceDirectory directory_;
  base::MetricRegistry metrics_;
  std::unique_ptr<base::SerialLoop> loop_;  // outlives launcher and prober
  std::unique_ptr<base::SerialLoop> old_loop_;
  PosixProcessLauncher launcher_;
  HttpServerProber prober_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(RealServerTest, AServerIsReadyWithProvenContextAndItsKeyIsNeeded) {
  StartSupervisor({planner_});
  ASSERT_TRUE(WaitFor(InstancePhase::kReady)) << Status().reason;
  EXPECT_EQ(Status().context_tokens, 2048);
  EXPECT_EQ(Status().slot_count, 2);
  EXPECT_TRUE(Status().abilities.tools);
  const auto entry = Entry();
  ASSERT_NE(entry, nullptr);
  base::HttpRequest request;
  request.target = "/props";
  EXPECT_EQ(base::FetchBlocking(entry->address, request)->status, 401);
  request.headers.emplace_back("Authorization", absl::StrCat("Bearer ", entry->key.reveal()));
  const auto reply = base::FetchBlocking(entry->address, request);
  EXPECT_EQ(reply->status, 200);
  EXPECT_THAT(reply->body, HasSubstr("\"model_alias\":\"planner\""));
  EXPECT_THAT(reply->body, HasSubstr("\"ui\":false"));
  // Neither the key nor our environment is where other users could read it.
  std::ifstream cmdline(absl::StrCat("/proc/", Status().pid, "/cmdline"));
  const std::string arguments(std::istreambuf_iterator<char>(cmdline), {});
  EXPECT_FALSE(absl::StrContains(arguments, entry->key.reveal()));
  const int pid = Status().pid;
  StopAll();
  EXPECT_FALSE(IsAlive(pid));
  EXPECT_EQ(Entry(), nullptr);
}

TEST_F(RealServerTest, AKilledServerIsSeenAtOnceAndReplacedByANewGeneration) {
  StartSupervisor({planner_});
  ASSERT_TRUE(WaitFor(InstancePhase::kReady)) << Status().reason;
  std::promise<std::chrono::steady_clock::time_point> death;
  const uint64_t listener = directory_.AddDeathListener(
      [&](const std::string&, uint64_t) { death.set_value(std::chrono::steady_clock::now()); });
  const int pid = Status().pid;
  const auto killed = std::chrono::steady_clock::now();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  const auto seen = death.get_future().get() - killed;
  directory_.RemoveDeathListener(listener);
  const auto seen_us = std::chrono::duration_cast<std::chrono::microseconds>(seen).count();
  RecordProperty("death_seen_us", std::to_string(seen_us));
  std::printf("death of a real server seen after %lld us\n", static_cast<long long>(seen_us));
  EXPECT_LT(seen, std::chrono::seconds(5));
  ASSERT_TRUE(WaitUntil([&] { return Status().generation == 2; }));
  ASSERT_TRUE(WaitFor(InstancePhase::kReady)) << Status().reason;
  EXPECT_EQ(Status().restart_count, 1);
  EXPECT_NE(Status().pid, pid);
}

TEST_F(RealServerTest, TheNextAgentAdoptsTheSameProcessAndStopsItWhenTold) {
  StartSupervisor({planner_});
  ASSERT_TRUE(WaitFor(InstancePhase::kReady)) << Status().reason;
  const int pid = Status().pid;
  const auto address = Entry()->address;
  DropSupervisor();
  old_loop_ = std::move(loop_);
  EXPECT_TRUE(IsAlive(pid));
  StartSupervisor({planner_});
  ASSERT_TRUE(WaitFor(InstancePhase::kReady)) << Status().reason;
  EXPECT_EQ(Status().pid, pid);
  EXPECT_EQ(Status().generation, 1);
  EXPECT_EQ(Status().context_tokens, 2048);
  EXPECT_EQ(Entry()->address, address);
  StopAll();
  EXPECT_FALSE(IsAlive(pid));
}

TEST_F(RealServerTest, AContextThatDoesNotFitTheRoleIsUnfit) {
  planner_.context_per_slot = 512;
  planner_.min_context = 2048;
  StartSupervisor({planner_});
  ASSERT_TRUE(WaitFor(InstancePhase::kUnfit)) << Status().reason;
  EXPECT_THAT(Status().reason, HasSubstr("context is 512 tokens per slot"));
  EXPECT_FALSE(Entry()->ready);
}

TEST_F(RealServerTest, ABrokenModelEndsInACrashLoopWhoseReasonIsTheServersOwn) {
  std::ofstream(root_ + "/models/broken.gguf") << "this is not a model";
  planner_.model = "broken.gguf";
  timing_.first_backoff = absl::Milliseconds(10);
  StartSupervisor({planner_});
  ASSERT_TRUE(WaitFor(InstancePhase::kCrashLoop)) << Status().reason;
  EXPECT_THAT(Status().reason, HasSubstr("exit status 1: "));
  EXPECT_EQ(Entry(), nullptr);
  const ProcessLog log(*supervisor_->log_path("planner"));
  EXPECT_THAT(*log.Tail(100, 1 << 16), HasSubstr("failed to load model"));
}

TEST_F(RealServerTest, AProgramThatIgnoresSigtermIsKilledWithItsChildren) {
  llama_server_ = root_ + "/stubborn";
  std::ofstream(llama_server_) << "#!/bin/sh\n"
                                  "trap '' TERM\n"
                                  "sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' &\n"
                                  "echo child $!\n"
                                  "while :; do sleep 0.1; done\n";
  ASSERT_EQ(chmod(llama_server_.c_str(), 0700), 0);
  timing_.second_term = absl::Milliseconds(50);
  timing_.kill = absl::Milliseconds(50);
  StartSupervisor({planner_});
  int child = 0;
  ASSERT_TRUE(WaitUntil([&] {
    std::ifstream log(root_ + "/instances/planner/log");
    std::string word;
    return log >> word >> child && word == "child";
  }));
  ASSERT_TRUE(WaitUntil([&] { return Status().pid != 0; }));
  const int pid = Status().pid;
  StopAll();
  EXPECT_FALSE(IsAlive(pid));
  EXPECT_TRUE(WaitUntil([&] {
    // Killed, though perhaps not yet collected by its new parent.
    std::ifstream stat(absl::StrCat("/proc/", child, "/stat"));
    std::string number, name, state;
    return !(stat >> number >> name >> state) || state == "Z" || state == "X";
  }));
}

}  // namespace
}  // namespace rolemesh::agent
