#include "base/ids/random_id.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

TEST(RandomIdTest, HasTheWantedBitsInTheAlphabet) {
  EXPECT_EQ(RandomBase32(160).size(), 32u);
  EXPECT_EQ(RandomBase32(161).size(), 33u);
  EXPECT_EQ(RandomHex(16).size(), 32u);
  const std::string text = RandomBase32(100000);
  EXPECT_EQ(text.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz"), std::string::npos);
  // Each of the 32 characters comes up; missing one has odds below 1e-270.
  EXPECT_EQ(absl::flat_hash_set<char>(text.begin(), text.end()).size(), 32u);
}

TEST(RandomIdTest, DoesNotRepeat) {
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(seen.insert(RandomBase32(80)).second);
  }
  EXPECT_NE(RandomUint64(), RandomUint64());
}

}  // namespace
}  // namespace rolemesh::base
