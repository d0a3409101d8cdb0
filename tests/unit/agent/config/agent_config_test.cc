#include "agent/config/agent_config.h"

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

TEST(AgentConfigTest, DefaultsListenOnLoopback) {
  const auto config = ParseConfig("control_planes: [cp.example:7443]\n", "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->front_listen.ToString(), "127.0.0.1:8091");
  EXPECT_EQ(config->admin_listen->ToString(), "127.0.0.1:9091");
  EXPECT_EQ(config->drain_cap, absl::Seconds(60));
  EXPECT_EQ(config->IdentityDir(), "/var/lib/rolemesh/agent/identity");
  EXPECT_TRUE(config->instances.empty());
}

TEST(AgentConfigTest, AnInstanceIsReadWhole) {
  const auto config = ParseConfig(R"(
control_planes: [127.0.0.1:7443]
admin_listen: off
instances:
  - name: planner
    roles: [planner, coder]
    model: tiny-chat.gguf
    slots: 2
    context_per_slot: 2048
    min_context: 1024
    threads: 1
    extra_args: [-ngl, "99", --reasoning-budget, -1]
)",
                                  "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->admin_listen.has_value());
  ASSERT_EQ(config->instances.size(), 1);
  const InstanceConfig& planner = config->instances[0];
  EXPECT_EQ(planner.name, "planner");
  EXPECT_THAT(planner.roles, ElementsAre("planner", "coder"));
  EXPECT_EQ(planner.slot_count, 2);
  EXPECT_EQ(planner.context_per_slot, 2048);
  EXPECT_EQ(planner.min_context, 1024);
  EXPECT_EQ(planner.batch_tokens, 512);
  EXPECT_EQ(planner.host_cache_mib, 0);
  EXPECT_THAT(planner.extra_arguments, ElementsAre("-ngl", "99", "--reasoning-budget", "-1"));
  EXPECT_EQ(planner.where_model, "agent.yaml:7: instances[0].model");
}

TEST(AgentConfigTest, MistakesAreOneLineEach) {
  const std::string kInstance = "control_planes: [a:1]\ninstances:\n  - name: a\n";
  const struct {
    std::string text;
    std::string error;
  } kCases[] = {
      {"{}", "f:1: control_planes: names no control plane"},
      {"control_planes: [http://a:1]", "f:1: control_planes: \"http://a:1\" is not HOST:PORT"},
      {"control_planes: [a:1]\nfront: {listen: \"0.0.0.0:8091\"}",
       "f:2: front.listen: would listen on every network"},
      {"control_planes: [a:1]\nadmin_listen: 10.0.0.1:9091", "f:2: admin_listen: is not loopback"},
      {"control_planes: [a:1]\nmodels_dir: models", "f:2: models_dir: is not absolute"},
      {kInstance + "    roles: [r]", "f:3: instances[0].model: "},
      {kInstance + "    model: m", "f:3: instances[0].roles: names no role"},
      {kInstance + "    model: m\n    roles: [r, r]", "f:5: instances[0].roles: names r twice"},
      {kInstance + "    model: m\n    roles: [R]", "f:5: instances[0].roles: \"R\" is not a role"},
      {kInstance + "    model: m\n    roles: [r]\n    min_context: 8192",
       "f:6: instances[0].min_context: is more than context_per_slot"},
      {kInstance + "    model: m\n    roles: [r]\n  - {name: a, model: m, roles: [r]}",
       "f:6: instances[1].name: \"a\" is taken"},
      {kInstance + "    model: m\n    roles: [r]\n    slot: 2",
       "f:6: instances[0].slot: unknown key"},
      {"control_planes: [a:1]\ninstances: [{name: ../x, model: m, roles: [r]}]",
       "f:2: instances[0].name: \"../x\" is not an instance name"},
  };
  for (const auto& test : kCases) {
    const auto config = ParseConfig(test.text, "f");
    EXPECT_THAT(std::string(config.status().message()), StartsWith(test.error)) << test.text;
  }
}

}  // namespace
}  // namespace rolemesh::agent
