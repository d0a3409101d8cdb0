#include "agent/supervision/instance_machine.h"

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr InstanceAction kSpawn{InstanceAction::kSpawn};
constexpr InstanceAction kProbe{InstanceAction::kProbe};
constexpr InstanceAction kTerminate{InstanceAction::kTerminate};
constexpr InstanceAction kKill{InstanceAction::kKill};
InstanceAction Timer(absl::Duration delay) {
  return {InstanceAction::kSetTimer, delay};
}

class InstanceMachineTest : public ::testing::Test {
 protected:
  void Pass(absl::Duration time) { now_ += absl::ToChronoNanoseconds(time); }
  // Started, spawned and proven.
  void MakeReady() {
    machine_.Start(now_);
    machine_.OnSpawned(now_);
    machine_.OnProbed(now_, absl::OkStatus());
    ASSERT_EQ(machine_.phase(), InstancePhase::kReady);
  }
  InstanceActions Exit() { return machine_.OnExited(now_, "exit status 1", false); }

  base::SteadyTime now_{std::chrono::hours(1)};
  InstanceMachine machine_;
};

TEST_F(InstanceMachineTest, ReadyMeansProven) {
  EXPECT_EQ(machine_.phase(), InstancePhase::kStopped);
  EXPECT_THAT(machine_.Start(now_), ElementsAre(kSpawn));
  EXPECT_THAT(machine_.OnSpawned(now_), ElementsAre(kProbe));
  EXPECT_EQ(machine_.phase(), InstancePhase::kStarting);
  EXPECT_THAT(machine_.OnProbed(now_, absl::UnavailableError("loading")),
              ElementsAre(Timer(absl::Milliseconds(100))));
  EXPECT_FALSE(machine_.proven());
  Pass(absl::Milliseconds(100));
  EXPECT_THAT(machine_.OnTimer(now_, 0), ElementsAre(kProbe));
  EXPECT_THAT(machine_.OnProbed(now_, absl::OkStatus()), IsEmpty());
  EXPECT_EQ(machine_.phase(), InstancePhase::kReady);
  EXPECT_TRUE(machine_.proven());
}

TEST_F(InstanceMachineTest, AnUnfitServerRunsButIsNotProven) {
  machine_.Start(now_);
  machine_.OnSpawned(now_);
  EXPECT_THAT(machine_.OnProbed(now_, absl::FailedPreconditionError("context is 512")), IsEmpty());
  EXPECT_EQ(machine_.phase(), InstancePhase::kUnfit);
  EXPECT_EQ(machine_.reason(), "context is 512");
  EXPECT_TRUE(machine_.has_process());
  EXPECT_FALSE(machine_.proven());
}

TEST_F(InstanceMachineTest, AWrongAnswerIsShownAndAskedForAgainSlowly) {
  machine_.Start(now_);
  machine_.OnSpawned(now_);
  EXPECT_THAT(machine_.OnProbed(now_, absl::InternalError("/props: answers status 500")),
              ElementsAre(Timer(absl::Seconds(5))));
  EXPECT_EQ(machine_.phase(), InstancePhase::kStarting);
  EXPECT_EQ(machine_.reason(), "/props: answers status 500");
}

TEST_F(InstanceMachineTest, PausesDoubleAndTheFifthExitInTenMinutesIsACrashLoop) {
  machine_.Start(now_);
  const struct {
    absl::Duration pause;
    InstancePhase phase;
  } kExits[] = {{absl::Seconds(1), InstancePhase::kBackoff},
                {absl::Seconds(2), InstancePhase::kBackoff},
                {absl::Seconds(4), InstancePhase::kBackoff},
                {absl::Seconds(8), InstancePhase::kBackoff},
                {absl::Seconds(60), InstancePhase::kCrashLoop},
                {absl::Seconds(60), InstancePhase::kCrashLoop}};
  int restarts = 0;
  for (const auto& exit : kExits) {
    machine_.OnSpawned(now_);
    EXPECT_THAT(Exit(), ElementsAre(Timer(exit.pause)));
    EXPECT_EQ(machine_.phase(), exit.phase);
    EXPECT_EQ(machine_.reason(), "exit status 1");
    EXPECT_THAT(machine_.OnTimer(now_, 0), IsEmpty());  // too early
    Pass(exit.pause);
    EXPECT_THAT(machine_.OnTimer(now_, 0), ElementsAre(kSpawn));
    EXPECT_EQ(machine_.restart_count(), ++restarts);
  }
}

