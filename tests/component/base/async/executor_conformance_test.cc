// What every Executor promises, held against the real one and the fake. Waits by
// std::promise: ThreadSanitizer does not see into the system's abseil.
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/async/executor.h"
#include "base/async/serial_loop.h"
#include "base/time/clock.h"
#include "tests/fakes/base/fake_clock.h"
#include "tests/fakes/base/fake_executor.h"

namespace rolemesh::base {
namespace {

using ::testing::ElementsAre;

// An executor with room for two waiting tasks, and how to let time pass for it.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual Executor& executor() = 0;
  virtual void Pass(absl::Duration time) = 0;
  virtual void Stop() = 0;
  // Calls `body` while no task can run.
  virtual void WhileBusy(absl::AnyInvocable<void()> body) = 0;
};

class RealSubject final : public Subject {
 public:
  RealSubject() : clock_(MakeSystemClock()), loop_(*clock_, {.name = "test", .max_queued = 2}) {}
  Executor& executor() override { return loop_; }
  void Pass(absl::Duration time) override {
    std::promise<void> passed;
    loop_.PostAfter(time, [&] { passed.set_value(); });
    passed.get_future().wait();
  }
  void Stop() override { loop_.Stop(); }
  void WhileBusy(absl::AnyInvocable<void()> body) override {
    std::promise<void> busy;
    std::promise<void> release;
    loop_.Post([&busy, released = release.get_future()] {
      busy.set_value();
      released.wait();
    });
    busy.get_future().wait();
    body();
    release.set_value();
  }

 private:
  std::unique_ptr<Clock> clock_;
  SerialLoop loop_;
};

class FakeSubject final : public Subject {
 public:
  Executor& executor() override { return executor_; }
  void Pass(absl::Duration time) override { executor_.AdvanceBy(time); }
  void Stop() override { executor_.Stop(); }
  void WhileBusy(absl::AnyInvocable<void()> body) override {
    body();
    executor_.Settle();
  }

 private:
  FakeClock clock_;
  FakeExecutor executor_{&clock_, /*max_queued=*/2};
};

template <class T>
class ExecutorConformanceTest : public ::testing::Test {
 protected:
  T subject_;
  Executor& executor_ = subject_.executor();
  std::vector<int> ran_;
};

using Subjects = ::testing::Types<RealSubject, FakeSubject>;
TYPED_TEST_SUITE(ExecutorConformanceTest, Subjects);

TYPED_TEST(ExecutorConformanceTest, TasksRunInTheOrderOfPostingOnTheOwner) {
  this->subject_.WhileBusy([this] {
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(this->executor_.Post([this, i] {
        this->executor_.owner().AssertCurrent();
        this->ran_.push_back(i);
      }));
    }
  });
  this->subject_.Pass(absl::Milliseconds(20));
  EXPECT_THAT(this->ran_, ElementsAre(0, 1, 2, 3, 4));
}

TYPED_TEST(ExecutorConformanceTest, TimersRunInTheOrderOfFallingDue) {
  this->subject_.WhileBusy([this] {
    this->executor_.PostAfter(absl::Milliseconds(300), [this] { this->ran_.push_back(3); });
    this->executor_.PostAfter(absl::Milliseconds(150), [this] { this->ran_.push_back(2); });
    this->executor_.PostAfter(-absl::Seconds(1), [this] { this->ran_.push_back(1); });
  });
  this->subject_.Pass(absl::Milliseconds(400));
  EXPECT_THAT(this->ran_, ElementsAre(1, 2, 3));
}

TYPED_TEST(ExecutorConformanceTest, ACancelledTimerNeverRunsEvenWhenDue) {
  TimerId first = kNoTimer, second = kNoTimer;
  bool cancelled = false;
  this->subject_.WhileBusy([&] {
    // Both are due when the first runs.
    first = this->executor_.PostAfter(absl::ZeroDuration(), [&] {
      this->ran_.push_back(1);
      cancelled = this->executor_.Cancel(second);
    });
    second = this->executor_.PostAfter(absl::ZeroDuration(), [&] { this->ran_.push_back(2); });
  });
  this->subject_.Pass(absl::Milliseconds(10));
  EXPECT_TRUE(cancelled);
  EXPECT_THAT(this->ran_, ElementsAre(1));
  EXPECT_FALSE(this->executor_.Cancel(first));
  EXPECT_FALSE(this->executor_.Cancel(second));
  EXPECT_FALSE(this->executor_.Cancel(kNoTimer));
}

TYPED_TEST(ExecutorConformanceTest, AFullQueueRefusesTryPostButNotPost) {
  this->subject_.WhileBusy([this] {
    EXPECT_TRUE(this->executor_.TryPost([this] { this->ran_.push_back(1); }).ok());
    EXPECT_TRUE(this->executor_.TryPost([this] { this->ran_.push_back(2); }).ok());
    EXPECT_EQ(this->executor_.TryPost([this] { this->ran_.push_back(0); }).code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(this->executor_.Post([this] { this->ran_.push_back(3); }));
  });
  this->subject_.Pass(absl::Milliseconds(10));
  EXPECT_THAT(this->ran_, ElementsAre(1, 2, 3));
}

TYPED_TEST(ExecutorConformanceTest, StopRunsWhatIsQueuedDropsTimersAndRefuses) {
  this->subject_.WhileBusy([this] { this->executor_.Post([this] { this->ran_.push_back(1); }); });
  const auto held = std::make_shared<int>();
  this->executor_.PostAfter(absl::Hours(1), [this, held] { this->ran_.push_back(2); });
  this->subject_.Stop();
  EXPECT_THAT(this->ran_, ElementsAre(1));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(this->executor_.Post([this] { this->ran_.push_back(3); }));
  EXPECT_EQ(this->executor_.TryPost([] {}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(this->executor_.PostAfter(absl::ZeroDuration(), [] {}), kNoTimer);
  this->subject_.Stop();
  EXPECT_THAT(this->ran_, ElementsAre(1));
}

}  // namespace
}  // namespace rolemesh::base
