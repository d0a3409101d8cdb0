#include "controlplane/store/transaction.h"

#include <string>

#include "absl/status/status.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::controlplane {
namespace {

using ::testing::HasSubstr;

TEST(TransactionTest, ThePrefixEndIsTheFirstKeyBehindThePrefix) {
  EXPECT_EQ(PrefixEnd("a/"), "a0");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\x7f"), "\x80");
  EXPECT_EQ(PrefixEnd("\xff"), "");
  EXPECT_EQ(PrefixEnd(""), "");
}

TEST(TransactionTest, AnAbsentKeyHasRevisionsZeroAndNoValue) {
  EXPECT_TRUE(Holds(Compare::Absent("a"), nullptr));
  EXPECT_TRUE(Holds(Compare::Unchanged("a", 0), nullptr));
  EXPECT_FALSE(Holds(Compare::Exists("a"), nullptr));
  EXPECT_FALSE(Holds(Compare::ValueIs("a", ""), nullptr));
}

TEST(TransactionTest, ARefusalNamesThePlaceInTheTransaction) {
  const std::string message(
      ValidateTransaction({{}, {Op::Put("a", "1"), Op::Put("", "2")}, {}}).message());
  EXPECT_EQ(message, "then[1]: empty key");
  EXPECT_THAT(
      std::string(ValidateTransaction({{}, {}, {Op::Put("k", "1"), Op::Put("k", "2")}}).message()),
      HasSubstr("otherwise: key put twice: k"));
}

TEST(TransactionTest, TheSameKeyMayBePutInBothBranches) {
  EXPECT_TRUE(ValidateTransaction({{}, {Op::Put("a", "1")}, {Op::Put("a", "2")}}).ok());
  EXPECT_TRUE(ValidateTransaction({{}, {Op::Delete("a"), Op::DeletePrefix("a")}, {}}).ok());
  EXPECT_TRUE(ValidateTransaction({{}, {Op::Put("a", "1"), Op::DeletePrefix("a/")}, {}}).ok());
}

}  // namespace
}  // namespace rolemesh::controlplane