TEST_F(InstanceMachineTest, OldExitsAreForgiven) {
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    if (i == 0) {
      MakeReady();
    } else {
      machine_.OnSpawned(now_);
      machine_.OnProbed(now_, absl::OkStatus());
    }
    Pass(absl::Minutes(11));
    EXPECT_THAT(Exit(), ElementsAre(Timer(absl::Seconds(1))));
    EXPECT_EQ(machine_.phase(), InstancePhase::kBackoff);
    Pass(absl::Seconds(1));
    EXPECT_THAT(machine_.OnTimer(now_, 0), ElementsAre(kSpawn));
  }
}

TEST_F(InstanceMachineTest, ALaunchThatFailsCountsAsAnExit) {
  machine_.Start(now_);
  for (int i = 1; i <= 5; ++i) {
    machine_.OnSpawnFailed(now_, "x.gguf: No such file or directory");
    Pass(absl::Minutes(1));
    machine_.OnTimer(now_, 0);
  }
  machine_.OnSpawnFailed(now_, "x.gguf: No such file or directory");
  EXPECT_EQ(machine_.phase(), InstancePhase::kCrashLoop);
  EXPECT_EQ(machine_.reason(), "x.gguf: No such file or directory");
}

TEST_F(InstanceMachineTest, ATakenPortIsTriedAgainAtOnceThreeTimes) {
  machine_.Start(now_);
  for (int i = 0; i < 3; ++i) {
    machine_.OnSpawned(now_);
    EXPECT_THAT(machine_.OnExited(now_, "exit status 1", /*port_taken=*/true), ElementsAre(kSpawn));
  }
  machine_.OnSpawned(now_);
  EXPECT_THAT(machine_.OnExited(now_, "exit status 1", /*port_taken=*/true),
              ElementsAre(Timer(absl::Seconds(1))));
}

TEST_F(InstanceMachineTest, AStopWaitsForWhatRunsThenAsksTwiceThenKills) {
  MakeReady();
  EXPECT_THAT(machine_.Stop(now_, 2), ElementsAre(Timer(absl::Milliseconds(20))));
  EXPECT_EQ(machine_.phase(), InstancePhase::kDraining);
  EXPECT_TRUE(machine_.draining());
  Pass(absl::Milliseconds(20));
  EXPECT_THAT(machine_.OnTimer(now_, 1), ElementsAre(Timer(absl::Milliseconds(20))));
  Pass(absl::Milliseconds(20));
  EXPECT_THAT(machine_.OnTimer(now_, 0), ElementsAre(kTerminate, Timer(absl::Seconds(2))));
  Pass(absl::Seconds(2));
  EXPECT_THAT(machine_.OnTimer(now_, 0), ElementsAre(kTerminate, Timer(absl::Seconds(3))));
  Pass(absl::Seconds(3));
  EXPECT_THAT(machine_.OnTimer(now_, 0), ElementsAre(kKill, Timer(absl::Seconds(2))));
  EXPECT_EQ(machine_.phase(), InstancePhase::kDraining);
  EXPECT_THAT(Exit(), IsEmpty());
  EXPECT_EQ(machine_.phase(), InstancePhase::kStopped);
  EXPECT_EQ(machine_.restart_count(), 0);
}

TEST_F(InstanceMachineTest, TheDrainCapEndsAWaitThatNobodyElseEnds) {
  MakeReady();
  machine_.Stop(now_, 1);
  Pass(absl::Seconds(60));
  EXPECT_THAT(machine_.OnTimer(now_, 1), ElementsAre(kTerminate, Timer(absl::Seconds(2))));
}

