#include "dataplane/upstream/endpoint_health.h"

#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace rolemesh::dataplane {
namespace {

const Destination kAddress{{base::IpAddress::FromV4({127, 0, 0, 1}), 8091}, "", ""};

base::SteadyTime At(absl::Duration since_start) {
  return base::SteadyTime() + absl::ToChronoNanoseconds(absl::Hours(1) + since_start);
}

TEST(EndpointHealthTest, PermitsCountWhileTheyLive) {
  EndpointHealth health;
  const std::shared_ptr<EndpointState> state = health.Get("gpu-1/coder", kAddress);
  {
    InFlightPermit first(state);
    InFlightPermit second(state);
    EXPECT_EQ(state->in_flight(), 2u);
    InFlightPermit moved = std::move(first);
    first = InFlightPermit();
    EXPECT_EQ(state->in_flight(), 2u);
    second = InFlightPermit();
    EXPECT_EQ(state->in_flight(), 1u);
  }
  EXPECT_EQ(state->in_flight(), 0u);
}

TEST(EndpointHealthTest, EveryoneSeesTheSameState) {
  EndpointHealth health;
  const auto mine = health.Get("a", kAddress);
  health.Get("a", kAddress)->OnConnectFailed();
  EXPECT_TRUE(mine->ejected());
  EXPECT_FALSE(health.Get("a#2", kAddress)->ejected()) << "another generation starts anew";
}

TEST(EndpointHealthTest, EjectedEndpointsAreProbedWithGrowingPauses) {
  EndpointHealth health;
  const auto state = health.Get("a", kAddress);
  const auto well = health.Get("b", kAddress);
  EXPECT_TRUE(health.TakeDueProbes(At(absl::ZeroDuration())).empty());
  state->OnConnectFailed();

  std::vector<int64_t> probed_at_ms;
  for (int64_t ms = 0; ms < 40'000; ms += 50) {
    for (const EndpointHealth::Probe& probe : health.TakeDueProbes(At(absl::Milliseconds(ms)))) {
      EXPECT_EQ(probe.state, state);
      EXPECT_EQ(probe.destination, kAddress);
      probed_at_ms.push_back(ms);
    }
  }
  ASSERT_GE(probed_at_ms.size(), 8u);
  EXPECT_EQ(probed_at_ms[0], 100);
  EXPECT_EQ(probed_at_ms[1], 300);
  EXPECT_EQ(probed_at_ms[2], 700);
  EXPECT_EQ(probed_at_ms.back() - probed_at_ms[probed_at_ms.size() - 2], 5000);

  state->OnConnected();
  EXPECT_TRUE(health.TakeDueProbes(At(absl::Hours(1))).empty());
}

TEST(EndpointHealthTest, StatesThatNobodyUsesAreForgotten) {
  EndpointHealth health;
  const auto kept = health.Get("kept", kAddress);
  kept->OnConnectFailed();
  for (int i = 0; i < 1000; ++i) {
    health.Get(absl::StrCat("gone-", i), kAddress);
  }
  EXPECT_TRUE(health.Get("kept", kAddress)->ejected());
}

}  // namespace
}  // namespace rolemesh::dataplane
