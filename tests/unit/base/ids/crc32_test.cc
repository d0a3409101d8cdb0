#include "base/ids/crc32.h"

#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

TEST(Crc32Test, MatchesThePublishedCheckValue) {
  EXPECT_EQ(Crc32("123456789"), 0xcbf43926u);
  EXPECT_EQ(Crc32(""), 0u);
}

}  // namespace
}  // namespace rolemesh::base
