// The supervisor over a machine without processes, in virtual time.
#include "agent/supervision/supervisor.h"

#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "agent/config/agent_config.h"
#include "agent/supervision/instance_directory.h"
#include "base/metrics/registry.h"
#include "tests/fakes/agent/fake_process_launcher.h"
#include "tests/fakes/agent/fake_server_prober.h"
#include "tests/fakes/base/fake_clock.h"
#include "tests/fakes/base/fake_executor.h"

namespace rolemesh::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() {
    std::string pattern = ::testing::TempDir() + "supervisor_XXXXXX";
    root_ = mkdtemp(pattern.data());
    mkdir((root_ + "/models").c_str(), 0700);
    std::ofstream(root_ + "/models/a.gguf") << "GGUF";
    planner_.name = "planner";
    planner_.roles = {"planner"};
    planner_.model = "a.gguf";
    planner_.slot_count = 2;
    planner_.context_per_slot = 2048;
  }

  void StartSupervisor(std::vector<InstanceConfig> instances) {
    supervisor_ = std::make_unique<Supervisor>(
        SupervisorOptions{.instances_dir = root_ + "/instances",
                          .llama_server = "/usr/bin/llama-server",
                          .models_dir = root_ + "/models",
                          .environment = {"PATH=/bin", "LLAMA_ARG_TOOLS=all"}},
        std::move(instances), executor_, clock_, launcher_, prober_, directory_, metrics_);
    supervisor_->SetListener([this](const InstanceStatus& status, bool removed) {
      told_.push_back(removed ? status.id + " removed"
                              : status.id + " " + std::string(InstancePhaseName(status.phase)));
    });
    supervisor_->Start();
    executor_.Settle();
  }
  void CrashAgent() { supervisor_.reset(); }

  InstanceStatus Status() { return supervisor_->statuses().at(0); }
  std::shared_ptr<const InstanceEntry> Entry() { return directory_.snapshot()->Find("planner"); }

  std::string root_;
  InstanceConfig planner_;
  base::FakeClock clock_;
  base::FakeExecutor executor_{&clock_};
  FakeProcessLauncher launcher_;
  FakeServerProber prober_;
  InstanceDirectory directory_;
  base::MetricRegistry metrics_;
  std::vector<std::string> told_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(SupervisorTest, AConfiguredInstanceIsStartedAndOfferedOnceProven) {
  prober_.Set(absl::UnavailableError("loading"));
  StartSupervisor({planner_});
  ASSERT_NE(Entry(), nullptr);
  EXPECT_FALSE(Entry()->ready);
  EXPECT_EQ(Status().phase, InstancePhase::kStarting);
  EXPECT_NE(Status().pid, 0);

  prober_.Set(ServerProperties{.slot_count = 2, .context_per_slot = 2048});
  executor_.AdvanceBy(absl::Seconds(1));
  EXPECT_EQ(Status().phase, InstancePhase::kReady);
  EXPECT_EQ(Status().context_tokens, 2048);
  EXPECT_EQ(Status().slot_count, 2);
  EXPECT_TRUE(Entry()->ready);
  EXPECT_EQ(Entry()->generation, 1);
  EXPECT_EQ(Entry()->slot_count, 2);
  EXPECT_TRUE(Entry()->address.IsLoopback());
  EXPECT_EQ(Entry()->key, prober_.last().key);
  EXPECT_THAT(told_, ElementsAre("planner STARTING", "planner READY"));
  EXPECT_THAT(metrics_.Render(), HasSubstr("rolemesh_agent_instances{phase=\"READY\"} 1"));
}

