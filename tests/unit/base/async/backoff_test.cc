#include "base/async/backoff.h"

#include "absl/time/time.h"
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

TEST(BackoffTest, TheCeilingDoublesToTheCapAndResets) {
  Backoff backoff(absl::Seconds(1), absl::Seconds(5));
  for (const int ceiling : {1, 2, 4, 5, 5}) {
    EXPECT_EQ(backoff.ceiling(), absl::Seconds(ceiling));
    EXPECT_EQ(backoff.Next(0.5), absl::Seconds(ceiling) / 2);
  }
  EXPECT_EQ(backoff.attempts(), 5);
  for (int i = 0; i < 100000; ++i) {
    backoff.Next(0.999);
  }
  EXPECT_EQ(backoff.ceiling(), absl::Seconds(5));
  backoff.Reset();
  EXPECT_EQ(backoff.attempts(), 0);
  EXPECT_EQ(backoff.Next(0), absl::ZeroDuration());
}

}  // namespace
}  // namespace rolemesh::base
