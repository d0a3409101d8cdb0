#include "agent/link/agent_link.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/supervision/instance_directory.h"
#include "base/metrics/registry.h"
#include "proto/contract/limits.h"
#include "proto/contract/validators.h"
#include "rolemesh/v1/agent.pb.h"
#include "tests/fakes/agent/fake_agent_stream.h"
#include "tests/fakes/base/fake_clock.h"
#include "tests/fakes/base/fake_executor.h"

namespace rolemesh::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AgentLinkTest : public ::testing::Test {
 protected:
  AgentLinkTest() {
    InstanceStatus planner;
    planner.id = "planner";
    planner.phase = InstancePhase::kReady;
    planner.generation = 3;
    planner.roles = {"planner"};
    planner.slot_count = 2;
    planner.model = "tiny.gguf";
    statuses_ = {planner};
    auto entry = std::make_shared<InstanceEntry>();
    entry->id = "planner";
    entry->slot_count = 2;
    entry->running = running_;
    directory_.Publish(InstanceSnapshot({entry}));

    client::MeshIdentity identity;
    identity.id = {.mesh = "home", .kind = contract::IdentityKind::kNode, .name = "n1"};
    identity.serial = "01";
    identity.not_before = clock_.WallNow();
    identity.not_after = clock_.WallNow() + absl::Hours(24);
    AgentLinkHooks hooks;
    hooks.statuses = [this] { return statuses_; };
    hooks.log_tail = [this](absl::string_view id, int lines,
                            size_t) -> absl::StatusOr<std::string> {
      asked_lines_ = lines;
      if (id != "planner") {
        return absl::NotFoundError(std::string(id) + ": no such instance on this node");
      }
      return log_;
    };
    hooks.set_draining = [this](bool draining) { drained_.push_back(draining); };
    hooks.on_identity = [](const client::MeshIdentity&) { ADD_FAILURE(); };
    hooks.on_revoked = [this](std::vector<std::string> serials, std::vector<std::string>) {
      revoked_ = std::move(serials);
    };
    hooks.random = [] { return 0.5; };
    AgentLinkOptions options;
    options.control_planes = {"cp1:7443", "cp2:7443"};
    options.front_port = 8091;
    options.boot_id = "boot";
    link_ = std::make_unique<AgentLink>(std::move(options), std::move(identity), std::move(hooks),
                                        executor_, clock_, dialer_, directory_, metrics_);
  }

  void Connect() {
    link_->Start();
    executor_.Settle();
    Welcome();
  }
  void Welcome(bool draining = false) {
    v1::ControlMessage message;
    message.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(2);
    message.mutable_welcome()->add_revoked_serials("0badc0de");
    message.mutable_welcome()->set_draining(draining);
    Say(std::move(message));
  }
  void Say(v1::ControlMessage message) {
    dialer_.Say(std::move(message));
    executor_.Settle();
  }
  void Order(bool draining, bool edges_acked) {
    v1::ControlMessage message;
    message.mutable_drain()->set_draining(draining);
    message.mutable_drain()->set_edges_acked(edges_acked);
    Say(std::move(message));
  }
  void Close(absl::Status status) {
    dialer_.Close(std::move(status));
    executor_.Settle();
  }
  int Count(v1::AgentMessage::MessageCase kind) {
    int count = 0;
    for (const v1::AgentMessage& message : dialer_.sent()) {
      count += message.message_case() == kind ? 1 : 0;
    }
    return count;
  }

  base::FakeClock clock_;
  base::FakeExecutor executor_{&clock_};
  FakeAgentStreamDialer dialer_;
  InstanceDirectory directory_;
  base::MetricRegistry metrics_;
  std::vector<InstanceStatus> statuses_;
  std::shared_ptr<RunningRequests> running_ = std::make_shared<RunningRequests>();
  std::string log_;
  int asked_lines_ = 0;
  std::vector<bool> drained_;
  std::vector<std::string> revoked_;
  std::unique_ptr<AgentLink> link_;
};

TEST_F(AgentLinkTest, TheHelloStatesEveryInstanceAndIsValid) {
  Connect();
  ASSERT_FALSE(dialer_.sent().empty());
  const v1::AgentHello& hello = dialer_.sent()[0].hello();
  EXPECT_TRUE(contract::Validate(hello).ok()) << contract::Validate(hello);
  EXPECT_EQ(hello.node_id(), "n1");
  EXPECT_EQ(hello.front_port(), 8091);
  ASSERT_EQ(hello.instances_size(), 1);
  EXPECT_EQ(hello.instances(0).generation(), 3);
  EXPECT_EQ(hello.instances(0).phase(), v1::INSTANCE_PHASE_READY);
  EXPECT_TRUE(link_->connected());
  EXPECT_THAT(revoked_, ElementsAre("0badc0de"));
}

TEST_F(AgentLinkTest, TheFirstHelloWaitsALittleForAdoptedInstances) {
  statuses_[0].phase = InstancePhase::kStarting;
  link_->Start();
  executor_.AdvanceBy(absl::Milliseconds(100));
  EXPECT_THAT(dialer_.addresses(), IsEmpty());
  statuses_[0].phase = InstancePhase::kReady;
  executor_.AdvanceBy(absl::Milliseconds(10));
  EXPECT_THAT(dialer_.addresses(), ElementsAre("cp1:7443"));
}

