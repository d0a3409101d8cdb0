#include "base/status/exit_code.h"

#include "absl/status/status.h"
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

TEST(ExitCodeTest, EveryCodeHasItsDocumentedNumber) {
  EXPECT_EQ(ExitCodeFor(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeFor(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCodeFor(absl::UnknownError("")), 1);
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), 3);
  EXPECT_EQ(ExitCodeFor(absl::PermissionDeniedError("")), 4);
  EXPECT_EQ(ExitCodeFor(absl::UnauthenticatedError("")), 4);
  EXPECT_EQ(ExitCodeFor(absl::UnavailableError("")), 5);
  EXPECT_EQ(ExitCodeFor(absl::ResourceExhaustedError("")), 5);
  EXPECT_EQ(ExitCodeFor(absl::DeadlineExceededError("")), 6);
  EXPECT_EQ(ExitCodeFor(absl::AbortedError("")), 7);
  EXPECT_EQ(ExitCodeFor(absl::FailedPreconditionError("")), 7);
}

}  // namespace
}  // namespace rolemesh::base
