// AddressRotation: goes round, waits longer, never past its cap.
#include "proto/client/address_rotation.h"

#include "absl/time/time.h"
#include <gtest/gtest.h>

namespace rolemesh::client {
namespace {

TEST(AddressRotationTest, GoesRoundTheList) {
  AddressRotation rotation({"a:1", "b:1"});
  EXPECT_EQ(rotation.current(), "a:1");
  rotation.OnFailed(0.5);
  EXPECT_EQ(rotation.current(), "b:1");
  rotation.OnFailed(0.5);
  EXPECT_EQ(rotation.current(), "a:1");
}

TEST(AddressRotationTest, WindowDoublesUpToTheCapAndStartsAnewAfterSuccess) {
  AddressRotation rotation({"a:1"});
  EXPECT_EQ(rotation.OnFailed(1.0), absl::Milliseconds(250));
  EXPECT_EQ(rotation.OnFailed(1.0), absl::Milliseconds(500));
  for (int i = 0; i < 100; ++i) rotation.OnFailed(1.0);
  EXPECT_EQ(rotation.OnFailed(1.0), absl::Seconds(30));
  EXPECT_EQ(rotation.OnFailed(0.0), absl::ZeroDuration());
  rotation.OnConnected();
  EXPECT_EQ(rotation.OnFailed(1.0), absl::Milliseconds(250));
}

}  // namespace
}  // namespace rolemesh::client