TEST_F(AgentLinkTest, TheFirstHelloDoesNotWaitForASlowModel) {
  statuses_[0].phase = InstancePhase::kStarting;
  link_->Start();
  executor_.AdvanceBy(absl::Milliseconds(600));
  EXPECT_THAT(dialer_.addresses(), ElementsAre("cp1:7443"));
}

TEST_F(AgentLinkTest, HeartbeatsComeAtTheIntervalWithChangedLoadsOnly) {
  Connect();
  running_->OnRequestStarted();
  running_->OnRequestStarted();
  running_->OnRequestStarted();
  executor_.AdvanceBy(absl::Seconds(4));
  ASSERT_EQ(dialer_.sent().size(), 3);
  const v1::AgentHeartbeat& first = dialer_.sent()[1].heartbeat();
  EXPECT_EQ(first.sequence(), 1);
  ASSERT_EQ(first.loads_size(), 1);
  EXPECT_EQ(first.loads(0).running(), 2);
  EXPECT_EQ(first.loads(0).waiting(), 1);
  EXPECT_EQ(dialer_.sent()[2].heartbeat().sequence(), 2);
  EXPECT_EQ(dialer_.sent()[2].heartbeat().loads_size(), 0);
}

TEST_F(AgentLinkTest, AChangeIsToldAtOnceAlone) {
  Connect();
  InstanceStatus status = statuses_[0];
  status.phase = InstancePhase::kBackoff;
  status.reason = "killed by signal 9 (KILL)";
  link_->OnInstanceChanged(status, false);
  executor_.Settle();
  ASSERT_EQ(Count(v1::AgentMessage::kInstances), 1);
  EXPECT_EQ(dialer_.sent().back().instances().changed(0).phase(), v1::INSTANCE_PHASE_BACKOFF);
  link_->OnInstanceChanged(status, true);
  executor_.Settle();
  EXPECT_THAT(dialer_.sent().back().instances().removed_instance_ids(), ElementsAre("planner"));
}

TEST_F(AgentLinkTest, ALostStreamIsRedialledAtTheNextAddressAndInstancesAreLeftAlone) {
  Connect();
  Close(absl::UnavailableError("gone"));
  EXPECT_FALSE(link_->connected());
  executor_.AdvanceBy(absl::Seconds(1));
  EXPECT_THAT(dialer_.addresses(), ElementsAre("cp1:7443", "cp2:7443"));
  EXPECT_EQ(Count(v1::AgentMessage::kHello), 1);
  EXPECT_THAT(drained_, IsEmpty());
  // Heartbeats of the old stream have ended.
  executor_.AdvanceBy(absl::Seconds(10));
  EXPECT_EQ(Count(v1::AgentMessage::kHeartbeat), 0);
}

TEST_F(AgentLinkTest, AControlPlaneThatDoesNotWelcomeIsGivenUp) {
  link_->Start();
  executor_.AdvanceBy(absl::Seconds(16));
  EXPECT_THAT(dialer_.addresses(), ElementsAre("cp1:7443", "cp2:7443"));
}

TEST_F(AgentLinkTest, ARefusedNodeComesBackSlowly) {
  for (const absl::Status& status : {absl::PermissionDeniedError("removed"),
                                     absl::UnauthenticatedError("no certificate of this mesh")}) {
    SCOPED_TRACE(status.ToString());
    const size_t dials = dialer_.addresses().size();
    if (dials == 0) {
      Connect();
    } else {
      Welcome();
    }
    const size_t before = dialer_.addresses().size();
    Close(status);
    executor_.AdvanceBy(absl::Seconds(30));
    EXPECT_EQ(dialer_.addresses().size(), before);
    executor_.AdvanceBy(absl::Seconds(31));
    EXPECT_EQ(dialer_.addresses().size(), before + 1);
  }
}

TEST_F(AgentLinkTest, AFinalClosingIsObeyedWhateverTheStatus) {
  Connect();
  v1::ControlMessage closing;
  closing.mutable_closing()->set_final(true);
  closing.mutable_closing()->set_reason("another agent took the name");
  Say(std::move(closing));
  Close(absl::AbortedError("fenced"));
  executor_.AdvanceBy(absl::Seconds(30));
  EXPECT_EQ(dialer_.addresses().size(), 1);
}

TEST_F(AgentLinkTest, AClosingsPauseIsHonoured) {
  Connect();
  v1::ControlMessage closing;
  closing.mutable_closing()->set_retry_after_ms(20000);
  Say(std::move(closing));
  Close(absl::ResourceExhaustedError("too many reconnects"));
  executor_.AdvanceBy(absl::Seconds(19));
  EXPECT_EQ(dialer_.addresses().size(), 1);
  executor_.AdvanceBy(absl::Seconds(2));
  EXPECT_EQ(dialer_.addresses().size(), 2);
}

