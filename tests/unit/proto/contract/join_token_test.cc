// Join tokens: one string there and back, nothing of the secret in errors.
#include "proto/contract/join_token.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::contract {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(JoinTokenTest, SurvivesTheTripThroughItsString) {
  const std::string hash(64, 'a');
  const JoinToken made = MakeJoinToken(hash);
  const base::Secret text = FormatJoinToken(made);
  EXPECT_THAT(std::string(text.reveal()), StartsWith("rmj1_"));
  const auto parsed = ParseJoinToken(std::string(text.reveal()) + "\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->id, made.id);
  EXPECT_EQ(parsed->secret.reveal(), made.secret.reveal());
  EXPECT_EQ(parsed->root_spki_sha256, hash);
}

TEST(JoinTokenTest, EveryTruncationIsRefusedWithoutTheSecret) {
  const JoinToken made = MakeJoinToken(std::string(64, '0'));
  const std::string text(FormatJoinToken(made).reveal());
  for (size_t size = 0; size < text.size(); ++size) {
    const auto parsed = ParseJoinToken(text.substr(0, size));
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_THAT(std::string(parsed.status().message()),
                Not(HasSubstr(std::string(made.secret.reveal()).substr(0, 10))));
  }
}

TEST(JoinTokenTest, HashMustBeHex) {
  EXPECT_FALSE(ParseJoinToken(FormatJoinToken(MakeJoinToken(std::string(64, 'g'))).reveal()).ok());
}

}  // namespace
}  // namespace rolemesh::contract
