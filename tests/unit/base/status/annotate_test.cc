#include "base/status/annotate.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include <gtest/gtest.h>

#include "base/status/build_version.h"

namespace rolemesh::base {
namespace {

TEST(AnnotateTest, KeepsCodeAndPayloadAndPutsThePathFirst) {
  absl::Status status = absl::NotFoundError("no such role");
  status.SetPayload("url", absl::Cord("x"));
  const absl::Status annotated = Annotate(status, "roles[0]");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(annotated.message(), "roles[0]: no such role");
  EXPECT_EQ(annotated.GetPayload("url"), absl::Cord("x"));
}

TEST(AnnotateTest, OkStaysOk) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

TEST(BuildVersionTest, IsThreeNumbers) {
  EXPECT_EQ(std::count(BuildVersion().begin(), BuildVersion().end(), '.'), 2);
}

}  // namespace
}  // namespace rolemesh::base
