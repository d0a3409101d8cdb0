// What meshctl shows of the mesh.
#include "cli/output/resource_table.h"

#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::cli {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

TEST(ResourceTableTest, ANodeShowsItsRefusals) {
  v1::ListReply reply;
  v1::Node& node = *reply.add_nodes();
  node.set_node_id("gpu-1");
  node.set_state(v1::NODE_STATE_SUSPECT);
  node.set_reason("lease ran out");
  node.add_refusals("planner: not granted");
  const std::string text = FormatResources(reply, v1::RESOURCE_KIND_NODE, kNow);
  EXPECT_THAT(text, HasSubstr("gpu-1  suspect"));
  EXPECT_THAT(text, HasSubstr("lease ran out; planner: not granted"));
}

TEST(ResourceTableTest, AKeyShowsAgeExpiryAndThatItIsGoodForAllRoles) {
  v1::ListReply reply;
  v1::Key& key = *reply.add_keys();
  key.set_key_id("abc");
  key.mutable_created_at()->set_seconds(1'000'000 - 3 * 3600);
  const std::string text = FormatResources(reply, v1::RESOURCE_KIND_KEY, kNow);
  EXPECT_THAT(text, HasSubstr("abc  all    3h   never"));
}

TEST(ResourceTableTest, StatusNamesRolesThatNobodyServes) {
  v1::GetStatusReply reply;
  reply.set_mesh("home");
  reply.set_roles_total(2);
  reply.add_roles_without_endpoint("writer");
  reply.add_problems("edge e refused table 3");
  const std::string text = FormatStatus(reply);
  EXPECT_THAT(text, HasSubstr("mesh       home\n"));
  EXPECT_THAT(text, HasSubstr("2, without endpoint: writer\n"));
  EXPECT_THAT(text, HasSubstr("PROBLEM    edge e refused table 3\n"));
}

}  // namespace
}  // namespace rolemesh::cli
