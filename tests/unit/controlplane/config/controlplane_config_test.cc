// controlplane.yaml: what it means, and how it complains.
#include "controlplane/config/controlplane_config.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::controlplane {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kSmall[] = "mesh: home\nstate_dir: /var/lib/cp\n";

std::string Complaint(const std::string& more) {
  return std::string(ParseConfig(kSmall + more, "cp.yaml").status().message());
}

TEST(ControlPlaneConfigTest, TheSmallestFileBindsLoopback) {
  const absl::StatusOr<ControlPlaneConfig> config = ParseConfig(kSmall, "cp.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->mesh, "home");
  EXPECT_EQ(config->replica, "cp-1");
  EXPECT_EQ(config->listen.ToString(), "127.0.0.1:7443");
  EXPECT_EQ(config->socket_path, "/var/lib/cp/controlplane.sock");
  EXPECT_EQ(config->admin_listen->ToString(), "127.0.0.1:9070");
  EXPECT_TRUE(config->node_cidrs.empty());
  EXPECT_EQ(config->lease_duration, absl::Seconds(6));
  EXPECT_EQ(config->heartbeat_interval, absl::Seconds(2));
  EXPECT_EQ(config->removal_grace, absl::Seconds(60));
}

TEST(ControlPlaneConfigTest, EmptyTextMeansDefaultForTheSocketAndOffForAdmin) {
  const absl::StatusOr<ControlPlaneConfig> config =
      ParseConfig(std::string(kSmall) + "socket: \"\"\nadmin_listen: \"\"\n", "cp.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->socket_path, "/var/lib/cp/controlplane.sock");
  EXPECT_FALSE(config->admin_listen.has_value());
}

TEST(ControlPlaneConfigTest, AMistakeIsOneLineWithFileLineKeyAndRemedy) {
  EXPECT_THAT(Complaint("lisen: 127.0.0.1:1\n"),
              AllOf(StartsWith("cp.yaml:3: lisen: "), HasSubstr("listen")));
  EXPECT_THAT(Complaint("listen: localhost:1\n"), StartsWith("cp.yaml:3: listen: "));
  EXPECT_THAT(Complaint("admin_listen: 0.0.0.0:9070\n"),
              AllOf(StartsWith("cp.yaml:3: admin_listen: "), HasSubstr("127.0.0.1:PORT")));
  EXPECT_THAT(Complaint("node_cidrs: [10.1.0.0/8]\n"), StartsWith("cp.yaml:3: node_cidrs"));
  EXPECT_THAT(Complaint("default_role: Planner\n"), StartsWith("cp.yaml:3: default_role: "));
  EXPECT_THAT(Complaint("socket: run/cp.sock\n"), StartsWith("cp.yaml:3: socket: "));
  EXPECT_THAT(Complaint("lease: {duration: 6s, heartbeat_interval: 4s}\n"),
              StartsWith("cp.yaml:3: lease.heartbeat_interval: "));
  EXPECT_THAT(Complaint("lease: {duration: 6}\n"), StartsWith("cp.yaml:3: lease.duration: "));
}

TEST(ControlPlaneConfigTest, MeshAndStateDirAreNeeded) {
  EXPECT_THAT(std::string(ParseConfig("mesh: home\n", "cp.yaml").status().message()),
              HasSubstr("state_dir"));
  EXPECT_THAT(std::string(ParseConfig("state_dir: /x\n", "cp.yaml").status().message()),
              HasSubstr("mesh"));
}

}  // namespace
}  // namespace rolemesh::controlplane
