// Validators: each limit of the .proto files, with the path of what broke it.
#include "proto/contract/validators.h"

#include <string>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace rolemesh::contract {
namespace {

using ::testing::StartsWith;

template <class Message>
std::string Problem(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return std::string(Validate(message).message());
}

TEST(ValidatorsTest, AgentHello) {
  const std::string good = "node_id: 'a' boot_id: 'b' front_port: 8091 ";
  EXPECT_EQ(Problem<v1::AgentHello>(good), "");
  EXPECT_THAT(Problem<v1::AgentHello>("boot_id: 'b' front_port: 1"), StartsWith("node_id: "));
  EXPECT_THAT(Problem<v1::AgentHello>("node_id: '../x' boot_id: 'b' front_port: 1"),
              StartsWith("node_id: "));
  EXPECT_THAT(Problem<v1::AgentHello>("node_id: 'a' front_port: 1"), StartsWith("boot_id: "));
  EXPECT_THAT(Problem<v1::AgentHello>("node_id: 'a' boot_id: 'b' front_port: 65536"),
              StartsWith("front_port: 65536 is not in 1..65535"));
  EXPECT_THAT(Problem<v1::AgentHello>(good + "instances { instance_id: 'i' phase: 99 }"),
              StartsWith("instances[0].phase: 99 is not a phase"));
  EXPECT_THAT(
      Problem<v1::AgentHello>(good + "instances { instance_id: 'i' phase: INSTANCE_PHASE_READY }"),
      StartsWith("instances[0].slot_count: 0 is not in 1..1000"));
  EXPECT_THAT(
      Problem<v1::AgentHello>(good + "instances { instance_id: 'i' phase: INSTANCE_PHASE_STARTING "
                                     "roles: '*' }"),
      StartsWith("instances[0].roles[0]: \"*\" is not a role name"));
  const std::string twice = "instances { instance_id: 'i' phase: INSTANCE_PHASE_STARTING } ";
  EXPECT_THAT(Problem<v1::AgentHello>(good + twice + twice),
              StartsWith("instances[1].instance_id: appears twice"));
}

TEST(ValidatorsTest, TooManyInstancesAreRefused) {
  v1::InstanceChanges changes;
  for (int i = 0; i < 257; ++i) changes.add_removed_instance_ids("i");
  EXPECT_THAT(std::string(Validate(changes).message()), StartsWith("removed_instance_ids: 257"));
}

TEST(ValidatorsTest, TableUpdate) {
  const std::string hash(32, 'h');
  const std::string good = "to { store_id: 's' revision: 1 } hash: '" + hash + "' ";
  EXPECT_EQ(Problem<v1::TableUpdate>(good), "");
  EXPECT_THAT(Problem<v1::TableUpdate>("hash: '" + hash + "'"), StartsWith("to.store_id: empty"));
  EXPECT_THAT(Problem<v1::TableUpdate>("to { store_id: 's' revision: 1 } hash: 'x'"),
              StartsWith("hash: 1 bytes"));
  EXPECT_THAT(Problem<v1::TableUpdate>(good + "part: 4096"), StartsWith("part: 4096"));
  EXPECT_THAT(Problem<v1::TableUpdate>(good + "remove { kind: 1 }"), StartsWith("remove: "));
  EXPECT_THAT(Problem<v1::TableUpdate>(good + "put { kind: 0 id: 'x' }"),
              StartsWith("put[0].kind: 0"));
}

TEST(ValidatorsTest, RolesOfOneApplyMayNotShareNames) {
  EXPECT_THAT(Problem<v1::ApplyRolesRequest>("roles { name: 'a' } roles { name: 'a' }"),
              StartsWith("roles[1].name: appears twice"));
  EXPECT_THAT(
      Problem<v1::ApplyRolesRequest>("roles { name: 'a' } roles { name: 'b' aliases: 'a' }"),
      StartsWith("roles[1].aliases: \"a\" names two roles"));
  EXPECT_THAT(Problem<v1::ApplyRolesRequest>("roles { name: 'a' aliases: 'a' }"),
              StartsWith("roles[0].aliases[0]: is the role's own name"));
}

TEST(ValidatorsTest, Tokens) {
  EXPECT_EQ(Problem<v1::CreateTokenRequest>("kind: IDENTITY_KIND_NODE name_pattern: 'gpu-*'"), "");
  EXPECT_THAT(Problem<v1::CreateTokenRequest>("name_pattern: 'a'"), StartsWith("kind: "));
  EXPECT_THAT(Problem<v1::CreateTokenRequest>("kind: IDENTITY_KIND_EDGE"),
              StartsWith("name_pattern: "));
  EXPECT_THAT(
      Problem<v1::CreateTokenRequest>("kind: IDENTITY_KIND_EDGE name_pattern: 'e' roles: 'writer'"),
      StartsWith("roles: only nodes"));
  EXPECT_THAT(Problem<v1::CreateTokenRequest>(
                  "kind: IDENTITY_KIND_NODE name_pattern: 'e' ttl { seconds: 2592001 }"),
              StartsWith("ttl: "));
  EXPECT_THAT(
      Problem<v1::CreateTokenRequest>("kind: IDENTITY_KIND_NODE name_pattern: 'e' reusable: true"),
      StartsWith("max_live: "));
}

TEST(ValidatorsTest, ProxyUrls) {
  for (const char* url : {"http://127.0.0.1:8012", "http://10.0.0.12:8012/", "http://[::1]:1",
                          "http://gpu-1.lan:8080"}) {
    EXPECT_TRUE(CheckProxyUrl(url).ok()) << url << CheckProxyUrl(url);
  }
  for (const char* url : {"",
                          "https://a:1",
                          "ftp://a:1",
                          "http://a",
                          "http://a:0",
                          "http://a:65536",
                          "http://u:p@a:1",
                          "http://a:1/v1",
                          "http://a:1?x",
                          "http://169.254.169.254:80",
                          "http://[fe80::1]:80",
                          "http://2130706433:80",
                          "http://0x7f.1:80",
                          "http://0177.0.0.1:80",
                          "http://0.0.0.0:80",
                          "http://[::]:80",
                          "http://[fd00:ec2::254]:80",
                          "http://100.100.100.200:80",
                          "http://a b:1",
                          "http://a\r\n:1",
                          "http://127.1:80",
                          "http://[::ffff:127.0.0.1]:80"}) {
    EXPECT_FALSE(CheckProxyUrl(url).ok()) << url;
  }
}

}  // namespace
}  // namespace rolemesh::contract
