#include "base/async/signal_waiter.h"

#include <csignal>
#include <unistd.h>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include <gtest/gtest.h>
#include <sys/types.h>

namespace rolemesh::base {
namespace {

TEST(SignalWaiterTest, SignalsAreTakenOneByOneAndSigpipeIsIgnored) {
  SignalWaiter waiter;
  EXPECT_EQ(waiter.WaitFor(absl::ZeroDuration()), absl::nullopt);
  kill(getpid(), SIGHUP);
  EXPECT_EQ(waiter.Wait(), SIGHUP);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(waiter.WaitFor(absl::Seconds(10)), SIGTERM);
  EXPECT_EQ(waiter.WaitFor(absl::Milliseconds(1)), absl::nullopt);
  raise(SIGPIPE);  // would end the test
}

TEST(SignalWaiterTest, TheDestructorRestoresTheMask) {
  {
    SignalWaiter waiter;
  }
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 0);
}

}  // namespace
}  // namespace rolemesh::base
