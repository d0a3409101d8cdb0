// FakeExecutor's own promises; what it shares with SerialLoop is in
// tests/component/base/async/executor_conformance_test.cc.
#include "tests/fakes/base/fake_executor.h"

#include <chrono>
#include <vector>

#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/base/fake_clock.h"

namespace rolemesh::base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FakeExecutorTest, NothingRunsBeforeSettle) {
  FakeClock clock;
  FakeExecutor executor(&clock);
  std::vector<int> ran;
  executor.Post([&] {
    ran.push_back(1);
    executor.Post([&] { ran.push_back(2); });
  });
  EXPECT_THAT(ran, IsEmpty());
  executor.Settle();
  EXPECT_THAT(ran, ElementsAre(1, 2));
}

TEST(FakeExecutorTest, EachTimerSeesTheTimeItWasDue) {
  FakeClock clock;
  FakeExecutor executor(&clock);
  const SteadyTime start = clock.SteadyNow();
  std::vector<absl::Duration> seen;
  const auto note = [&] { seen.push_back(absl::FromChrono(clock.SteadyNow() - start)); };
  executor.PostAfter(absl::Seconds(3), note);
  executor.PostAfter(absl::Seconds(1), [&] {
    note();
    executor.PostAfter(absl::Seconds(1), note);
  });
  executor.AdvanceBy(absl::Seconds(10));
  EXPECT_THAT(seen, ElementsAre(absl::Seconds(1), absl::Seconds(2), absl::Seconds(3)));
  EXPECT_EQ(clock.SteadyNow() - start, std::chrono::seconds(10));
}

TEST(FakeExecutorTest, ATimerDueLaterWaits) {
  FakeClock clock;
  FakeExecutor executor(&clock);
  bool ran = false;
  executor.PostAfter(absl::Seconds(2), [&] { ran = true; });
  executor.AdvanceBy(absl::Milliseconds(1999));
  EXPECT_FALSE(ran);
  executor.AdvanceBy(absl::Milliseconds(1));
  EXPECT_TRUE(ran);
}

TEST(FakeClockTest, AStepOfTheWallLeavesTheSteadyClock) {
  FakeClock clock;
  const SteadyTime steady = clock.SteadyNow();
  const absl::Time wall = clock.WallNow();
  clock.StepWall(-absl::Hours(1));
  EXPECT_EQ(clock.SteadyNow(), steady);
  EXPECT_EQ(clock.WallNow(), wall - absl::Hours(1));
}

}  // namespace
}  // namespace rolemesh::base
