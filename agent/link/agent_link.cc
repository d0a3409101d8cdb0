#include "agent/link/agent_link.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/link/agent_messages.h"
#include "base/log/logger.h"
#include "base/status/build_version.h"
#include "proto/contract/limits.h"

namespace rolemesh::agent {
namespace {

constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(2);
constexpr absl::Duration kSettlePoll = absl::Milliseconds(10);
constexpr absl::Duration kLeaveTimeout = absl::Seconds(2);

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace

AgentLink::AgentLink(AgentLinkOptions options, client::MeshIdentity identity, AgentLinkHooks hooks,
                     base::Executor& executor, const base::Clock& clock, AgentStreamDialer& dialer,
                     const InstanceDirectory& directory, base::MetricRegistry& metrics)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      executor_(executor),
      owner_(executor.owner()),
      clock_(clock),
      dialer_(dialer),
      directory_(directory),
      metrics_(metrics),
      dials_(
          metrics.AddCounter("rolemesh_agent_dials_total", "Attempts to reach a control plane.")),
      role_refusals_(metrics.AddCounter("rolemesh_agent_role_refusals_total",
                                        "Advertised roles that the control plane refused.")),
      renewer_(std::move(identity), options_.identity_dir,
               {.send =
                    [this](v1::CertificateRequest request) {
                      owner_.AssertCurrent();
                      v1::AgentMessage message;
                      *message.mutable_certificate_request() = std::move(request);
                      stream_->Send(std::move(message));
                    },
                .on_renewed = hooks_.on_identity,
                .random = hooks_.random},
               executor, clock),
      rotation_(options_.control_planes),
      heartbeat_interval_(kDefaultHeartbeat) {
  metrics_.AddCallbackGauge("rolemesh_agent_connected",
                            "1 while a control plane has welcomed this agent.", {},
                            [this] { return connected() ? 1.0 : 0.0; });
}

AgentLink::~AgentLink() {
  metrics_.RemoveCallbacks("rolemesh_agent_connected");
}

void AgentLink::Start() {
  executor_.Post([this] {
    owner_.AssertCurrent();
    renewer_.Start();
    DialOnceSettled(options_.first_hello_patience);
  });
}

void AgentLink::DialOnceSettled(absl::Duration patience) {
  const std::vector<InstanceStatus> statuses = hooks_.statuses();
  const bool settled =
      std::none_of(statuses.begin(), statuses.end(), [](const InstanceStatus& status) {
        return status.phase == InstancePhase::kStopped || status.phase == InstancePhase::kStarting;
      });
  if (settled || patience <= absl::ZeroDuration()) {
    Dial();
    return;
  }
  executor_.PostAfter(kSettlePoll, [this, patience] {
    owner_.AssertCurrent();
    DialOnceSettled(patience - kSettlePoll);
  });
}

void AgentLink::OnInstanceChanged(const InstanceStatus& status, bool removed) {
  executor_.Post([this, status, removed] {
    owner_.AssertCurrent();
    // Before the welcome the hello is on its way, and a change behind it is in order too.
    if (stream_ == nullptr) {
      return;
    }
    v1::AgentMessage message;
    if (removed) {
      message.mutable_instances()->add_removed_instance_ids(status.id);
    } else {
      *message.mutable_instances()->add_changed() = ToProto(status);
    }
    stream_->Send(std::move(message));
  });
}

void AgentLink::Leave(std::string reason, std::function<void()> left) {
  executor_.Post([this, reason = std::move(reason), left = std::move(left)]() mutable {
    owner_.AssertCurrent();
    leaving_ = true;
    left_ = std::move(left);
    if (stream_ == nullptr || !connected()) {
      EndSession();
      FinishLeaving();
      return;
    }
    v1::AgentMessage message;
    message.mutable_leaving()->set_reason(std::move(reason));
    stream_->Send(std::move(message));
    stream_->Finish();
    executor_.PostAfter(kLeaveTimeout, [this] {
      owner_.AssertCurrent();
      FinishLeaving();
    });
  });
}

void AgentLink::FinishLeaving() {
  if (left_) {
    std::exchange(left_, nullptr)();
  }
}

void AgentLink::DialAfter(absl::Duration pause) {
  if (leaving_) {
    FinishLeaving();
    return;
  }
  base::LogDebug("link", "waiting before the next attempt", {{"pause", pause}});
  executor_.PostAfter(pause, [this] {
    owner_.AssertCurrent();
    Dial();
  });
}

void AgentLink::Dial() {
  if (leaving_ || stream_ != nullptr) {
    return;
  }
  const client::MeshIdentity& identity = renewer_.identity();
  if (identity.not_after <= clock_.WallNow()) {
    base::LogError("link", "our certificate has expired; run rolemesh-agent join with a new token",
                   {{"not_after", absl::FormatTime(identity.not_after)}});
  }
  dials_.Increment();
  const uint64_t session = ++session_;
  closing_.reset();
  running_told_.clear();
  heartbeat_sequence_ = 0;
  stream_ =
      dialer_.Dial(rotation_.current(), identity,
                   {.on_message =
                        [this, session](v1::ControlMessage message) {
                          executor_.Post([this, session, message = std::move(message)]() mutable {
                            OnMessage(session, std::move(message));
                          });
                        },
                    .on_closed =
                        [this, session](absl::Status status) {
                          executor_.Post([this, session, status = std::move(status)] {
                            OnClosed(session, status);
                          });
                        }});
  SendHello();
  executor_.PostAfter(options_.welcome_timeout, [this, session] {
    owner_.AssertCurrent();
    if (session_ == session && !connected()) {
      OnClosed(session, absl::DeadlineExceededError("no welcome"));
    }
  });
}

void AgentLink::SendHello() {
  v1::AgentMessage message;
  v1::AgentHello& hello = *message.mutable_hello();
  hello.set_node_id(renewer_.identity().id.name);
  hello.set_version(std::string(base::BuildVersion()));
  hello.set_boot_id(options_.boot_id);
  hello.set_front_port(options_.front_port);
  *hello.mutable_inventory() = ToProto(options_.inventory);
  for (const InstanceStatus& status : hooks_.statuses()) {
    *hello.add_instances() = ToProto(status);
  }
  hello.set_draining(draining_);
  stream_->Send(std::move(message));
}

void AgentLink::EndSession() {
  stream_.reset();
  ++session_;  // what it still says is nobody's
  connected_.store(false, std::memory_order_relaxed);
  renewer_.OnDisconnected();
}

void AgentLink::OnClosed(uint64_t session, const absl::Status& status) {
  owner_.AssertCurrent();
  if (session != session_ || stream_ == nullptr) {
    return;
  }
  const std::string address = rotation_.current();
  EndSession();
  if (leaving_) {
    FinishLeaving();
    return;
  }
  absl::Duration pause = rotation_.OnFailed(hooks_.random());
  const bool refused = absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status) ||
                       (closing_.has_value() && closing_->final());
  if (refused) {
    pause = std::max(pause, options_.refused_pause * (0.5 + hooks_.random()));
    base::LogError("link",
                   "the control plane refuses this node; its instances keep running, but edges may "
                   "not be sent here",
                   {{"address", address},
                    {"error", status},
                    {"reason", closing_.has_value() ? closing_->reason() : std::string()},
                    {"next_attempt", pause}});
  } else {
    if (closing_.has_value()) {
      pause = std::max(pause, absl::Milliseconds(closing_->retry_after_ms()));
    }
    base::LogWarn("link", "lost the control plane; instances keep running",
                  {{"address", address}, {"error", status}, {"next_attempt", pause}});
  }
  DialAfter(pause);
}

void AgentLink::OnMessage(uint64_t session, v1::ControlMessage message) {
  owner_.AssertCurrent();
  if (session != session_ || stream_ == nullptr) {
    return;
  }
  switch (message.message_case()) {
    case v1::ControlMessage::kWelcome:
      HandleWelcome(message.welcome());
      break;
    case v1::ControlMessage::kRoleRefusals:
      for (const v1::RoleRefusal& refusal : message.role_refusals().refusals()) {
        role_refusals_.Increment();
        base::LogError("link", "the control plane refuses a role",
                       {{"instance", refusal.instance_id()},
                        {"role", refusal.role()},
                        {"reason", refusal.reason()}});
      }
      break;
    case v1::ControlMessage::kCertificateReply:
      renewer_.OnReply(message.certificate_reply());
      break;
    case v1::ControlMessage::kDrain:
      HandleDrain(message.drain());
      break;
    case v1::ControlMessage::kLogRequest:
      HandleLogRequest(message.log_request());
      break;
    case v1::ControlMessage::kTraceRequest: {
      // The front keeps no traces yet; an answer keeps the asker from waiting.
      v1::AgentMessage reply;
      reply.mutable_trace_chunk()->set_request_id(message.trace_request().request_id());
      reply.mutable_trace_chunk()->set_last(true);
      stream_->Send(std::move(reply));
      break;
    }
    case v1::ControlMessage::kClosing:
      closing_ = message.closing();
      base::LogInfo("link", "the control plane closes the stream",
                    {{"reason", closing_->reason()}, {"final", closing_->final()}});
      break;
    case v1::ControlMessage::kHeartbeatAck:
    case v1::ControlMessage::MESSAGE_NOT_SET:
      break;
  }
}

void AgentLink::HandleWelcome(const v1::AgentWelcome& welcome) {
  rotation_.OnConnected();
  connected_.store(true, std::memory_order_relaxed);
  base::LogInfo("link", "connected",
                {{"address", rotation_.current()},
                 {"node", renewer_.identity().id.name},
                 {"session_epoch", welcome.session_epoch()}});
  const absl::Duration interval = FromProto(welcome.heartbeat_interval());
  heartbeat_interval_ = interval > absl::ZeroDuration()
                            ? std::clamp(interval, absl::Milliseconds(10), absl::Minutes(5))
                            : kDefaultHeartbeat;
  hooks_.on_revoked({welcome.revoked_serials().begin(), welcome.revoked_serials().end()},
                    {welcome.revoked_identities().begin(), welcome.revoked_identities().end()});
  if (!welcome.draining() && draining_) {
    draining_ = false;
    hooks_.set_draining(false);
  }
  if (draining_) {
    SendDrainProgress();
  }
  renewer_.OnConnected();
  executor_.PostAfter(heartbeat_interval_, [this, session = session_] { SendHeartbeat(session); });
}

void AgentLink::SendHeartbeat(uint64_t session) {
  owner_.AssertCurrent();
  if (session != session_ || stream_ == nullptr) {
    return;
  }
  v1::AgentMessage message;
  v1::AgentHeartbeat& heartbeat = *message.mutable_heartbeat();
  heartbeat.set_sequence(++heartbeat_sequence_);
  const auto instances = directory_.snapshot();
  for (const auto& entry : instances->entries()) {
    const int running = entry->running->count();
    int& told = running_told_[entry->id];
    if (told != running) {
      told = running;
      v1::InstanceLoad& load = *heartbeat.add_loads();
      load.set_instance_id(entry->id);
      load.set_running(static_cast<uint32_t>(std::min(running, std::max(entry->slot_count, 0))));
      load.set_waiting(static_cast<uint32_t>(std::max(running - entry->slot_count, 0)));
    }
  }
  stream_->Send(std::move(message));
  if (draining_) {
    SendDrainProgress();
  }
  executor_.PostAfter(heartbeat_interval_, [this, session] { SendHeartbeat(session); });
}

void AgentLink::HandleDrain(const v1::DrainOrder& order) {
  base::LogInfo("link", "drain order",
                {{"draining", order.draining()}, {"edges_acked", order.edges_acked()}});
  // Until every edge knows, new requests are still served: refusing them would cost a retry.
  const bool refuse = order.draining() && (order.edges_acked() || draining_);
  if (refuse != draining_) {
    draining_ = refuse;
    hooks_.set_draining(refuse);
  }
  SendDrainProgress();
}

void AgentLink::SendDrainProgress() {
  v1::AgentMessage message;
  message.mutable_drain_progress()->set_running(
      static_cast<uint32_t>(std::max(directory_.snapshot()->RunningTotal(), 0)));
  stream_->Send(std::move(message));
}

void AgentLink::HandleLogRequest(const v1::LogRequest& request) {
  if (request.cancel()) {
    return;  // answers are complete when they are sent
  }
  const auto chunk = [&, this](absl::string_view data, bool last, absl::string_view error) {
    owner_.AssertCurrent();
    v1::AgentMessage message;
    v1::LogChunk& log_chunk = *message.mutable_log_chunk();
    log_chunk.set_request_id(request.request_id());
    log_chunk.set_data(std::string(data));
    log_chunk.set_last(last);
    log_chunk.set_error(std::string(error));
    stream_->Send(std::move(message));
  };
  const int lines =
      std::clamp<int>(static_cast<int>(std::min<uint32_t>(request.line_count(), 1u << 20)), 1,
                      contract::kMaxLogLines);
  // A quarter of the stream's queue at most.
  const absl::StatusOr<std::string> text =
      hooks_.log_tail(request.instance_id(), lines, 128 * contract::kMaxLogChunkBytes);
  if (!text.ok()) {
    chunk("", true, text.status().message());
    return;
  }
  absl::string_view rest = *text;
  while (rest.size() > contract::kMaxLogChunkBytes) {
    const absl::string_view window = rest.substr(0, contract::kMaxLogChunkBytes);
    const size_t newline = window.rfind('\n');
    const size_t size = newline == absl::string_view::npos ? window.size() : newline + 1;
    chunk(rest.substr(0, size), false, "");
    rest.remove_prefix(size);
  }
  chunk(rest, true, "");
}

}  // namespace rolemesh::agent
