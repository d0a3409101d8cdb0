#include "base/http/message_head.h"

#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

TEST(MessageHeadTest, FieldsAreFoundInAnyCase) {
  const HeaderFields fields = {{"Host", "h"}, {"X-A", "1"}, {"x-a", "2"}};
  ASSERT_NE(FindField(fields, "x-A"), nullptr);
  EXPECT_EQ(FindField(fields, "x-A")->value, "1");
  EXPECT_EQ(FindField(fields, "X-B"), nullptr);
  EXPECT_EQ(CountFields(fields, "X-A"), 2u);
}

TEST(MessageHeadTest, ConnectionListsWholeNamesOnly) {
  const HeaderFields fields = {{"Connection", "keep-alive , X-One"}, {"connection", ",x-two,"}};
  EXPECT_TRUE(ConnectionLists(fields, "x-one"));
  EXPECT_TRUE(ConnectionLists(fields, "X-Two"));
  EXPECT_TRUE(ConnectionLists(fields, "Keep-Alive"));
  EXPECT_FALSE(ConnectionLists(fields, "x"));
  EXPECT_FALSE(ConnectionLists(fields, "x-one , x-two"));
}

TEST(MessageHeadTest, HopByHopFieldsStayBehind) {
  EXPECT_TRUE(IsHopByHop("connection"));
  EXPECT_TRUE(IsHopByHop("TRANSFER-ENCODING"));
  EXPECT_TRUE(IsHopByHop("http2-settings"));
  EXPECT_FALSE(IsHopByHop("Content-Length"));
  EXPECT_FALSE(IsHopByHop("X-Connection"));
}

}  // namespace
}  // namespace rolemesh::base
