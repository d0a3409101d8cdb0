// JSON and YAML of messages: the same values, parseable by anyone.
#include "cli/output/message_format.h"

#include <gtest/gtest.h>

#include "rolemesh/v1/operator.pb.h"

namespace rolemesh::cli {
namespace {

v1::ListReply TwoNodes() {
  v1::ListReply reply;
  reply.mutable_version()->set_store_id("s");
  reply.mutable_version()->set_revision(7);
  v1::Node& node = *reply.add_nodes();
  node.set_node_id("gpu-1");
  node.set_state(v1::NODE_STATE_LIVE);
  node.add_granted_roles("writer");
  reply.add_nodes()->set_node_id("yes");
  return reply;
}

TEST(MessageFormatTest, JsonUsesTheNamesOfTheProtoFiles) {
  const std::string json = FormatJson(TwoNodes()).value();
  EXPECT_NE(json.find("\"node_id\": \"gpu-1\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"state\": \"NODE_STATE_LIVE\""), std::string::npos) << json;
}

TEST(MessageFormatTest, YamlNestsMapsAndListsAndQuotesStrings) {
  const std::string yaml = FormatYaml(TwoNodes()).value();
  EXPECT_NE(yaml.find("version:\n  store_id: \"s\"\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("nodes:\n  - node_id: \"gpu-1\"\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("    granted_roles:\n      - \"writer\"\n"), std::string::npos) << yaml;
  // A node called yes is no boolean.
  EXPECT_NE(yaml.find("  - node_id: \"yes\"\n"), std::string::npos) << yaml;
}

}  // namespace
}  // namespace rolemesh::cli
