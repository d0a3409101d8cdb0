#include "base/status/status_macros.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

absl::StatusOr<std::unique_ptr<int>> Half(int value) {
  if (value % 2 != 0) {
    return absl::InvalidArgumentError("odd");
  }
  return std::make_unique<int>(value / 2);
}

absl::StatusOr<int> Quarter(int value) {
  RM_ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(value));
  std::unique_ptr<int> quarter;
  RM_ASSIGN_OR_RETURN(quarter, Half(*half));
  return *quarter;
}

absl::Status Check(int value) {
  RM_RETURN_IF_ERROR(Half(value).status());
  return absl::OkStatus();
}

TEST(StatusMacrosTest, AValueIsMovedOutAndAnErrorReturns) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).status(), absl::InvalidArgumentError("odd"));
  EXPECT_EQ(Quarter(5).status(), absl::InvalidArgumentError("odd"));
  EXPECT_TRUE(Check(2).ok());
  EXPECT_EQ(Check(1), absl::InvalidArgumentError("odd"));
}

}  // namespace
}  // namespace rolemesh::base