TEST_F(AgentLinkTest, NewWorkIsRefusedOnlyOnceEveryEdgeKnows) {
  Connect();
  Order(true, false);
  EXPECT_THAT(drained_, IsEmpty());
  running_->OnRequestStarted();
  Order(true, true);
  EXPECT_THAT(drained_, ElementsAre(true));
  EXPECT_EQ(dialer_.sent().back().drain_progress().running(), 1);
  running_->OnRequestEnded();
  executor_.AdvanceBy(absl::Seconds(2));
  EXPECT_EQ(dialer_.sent().back().message_case(), v1::AgentMessage::kDrainProgress);
  EXPECT_EQ(dialer_.sent().back().drain_progress().running(), 0);
  Order(false, false);
  EXPECT_THAT(drained_, ElementsAre(true, false));
}

TEST_F(AgentLinkTest, ADrainOutlivesTheStreamAndTheWelcomeMayEndIt) {
  Connect();
  Order(true, true);
  Close(absl::UnavailableError("gone"));
  executor_.AdvanceBy(absl::Seconds(1));
  EXPECT_TRUE(dialer_.sent()[0].hello().draining());
  Welcome(/*draining=*/true);
  EXPECT_THAT(drained_, ElementsAre(true));
  Close(absl::UnavailableError("gone"));
  executor_.AdvanceBy(absl::Seconds(1));
  Welcome(/*draining=*/false);
  EXPECT_THAT(drained_, ElementsAre(true, false));
}

TEST_F(AgentLinkTest, ALogIsSentInChunksOfWholeLines) {
  Connect();
  const std::string line(999, 'x');
  for (int i = 0; i < 100; ++i) {
    log_ += line + "\n";
  }
  v1::ControlMessage message;
  message.mutable_log_request()->set_request_id(7);
  message.mutable_log_request()->set_instance_id("planner");
  message.mutable_log_request()->set_line_count(4000000000);
  Say(message);
  EXPECT_EQ(asked_lines_, contract::kMaxLogLines);
  ASSERT_EQ(Count(v1::AgentMessage::kLogChunk), 2);
  const v1::LogChunk& first = dialer_.sent()[1].log_chunk();
  const v1::LogChunk& last = dialer_.sent()[2].log_chunk();
  EXPECT_EQ(first.request_id(), 7);
  EXPECT_LE(first.data().size(), contract::kMaxLogChunkBytes);
  EXPECT_EQ(first.data().back(), '\n');
  EXPECT_FALSE(first.last());
  EXPECT_TRUE(last.last());
  EXPECT_EQ(first.data() + last.data(), log_);
}

TEST_F(AgentLinkTest, ALogThatIsNotThereIsAnsweredWithTheReason) {
  Connect();
  v1::ControlMessage message;
  message.mutable_log_request()->set_instance_id("../../etc/passwd");
  Say(message);
  const v1::LogChunk& chunk = dialer_.sent().back().log_chunk();
  EXPECT_TRUE(chunk.last());
  EXPECT_THAT(chunk.error(), HasSubstr("no such instance"));
}

TEST_F(AgentLinkTest, ACertificateIsRenewedAtTwoThirdsOfItsLifeAndARefusalIsAskedAgain) {
  Connect();
  executor_.AdvanceBy(absl::Hours(14));
  EXPECT_EQ(Count(v1::AgentMessage::kCertificateRequest), 0);
  executor_.AdvanceBy(absl::Hours(4));
  ASSERT_EQ(Count(v1::AgentMessage::kCertificateRequest), 1);
  v1::ControlMessage reply;
  reply.mutable_certificate_reply()->set_refusal("the store is read-only");
  Say(reply);
  EXPECT_EQ(Count(v1::AgentMessage::kCertificateRequest), 1);
  executor_.AdvanceBy(absl::Minutes(6));
  EXPECT_EQ(Count(v1::AgentMessage::kCertificateRequest), 2);
}

TEST_F(AgentLinkTest, LeavingIsToldAndEndsTheDialling) {
  Connect();
  bool left = false;
  link_->Leave("stopping", [&] { left = true; });
  executor_.Settle();
  EXPECT_EQ(dialer_.sent().back().leaving().reason(), "stopping");
  EXPECT_TRUE(dialer_.finished());
  EXPECT_FALSE(left);
  Close(absl::OkStatus());
  EXPECT_TRUE(left);
  executor_.AdvanceBy(absl::Minutes(5));
  EXPECT_EQ(dialer_.addresses().size(), 1);
}

TEST_F(AgentLinkTest, LeavingAControlPlaneThatDoesNotListenTakesTwoSeconds) {
  Connect();
  bool left = false;
  link_->Leave("stopping", [&] { left = true; });
  executor_.AdvanceBy(absl::Seconds(2));
  EXPECT_TRUE(left);
}

TEST_F(AgentLinkTest, LeavingWithoutAControlPlaneIsImmediate) {
  link_->Start();
  executor_.Settle();
  bool left = false;
  link_->Leave("stopping", [&] { left = true; });
  executor_.Settle();
  EXPECT_TRUE(left);
  EXPECT_FALSE(dialer_.open());
}

}  // namespace
}  // namespace rolemesh::agent
