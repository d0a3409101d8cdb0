#include "base/tls/secret.h"

#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rolemesh::base {
namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };
template <typename T>
concept StrCattable = requires(const T& value) { absl::StrCat(value); };

static_assert(Streamable<std::string> && StrCattable<std::string>);
static_assert(!Streamable<Secret> && !StrCattable<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, absl::string_view>);

TEST(SecretTest, OnlyEqualBytesAreEqual) {
  EXPECT_EQ(Secret("abc"), Secret("abc"));
  EXPECT_NE(Secret("abc"), Secret("abd"));
  EXPECT_NE(Secret("abc"), Secret("abcd"));
  EXPECT_EQ(Secret(), Secret(""));
}

TEST(SecretTest, MovingLeavesNothingBehind) {
  for (const std::string& text : {std::string("short"), std::string(200, 'x')}) {
    Secret from(text);
    const char* const old_bytes = from.reveal().data();
    const Secret to(std::move(from));
    EXPECT_EQ(to.reveal(), text);
    EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move)
    if (old_bytes != to.reveal().data()) {
      EXPECT_EQ(*old_bytes, '\0');  // it was inside `from` itself
    }
  }
}

TEST(SecretTest, AssignmentReplacesAll) {
  Secret secret(std::string(100, 'a'));
  secret = Secret("b");
  EXPECT_EQ(secret.reveal(), "b");
  const Secret copy = secret;
  secret = Secret(std::string(300, 'c'));
  EXPECT_EQ(copy.reveal(), "b");
  EXPECT_EQ(secret.reveal(), std::string(300, 'c'));
}

TEST(SecretTest, TheConstructorWipesAShortArgument) {
  std::string text = "short";
  const Secret secret(std::move(text));
  EXPECT_EQ(secret.reveal(), "short");
}

}  // namespace
}  // namespace rolemesh::base