TEST_F(InstanceMachineTest, AnIdleServerIsAskedToStopAtOnce) {
  MakeReady();
  EXPECT_THAT(machine_.Stop(now_, 0), ElementsAre(kTerminate, Timer(absl::Seconds(2))));
}

TEST_F(InstanceMachineTest, AServerThatDiesWhileItDrainsStaysStopped) {
  MakeReady();
  machine_.Stop(now_, 1);
  EXPECT_THAT(Exit(), IsEmpty());
  EXPECT_EQ(machine_.phase(), InstancePhase::kStopped);
}

TEST_F(InstanceMachineTest, AStopDuringAPauseNeedsNoProcess) {
  MakeReady();
  Exit();
  EXPECT_THAT(machine_.Stop(now_, 0), IsEmpty());
  EXPECT_EQ(machine_.phase(), InstancePhase::kStopped);
  Pass(absl::Minutes(1));
  EXPECT_THAT(machine_.OnTimer(now_, 0), IsEmpty());
}

TEST_F(InstanceMachineTest, AKillWaitsForNothing) {
  MakeReady();
  machine_.Stop(now_, 3);
  EXPECT_THAT(machine_.Kill(now_), ElementsAre(kKill, Timer(absl::Seconds(2))));
}

TEST_F(InstanceMachineTest, AnAdoptedServerIsProvenAgainWithoutANewStart) {
  machine_.Want();
  EXPECT_THAT(machine_.OnAdopted(now_, /*fits=*/true), ElementsAre(kProbe));
  machine_.OnProbed(now_, absl::OkStatus());
  EXPECT_EQ(machine_.phase(), InstancePhase::kReady);
  EXPECT_EQ(machine_.restart_count(), 0);
}

TEST_F(InstanceMachineTest, AServerWithAnOldConfigurationIsReplacedWithoutAPause) {
  machine_.Want();
  EXPECT_THAT(machine_.OnAdopted(now_, /*fits=*/false),
              ElementsAre(kTerminate, Timer(absl::Seconds(2))));
  EXPECT_THAT(machine_.OnExited(now_, "exit status unknown", false), ElementsAre(kSpawn));
}

TEST_F(InstanceMachineTest, AServerThatIsNoLongerConfiguredIsStopped) {
  EXPECT_THAT(machine_.OnAdopted(now_, /*fits=*/false),
              ElementsAre(kTerminate, Timer(absl::Seconds(2))));
  EXPECT_THAT(Exit(), IsEmpty());
  EXPECT_EQ(machine_.phase(), InstancePhase::kStopped);
}

TEST_F(InstanceMachineTest, ADrainedNodeKeepsItsServersAndTakesThemBack) {
  MakeReady();
  machine_.SetDraining(true);
  EXPECT_EQ(machine_.phase(), InstancePhase::kDraining);
  EXPECT_TRUE(machine_.draining());
  EXPECT_EQ(machine_.reason(), "the node is drained");
  machine_.SetDraining(false);
  EXPECT_EQ(machine_.phase(), InstancePhase::kReady);
  EXPECT_FALSE(machine_.draining());
}

TEST_F(InstanceMachineTest, AServerThatNeverGetsReadyIsReplacedAndCounts) {
  machine_.Start(now_);
  machine_.OnSpawned(now_);
  Pass(absl::Minutes(30));
  EXPECT_THAT(machine_.OnProbed(now_, absl::UnavailableError("the model is being loaded")),
              ElementsAre(kTerminate, Timer(absl::Seconds(2))));
  EXPECT_THAT(machine_.OnExited(now_, "exit status 0", false),
              ElementsAre(Timer(absl::Seconds(1))));
  EXPECT_THAT(machine_.reason(), HasSubstr("did not get ready in 30m"));
}

}  // namespace
}  // namespace rolemesh::agent
