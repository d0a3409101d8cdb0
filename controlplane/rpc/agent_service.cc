#include "controlplane/rpc/agent_service.h"

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <grpcpp/support/server_callback.h>

#include "controlplane/fleet/fleet_codec.h"
#include "controlplane/rpc/message_stream.h"
#include "controlplane/rpc/peer_address.h"
#include "proto/contract/limits.h"
#include "proto/contract/validators.h"
#include "rolemesh/v1/agent.grpc.pb.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::string_view kMethod = "/rolemesh.v1.AgentService/Connect";
constexpr absl::Duration kHelloTimeout = absl::Seconds(10);
constexpr size_t kMaxQueued = 256;  // log requests are 64 at most; the rest is one or two

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds))));
}

class AgentStream final : public MessageStream<v1::AgentMessage, v1::ControlMessage>,
                          public AgentSink {
 public:
  AgentStream(grpc::CallbackServerContext* context, Reconciler* reconciler,
              const CertificateHook* renew, Caller caller)
      : MessageStream(context, kMaxQueued),
        reconciler_(reconciler),
        renew_(renew),
        caller_(std::move(caller)) {}

  // --- AgentSink

  void SendWelcome(const AgentWelcome& welcome) override {
    v1::ControlMessage message;
    v1::AgentWelcome* out = message.mutable_welcome();
    out->set_session_epoch(welcome.epoch);
    SetDuration(welcome.lease, out->mutable_lease());
    SetDuration(welcome.heartbeat_interval, out->mutable_heartbeat_interval());
    out->set_config_version(static_cast<uint64_t>(welcome.config_version));
    for (const std::string& role : welcome.granted_roles) out->add_granted_roles(role);
    for (const std::string& id : welcome.revoked_identities) out->add_revoked_identities(id);
    for (const std::string& serial : welcome.revoked_serials) out->add_revoked_serials(serial);
    out->set_draining(welcome.draining);
    Write(std::move(message));
  }

  void SendHeartbeatAck(uint64_t sequence) override {
    v1::ControlMessage message;
    message.mutable_heartbeat_ack()->set_sequence(sequence);
    Write(std::move(message));
  }

  void SendRoleRefusals(const std::vector<RoleRefusal>& refusals) override {
    v1::ControlMessage message;
    v1::RoleRefusals* out = message.mutable_role_refusals();
    for (const RoleRefusal& refusal : refusals) {
      v1::RoleRefusal* to = out->add_refusals();
      to->set_instance_id(refusal.instance.value());
      to->set_role(refusal.role);
      to->set_reason(refusal.reason);
    }
    Write(std::move(message));
  }

  void SendDrainOrder(bool draining, bool edges_acked) override {
    v1::ControlMessage message;
    message.mutable_drain()->set_draining(draining);
    message.mutable_drain()->set_edges_acked(edges_acked);
    Write(std::move(message));
  }

  void SendLogRequest(uint64_t request_id, const LogQuery& query) override {
    v1::ControlMessage message;
    v1::LogRequest* out = message.mutable_log_request();
    out->set_request_id(request_id);
    out->set_instance_id(query.instance.value());
    out->set_line_count(query.line_count);
    out->set_follow(query.follow);
    Write(std::move(message));
  }

  void SendLogCancel(uint64_t request_id) override {
    v1::ControlMessage message;
    message.mutable_log_request()->set_request_id(request_id);
    message.mutable_log_request()->set_cancel(true);
    Write(std::move(message));
  }

  void ReadNext() override { Next(); }

  void CloseStream(const StreamEnd& end) override {
    v1::ControlMessage message;
    v1::Closing* closing = message.mutable_closing();
    closing->set_reason(std::string(end.status.message()));
    closing->set_retry_after_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(end.retry_after)));
    closing->set_final(end.final);
    Write(std::move(message));
    Close(end.status);
  }

 private:
  void HandleMessage(v1::AgentMessage& in) override {
    const absl::Status status = opened_ ? Handle(in) : Open(in);
    if (!status.ok()) CloseStream({.status = status});
  }

  void HandleEnd() override {
    absl::MutexLock lock(&opening_);
    ended_ = true;
    if (opened_) reconciler_->OnAgentClosed(stream_);
  }

  absl::Status Open(v1::AgentMessage& in) {
    if (!in.has_hello()) return absl::InvalidArgumentError("the first message must be hello");
    const v1::AgentHello& hello = in.hello();
    if (absl::Status status = contract::Validate(hello); !status.ok()) return status;
    if (hello.node_id() != caller_.name) {
      return absl::PermissionDeniedError(absl::StrCat(
          "the certificate is node ", caller_.name, "'s, the hello node ", hello.node_id(), "'s"));
    }
    absl::StatusOr<std::string> address = IpLiteralOfPeer(caller_.peer);
    if (!address.ok()) return address.status();
    AgentHello out;
    out.version = hello.version();
    out.boot_id = hello.boot_id();
    out.front_port = static_cast<uint16_t>(hello.front_port());
    out.inventory = FromProto(hello.inventory());
    for (const v1::InstanceState& state : hello.instances()) {
      out.instances.push_back(FromProto(state));
    }
    out.draining = hello.draining();
    // Held while the id comes back: the loop may ask for the next message before.
    absl::MutexLock lock(&opening_);
    if (ended_) return absl::CancelledError("the call was cancelled");
    stream_ = reconciler_->OpenAgent(
        {NodeId(caller_.name), caller_.spiffe_id, caller_.serial, *std::move(address)},
        std::move(out), std::static_pointer_cast<AgentStream>(shared_from_this()));
    opened_ = true;
    return absl::OkStatus();
  }

  absl::Status Handle(v1::AgentMessage& in) {
    StreamId stream;
    {
      absl::MutexLock lock(&opening_);
      stream = stream_;
    }
    switch (in.message_case()) {
      case v1::AgentMessage::kHello:
        return absl::InvalidArgumentError("a second hello");
      case v1::AgentMessage::kHeartbeat: {
        if (absl::Status status = contract::Validate(in.heartbeat()); !status.ok()) return status;
        std::vector<std::pair<InstanceId, InstanceLoad>> loads;
        for (const v1::InstanceLoad& load : in.heartbeat().loads()) {
          loads.push_back({InstanceId(load.instance_id()), {load.running(), load.waiting()}});
        }
        reconciler_->OnHeartbeat(stream, in.heartbeat().sequence(), std::move(loads));
        return absl::OkStatus();
      }
      case v1::AgentMessage::kInstances: {
        if (absl::Status status = contract::Validate(in.instances()); !status.ok()) return status;
        std::vector<Instance> changed;
        for (const v1::InstanceState& state : in.instances().changed()) {
          changed.push_back(FromProto(state));
        }
        std::vector<InstanceId> removed;
        for (const std::string& id : in.instances().removed_instance_ids()) {
          removed.emplace_back(id);
        }
        reconciler_->OnInstances(stream, std::move(changed), std::move(removed));
        return absl::OkStatus();
      }
      case v1::AgentMessage::kCertificateRequest:
        Renew(std::move(*in.mutable_certificate_request()->mutable_csr_der()));
        return absl::OkStatus();
      case v1::AgentMessage::kDrainProgress:
        reconciler_->OnDrainProgress(stream, in.drain_progress().running());
        return absl::OkStatus();
      case v1::AgentMessage::kLogChunk: {
        v1::LogChunk* chunk = in.mutable_log_chunk();
        if (chunk->data().size() > contract::kMaxLogChunkBytes) {
          return absl::InvalidArgumentError("log_chunk.data: too long");
        }
        absl::StatusOr<LogChunk> out = LogChunk{std::move(*chunk->mutable_data()), chunk->last()};
        if (!chunk->error().empty()) out = absl::FailedPreconditionError(chunk->error());
        reconciler_->OnLogChunk(stream, chunk->request_id(), std::move(out));
        return absl::OkStatus();
      }
      case v1::AgentMessage::kLeaving:
        reconciler_->OnAgentLeaving(stream, in.leaving().reason());
        return absl::OkStatus();
      case v1::AgentMessage::kTraceChunk:
      case v1::AgentMessage::MESSAGE_NOT_SET:  // of a newer agent
        Next();
        return absl::OkStatus();
    }
    Next();
    return absl::OkStatus();
  }

  // The next message is read after the reply: one renewal at a time.
  void Renew(std::string csr_der) {
    if (csr_der.size() > contract::kMaxCsrBytes) {
      CloseStream({.status = absl::InvalidArgumentError("certificate_request.csr_der: too long")});
      return;
    }
    (*renew_)(caller_, std::move(csr_der),
              [self = std::static_pointer_cast<AgentStream>(shared_from_this())](
                  v1::CertificateReply reply) {
                v1::ControlMessage message;
                *message.mutable_certificate_reply() = std::move(reply);
                self->Write(std::move(message));
                self->Next();
              });
  }

  Reconciler* const reconciler_;
  const CertificateHook* const renew_;
  const Caller caller_;
  absl::Mutex opening_;
  StreamId stream_ ABSL_GUARDED_BY(opening_){};
  bool ended_ ABSL_GUARDED_BY(opening_) = false;
  std::atomic<bool> opened_ = false;
};

class AgentService final : public v1::AgentService::CallbackService {
 public:
  AgentService(Reconciler* reconciler, const CallerAuthenticator* authenticator,
               CertificateHook renew)
      : reconciler_(reconciler), authenticator_(authenticator), renew_(std::move(renew)) {}

  grpc::ServerBidiReactor<v1::AgentMessage, v1::ControlMessage>* Connect(
      grpc::CallbackServerContext* context) override {
    const absl::StatusOr<Caller> caller = authenticator_->Authenticate(*context, kMethod);
    const auto stream = std::make_shared<AgentStream>(context, reconciler_, &renew_,
                                                      caller.ok() ? *caller : Caller());
    stream->Begin(caller.status(), kHelloTimeout);
    return stream.get();
  }

 private:
  Reconciler* const reconciler_;
  const CallerAuthenticator* const authenticator_;
  const CertificateHook renew_;
};

}  // namespace

std::shared_ptr<grpc::Service> MakeAgentService(Reconciler* reconciler,
                                                const CallerAuthenticator* authenticator,
                                                CertificateHook renew) {
  return std::make_shared<AgentService>(reconciler, authenticator, std::move(renew));
}

}  // namespace rolemesh::controlplane
