#include "base/ids/strong_string.h"

#include <string>
#include <type_traits>

#include "absl/container/flat_hash_set.h"
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

using NodeId = StrongString<struct NodeIdTag>;
using EdgeId = StrongString<struct EdgeIdTag>;

static_assert(!std::is_convertible_v<std::string, NodeId>);
static_assert(!std::is_convertible_v<NodeId, std::string>);
static_assert(!std::is_constructible_v<NodeId, EdgeId>);

TEST(StrongStringTest, OrdersAndHashesByBytes) {
  EXPECT_LT(NodeId("a"), NodeId("b"));
  EXPECT_EQ(NodeId("a"), NodeId(std::string("a")));
  EXPECT_NE(NodeId("a"), NodeId());
  EXPECT_TRUE(absl::flat_hash_set<NodeId>({NodeId("a"), NodeId("b")}).contains(NodeId("b")));
}

}  // namespace
}  // namespace rolemesh::base
