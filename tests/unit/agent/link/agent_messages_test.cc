#include "agent/link/agent_messages.h"

#include <string>

#include <gtest/gtest.h>

#include "agent/supervision/supervisor.h"
#include "proto/contract/validators.h"
#include "rolemesh/v1/agent.pb.h"

namespace rolemesh::agent {
namespace {

TEST(AgentMessagesTest, EveryStateIsOneThatTheControlPlaneAccepts) {
  for (const InstancePhase phase :
       {InstancePhase::kStopped, InstancePhase::kStarting, InstancePhase::kReady,
        InstancePhase::kDraining, InstancePhase::kBackoff, InstancePhase::kCrashLoop,
        InstancePhase::kUnfit}) {
    InstanceStatus status;
    status.id = "planner";
    status.phase = phase;
    status.roles = {"planner"};
    status.slot_count = phase == InstancePhase::kReady ? 2 : 0;
    status.model = "tiny\xff.gguf";
    status.reason = "exit status 1: \x1b[31mbad\xc3\n" + std::string(2000, 'x');
    const v1::InstanceState state = ToProto(status);
    EXPECT_TRUE(contract::Validate(state).ok()) << contract::Validate(state);
    EXPECT_EQ(state.reason().substr(0, 24), "exit status 1: ?[31mbad?");
    EXPECT_FALSE(state.SerializeAsString().empty());
  }
}

}  // namespace
}  // namespace rolemesh::agent
