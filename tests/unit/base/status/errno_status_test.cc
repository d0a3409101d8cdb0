#include "base/status/errno_status.h"

#include <cerrno>

#include "absl/status/status.h"
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

TEST(ErrnoStatusTest, TheCodeSaysWhatTheCallerShouldDo) {
  const struct {
    int errno_value;
    absl::StatusCode code;
  } kCases[] = {
      {ENOENT, absl::StatusCode::kNotFound},
      {EEXIST, absl::StatusCode::kAlreadyExists},
      {EACCES, absl::StatusCode::kPermissionDenied},
      {EISDIR, absl::StatusCode::kInvalidArgument},
      {EADDRINUSE, absl::StatusCode::kFailedPrecondition},
      {EMFILE, absl::StatusCode::kResourceExhausted},
      {ECONNREFUSED, absl::StatusCode::kUnavailable},
      {ETIMEDOUT, absl::StatusCode::kDeadlineExceeded},
      {ECANCELED, absl::StatusCode::kCancelled},
      {ENOSYS, absl::StatusCode::kUnimplemented},
      {EFAULT, absl::StatusCode::kInternal},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ErrnoStatus(c.errno_value, "x").code(), c.code) << c.errno_value;
  }
}

TEST(ErrnoStatusTest, TheMessageNamesTheThingAndTheReason) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "/etc/x").message(), "/etc/x: No such file or directory");
}

}  // namespace
}  // namespace rolemesh::base
