// SerialLoop's own promises, with its thread.
#include "base/async/serial_loop.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include <gtest/gtest.h>

#include "base/time/clock.h"

namespace rolemesh::base {
namespace {

TEST(SerialLoopTest, NothingPostedByManyThreadsIsLost) {
  const std::unique_ptr<Clock> clock = MakeSystemClock();
  int ran = 0;  // without a lock: the loop is one thread
  {
    SerialLoop loop(*clock);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          loop.Post([&ran] { ++ran; });
          loop.Cancel(loop.PostAfter(absl::Hours(1), [] {}));
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    loop.Stop();
    EXPECT_GE(loop.high_water(), 1u);
    EXPECT_EQ(loop.queued(), 0u);
  }
  EXPECT_EQ(ran, 4000);
}

TEST(SerialLoopTest, ABusyQueueDoesNotStarveATimer) {
  const std::unique_ptr<Clock> clock = MakeSystemClock();
  SerialLoop loop(*clock);
  std::atomic<bool> done = false;
  std::promise<void> fired;
  std::function<void()> again = [&] {
    if (!done) {
      loop.Post(again);
    }
  };
  loop.Post(again);
  loop.PostAfter(absl::Milliseconds(5), [&] { fired.set_value(); });
  EXPECT_EQ(fired.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  done = true;
  loop.Stop();  // before what its tasks refer to
}

TEST(SerialLoopTest, AnEarlierTimerWakesALoopThatWaitsForALaterOne) {
  const std::unique_ptr<Clock> clock = MakeSystemClock();
  SerialLoop loop(*clock);
  std::promise<void> fired;
  loop.PostAfter(absl::Hours(1), [] {});
  loop.PostAfter(absl::Milliseconds(10), [&] { fired.set_value(); });
  EXPECT_EQ(fired.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  loop.Stop();
}

}  // namespace
}  // namespace rolemesh::base