TEST_F(SupervisorTest, TheKeyIsInAFileAndNotInTheArguments) {
  StartSupervisor({planner_});
  const ProcessSpec& spec = launcher_.Get(launcher_.last_pid()).spec;
  EXPECT_THAT(spec.environment, ElementsAre("PATH=/bin"));
  const std::string key(prober_.last().key.reveal());
  EXPECT_GE(key.size(), 50);
  EXPECT_THAT(spec.arguments, Not(::testing::Contains(HasSubstr(key))));
  struct stat info;
  ASSERT_EQ(stat((root_ + "/instances/planner/key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

TEST_F(SupervisorTest, ADeathIsToldAtOnceAndANewGenerationFollows) {
  std::vector<std::string> deaths;
  directory_.AddDeathListener([&](const std::string& id, uint64_t generation) {
    EXPECT_EQ(Entry(), nullptr);
    deaths.push_back(id + std::to_string(generation));
  });
  StartSupervisor({planner_});
  const auto old_key = Entry()->key;
  const auto old_running = Entry()->running;
  launcher_.Exit(launcher_.last_pid(), {.code = {}, .signal = SIGKILL});
  executor_.Settle();
  EXPECT_THAT(deaths, ElementsAre("planner1"));
  EXPECT_EQ(Entry(), nullptr);
  EXPECT_EQ(Status().phase, InstancePhase::kBackoff);
  EXPECT_EQ(Status().reason, "killed by signal 9 (KILL)");
  EXPECT_EQ(Status().pid, 0);

  executor_.AdvanceBy(absl::Seconds(1));
  EXPECT_EQ(Status().phase, InstancePhase::kReady);
  EXPECT_EQ(Status().restart_count, 1);
  EXPECT_EQ(Entry()->generation, 2);
  EXPECT_FALSE(Entry()->key == old_key);
  EXPECT_NE(Entry()->running, old_running);
}

TEST_F(SupervisorTest, AShrunkenContextIsNotOffered) {
  planner_.min_context = 2048;
  prober_.Set(ServerProperties{.slot_count = 2, .context_per_slot = 512});
  StartSupervisor({planner_});
  EXPECT_EQ(Status().phase, InstancePhase::kUnfit);
  EXPECT_THAT(Status().reason, HasSubstr("context is 512 tokens"));
  EXPECT_FALSE(Entry()->ready);
}

TEST_F(SupervisorTest, AMissingModelIsShownAndTriedAgain) {
  planner_.model = "none.gguf";
  StartSupervisor({planner_});
  EXPECT_EQ(launcher_.launched(), 0);
  EXPECT_EQ(Status().phase, InstancePhase::kBackoff);
  EXPECT_THAT(Status().reason, HasSubstr("none.gguf: No such file"));
  executor_.AdvanceBy(absl::Seconds(60));
  EXPECT_EQ(Status().phase, InstancePhase::kCrashLoop);
  std::ofstream(root_ + "/models/none.gguf") << "GGUF";
  executor_.AdvanceBy(absl::Seconds(60));
  EXPECT_EQ(Status().phase, InstancePhase::kReady);
}

TEST_F(SupervisorTest, TheNextAgentAdoptsTheSameProcess) {
  StartSupervisor({planner_});
  const int pid = Status().pid;
  const base::Secret key = Entry()->key;
  const base::SocketAddress address = Entry()->address;
  CrashAgent();
  EXPECT_THAT(launcher_.alive(), ElementsAre(pid));
  StartSupervisor({planner_});
  EXPECT_EQ(launcher_.launched(), 1);
  EXPECT_EQ(Status().pid, pid);
  EXPECT_EQ(Status().phase, InstancePhase::kReady);
  EXPECT_EQ(Entry()->generation, 1);
  EXPECT_EQ(Entry()->key, key);
  EXPECT_EQ(Entry()->address, address);
  launcher_.Exit(pid, {.code = 0, .signal = {}});
  executor_.Settle();
  EXPECT_EQ(Status().reason, "exit status unknown");
}

TEST_F(SupervisorTest, AChangedConfigurationReplacesTheProcess) {
  StartSupervisor({planner_});
  const int pid = Status().pid;
  CrashAgent();
  planner_.slot_count = 1;
  StartSupervisor({planner_});
  EXPECT_THAT(launcher_.Get(pid).signals, ElementsAre(SIGTERM));
  EXPECT_THAT(launcher_.alive(), ElementsAre(Status().pid));
  EXPECT_NE(Status().pid, pid);
  EXPECT_EQ(Entry()->generation, 2);
  EXPECT_EQ(Status().phase, InstancePhase::kReady);
}

TEST_F(SupervisorTest, AnInstanceThatIsNoLongerConfiguredIsStoppedAndForgotten) {
  StartSupervisor({planner_});
  CrashAgent();
  told_.clear();
  StartSupervisor({});
  EXPECT_THAT(launcher_.alive(), IsEmpty());
  EXPECT_THAT(supervisor_->statuses(), IsEmpty());
  EXPECT_THAT(told_, ElementsAre("planner DRAINING", "planner removed"));
  struct stat info;
  EXPECT_NE(stat((root_ + "/instances/planner/process.json").c_str(), &info), 0);
}

TEST_F(SupervisorTest, AGenerationNeverComesTwice) {
  StartSupervisor({planner_});
  launcher_.Exit(Status().pid, {.code = 0, .signal = {}});
  CrashAgent();  // before the exit was seen
  StartSupervisor({planner_});
  EXPECT_EQ(Entry()->generation, 2);
}

TEST_F(SupervisorTest, AStopLeavesNothingBehind) {
  StartSupervisor({planner_});
  Entry()->running->OnRequestStarted();
  const auto running = Entry()->running;
  bool stopped = false;
  supervisor_->Stop([&] { stopped = true; });
  executor_.AdvanceBy(absl::Seconds(5));
  EXPECT_FALSE(stopped);
  EXPECT_TRUE(Entry()->draining);
  EXPECT_TRUE(Entry()->ready);
  EXPECT_THAT(launcher_.Get(Status().pid).signals, IsEmpty());
  running->OnRequestEnded();
  executor_.AdvanceBy(absl::Milliseconds(20));
  EXPECT_TRUE(stopped);
  EXPECT_THAT(launcher_.alive(), IsEmpty());
  EXPECT_EQ(Status().phase, InstancePhase::kStopped);
}

TEST_F(SupervisorTest, AServerThatIgnoresTermIsKilled) {
  launcher_.IgnoreTerm(true);
  StartSupervisor({planner_});
  const int pid = Status().pid;
  bool stopped = false;
  supervisor_->Stop([&] { stopped = true; });
  executor_.AdvanceBy(absl::Seconds(5));
  EXPECT_TRUE(stopped);
  EXPECT_THAT(launcher_.Get(pid).signals, ElementsAre(SIGTERM, SIGTERM, SIGKILL));
}

TEST_F(SupervisorTest, KillCutsADrainShort) {
  StartSupervisor({planner_});
  Entry()->running->OnRequestStarted();
  bool stopped = false;
  supervisor_->Stop([&] { stopped = true; });
  executor_.Settle();
  supervisor_->Kill();
  executor_.Settle();
  EXPECT_TRUE(stopped);
  EXPECT_THAT(launcher_.alive(), IsEmpty());
}

TEST_F(SupervisorTest, StoppingNothingIsDoneAtOnce) {
  StartSupervisor({});
  bool stopped = false;
  supervisor_->Stop([&] { stopped = true; });
  executor_.Settle();
  EXPECT_TRUE(stopped);
}

TEST_F(SupervisorTest, ADrainedNodeRefusesNewWorkAndKeepsItsProcesses) {
  StartSupervisor({planner_});
  supervisor_->SetDraining(true);
  executor_.Settle();
  EXPECT_TRUE(Entry()->draining);
  EXPECT_EQ(Status().phase, InstancePhase::kDraining);
  supervisor_->SetDraining(false);
  executor_.Settle();
  EXPECT_FALSE(Entry()->draining);
  EXPECT_EQ(Status().phase, InstancePhase::kReady);
  EXPECT_EQ(launcher_.launched(), 1);
}

TEST_F(SupervisorTest, LogsBelongToKnownInstancesOnly) {
  StartSupervisor({planner_});
  EXPECT_EQ(*supervisor_->log_path("planner"), root_ + "/instances/planner/log");
  EXPECT_EQ(supervisor_->log_path("../../etc").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rolemesh::agent
