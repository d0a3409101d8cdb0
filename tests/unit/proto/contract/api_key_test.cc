// API keys: made whole, read back strictly, never shown in an error.
#include "proto/contract/api_key.h"

#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/contract/digest.h"

namespace rolemesh::contract {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

TEST(ApiKeyTest, ParsedKeyMatchesTheHashKeptAtRest) {
  const NewApiKey made = MakeApiKey();
  const auto parsed = ParseApiKey(made.text.reveal());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->id, made.id);
  EXPECT_TRUE(ConstantTimeEquals(parsed->secret_sha256, made.secret_sha256));
}

TEST(ApiKeyTest, HasTheDocumentedForm) {
  EXPECT_THAT(std::string(MakeApiKey().text.reveal()),
              MatchesRegex("rm_[0-9a-z]{12}_[0-9a-z]{38}"));
}

TEST(ApiKeyTest, TwoKeysDiffer) {
  EXPECT_NE(MakeApiKey().text.reveal(), MakeApiKey().text.reveal());
}

TEST(ApiKeyTest, EveryChangedCharacterIsRefusedAndNotRepeated) {
  const std::string good(MakeApiKey().text.reveal());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'z' ? 'y' : 'z';
    const auto parsed = ParseApiKey(bad);
    EXPECT_FALSE(parsed.ok()) << i;
    EXPECT_THAT(std::string(parsed.status().message()), Not(HasSubstr(bad.substr(16, 8))));
  }
}

TEST(ApiKeyTest, RefusesWhatIsNoKey) {
  const std::string good(MakeApiKey().text.reveal());
  for (const std::string& bad :
       {std::string(), std::string("Bearer"), std::string("' OR 1=1--"), good.substr(0, 20),
        absl::StrCat(good, "x"), absl::StrCat(" ", good), std::string(65'536, 'a'),
        absl::StrCat(good.substr(0, 20), std::string(1, '\0'), good.substr(21))}) {
    EXPECT_FALSE(ParseApiKey(bad).ok()) << bad.substr(0, 40);
  }
}

}  // namespace
}  // namespace rolemesh::contract
