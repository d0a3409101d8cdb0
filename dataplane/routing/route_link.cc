#include "dataplane/routing/route_link.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#include "base/log/logger.h"
#include "base/status/build_version.h"
#include "proto/contract/limits.h"

namespace rolemesh::dataplane {
namespace {

constexpr char kComponent[] = "link";
constexpr absl::Duration kLeaveTimeout = absl::Seconds(2);

}  // namespace

RouteLink::RouteLink(RouteLinkOptions options, client::MeshIdentity identity, TableReplica replica,
                     RouteLinkHooks hooks, base::Executor& executor, const base::Clock& clock,
                     RouteStreamDialer& dialer, base::MetricRegistry& metrics)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      executor_(executor),
      owner_(executor.owner()),
      clock_(clock),
      dialer_(dialer),
      metrics_(metrics),
      dials_(metrics.AddCounter("rolemesh_edge_dials_total", "Attempts to reach a control plane.")),
      applied_(metrics.AddCounter("rolemesh_edge_tables_applied_total",
                                  "Route tables that came into force.")),
      refused_(metrics.AddCounter("rolemesh_edge_tables_refused_total",
                                  "Route table updates that this edge refused.")),
      revision_(metrics.AddGauge("rolemesh_edge_table_revision",
                                 "Revision of the route table in force; 0: none.")),
      renewer_(std::move(identity), options_.identity_dir,
               {.send =
                    [this](v1::CertificateRequest request) {
                      owner_.AssertCurrent();
                      v1::EdgeMessage message;
                      *message.mutable_certificate_request() = std::move(request);
                      stream_->Send(std::move(message));
                    },
                .on_renewed = hooks_.on_identity,
                .random = hooks_.random},
               executor, clock),
      rotation_(options_.control_planes),
      replica_(std::move(replica)) {
  if (replica_.version().has_value()) {
    revision_.Set(static_cast<double>(replica_.version()->revision()));
  }
  metrics_.AddCallbackGauge("rolemesh_edge_connected",
                            "1 while a control plane has welcomed this edge.", {},
                            [this] { return connected() ? 1.0 : 0.0; });
}

RouteLink::~RouteLink() {
  metrics_.RemoveCallbacks("rolemesh_edge_connected");
}

void RouteLink::Start() {
  executor_.Post([this] {
    owner_.AssertCurrent();
    renewer_.Start();
    Dial();
  });
}

void RouteLink::Leave(std::string reason, std::function<void()> left) {
  executor_.Post([this, reason = std::move(reason), left = std::move(left)]() mutable {
    owner_.AssertCurrent();
    leaving_ = true;
    left_ = std::move(left);
    if (stream_ == nullptr || !connected()) {
      EndSession();
      FinishLeaving();
      return;
    }
    v1::EdgeMessage message;
    message.mutable_leaving()->set_reason(std::move(reason));
    stream_->Send(std::move(message));
    stream_->Finish();
    executor_.PostAfter(kLeaveTimeout, [this] {
      owner_.AssertCurrent();
      FinishLeaving();
    });
  });
}

void RouteLink::FinishLeaving() {
  if (left_) {
    std::exchange(left_, nullptr)();
  }
}

void RouteLink::DialAfter(absl::Duration pause) {
  executor_.PostAfter(pause, [this] {
    owner_.AssertCurrent();
    Dial();
  });
}

void RouteLink::Dial() {
  if (leaving_ || stream_ != nullptr) {
    return;
  }
  const client::MeshIdentity& identity = renewer_.identity();
  if (identity.not_after <= clock_.WallNow()) {
    base::LogError(kComponent,
                   "our certificate has expired; run rolemesh-edge join with a new token",
                   {{"not_after", absl::FormatTime(identity.not_after)}});
  }
  dials_.Increment();
  const uint64_t session = ++session_;
  closing_.reset();
  refused_nonce_.reset();
  unreachable_told_.clear();
  stream_ =
      dialer_.Dial(rotation_.current(), identity,
                   {.on_message =
                        [this, session](v1::RouteMessage message) {
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

void RouteLink::SendHello() {
  v1::EdgeMessage message;
  v1::EdgeHello& hello = *message.mutable_hello();
  hello.set_edge_id(renewer_.identity().id.name);
  hello.set_version(std::string(base::BuildVersion()));
  hello.set_listen_address(options_.listen_address);
  if (replica_.version().has_value() && !doubtful_) {
    *hello.mutable_held() = *replica_.version();
    hello.set_held_hash(replica_.hash());
  }
  stream_->Send(std::move(message));
}

void RouteLink::EndSession() {
  stream_.reset();
  ++session_;  // what it still says is nobody's
  connected_.store(false, std::memory_order_relaxed);
  renewer_.OnDisconnected();
  replica_.DropParts();
}

void RouteLink::OnClosed(uint64_t session, const absl::Status& status) {
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
    base::LogError(kComponent, "the control plane refuses this edge; it serves from the last table",
                   {{"address", address},
                    {"error", status},
                    {"reason", closing_.has_value() ? closing_->reason() : std::string()},
                    {"next_attempt", pause}});
  } else {
    if (closing_.has_value()) {
      pause = std::max(pause, absl::Milliseconds(closing_->retry_after_ms()));
    }
    base::LogWarn(kComponent, "lost the control plane; serving from the last table",
                  {{"address", address}, {"error", status}, {"next_attempt", pause}});
  }
  DialAfter(pause);
}

void RouteLink::OnMessage(uint64_t session, v1::RouteMessage message) {
  owner_.AssertCurrent();
  if (session != session_ || stream_ == nullptr) {
    return;
  }
  switch (message.message_case()) {
    case v1::RouteMessage::kWelcome:
      HandleWelcome(message.welcome());
      break;
    case v1::RouteMessage::kUpdate:
      HandleUpdate(std::move(*message.mutable_update()));
      break;
    case v1::RouteMessage::kCertificateReply:
      renewer_.OnReply(message.certificate_reply());
      break;
    case v1::RouteMessage::kClosing:
      closing_ = message.closing();
      base::LogInfo(kComponent, "the control plane closes the stream",
                    {{"reason", closing_->reason()}, {"final", closing_->final()}});
      break;
    case v1::RouteMessage::kShares:
    case v1::RouteMessage::MESSAGE_NOT_SET:
      break;
  }
}

void RouteLink::HandleWelcome(const v1::EdgeWelcome& welcome) {
  rotation_.OnConnected();
  connected_.store(true, std::memory_order_relaxed);
  base::LogInfo(kComponent, "connected",
                {{"address", rotation_.current()},
                 {"edge", renewer_.identity().id.name},
                 {"revision", welcome.current().revision()}});
  renewer_.OnConnected();
  TellSights(session_);
}

void RouteLink::HandleUpdate(v1::TableUpdate update) {
  const uint64_t nonce = update.nonce();
  const v1::TableVersion to = update.to();
  if (refused_nonce_ == nonce) {
    return;
  }
  absl::StatusOr<std::shared_ptr<const RouteTable>> table = replica_.Apply(std::move(update));
  v1::EdgeMessage message;
  if (!table.ok()) {
    refused_.Increment();
    refused_nonce_ = nonce;
    base::LogError(kComponent, "refused a route table; the last one stays in force",
                   {{"revision", to.revision()}, {"error", table.status()}});
    v1::TableNack& nack = *message.mutable_nack();
    nack.set_nonce(nonce);
    *nack.mutable_version() = to;
    nack.set_reason(std::string(table.status().message().substr(0, contract::kMaxReasonBytes)));
    stream_->Send(std::move(message));
    if (absl::IsDataLoss(table.status()) || absl::IsOutOfRange(table.status())) {
      doubtful_ = true;  // a delta cannot mend it
    }
    return;
  }
  if (*table == nullptr) {
    return;  // more parts come
  }
  doubtful_ = false;
  hooks_.on_table(*std::move(table), replica_.contents());
  applied_.Increment();
  revision_.Set(static_cast<double>(to.revision()));
  v1::TableAck& ack = *message.mutable_ack();
  ack.set_nonce(nonce);
  *ack.mutable_version() = to;
  stream_->Send(std::move(message));
}

void RouteLink::TellSights(uint64_t session) {
  owner_.AssertCurrent();
  if (session != session_ || stream_ == nullptr) {
    return;
  }
  absl::flat_hash_set<std::string> unreachable = hooks_.unreachable();
  if (unreachable != unreachable_told_) {
    v1::EdgeMessage message;
    v1::EndpointEvidence& evidence = *message.mutable_evidence();
    for (const std::string& id : unreachable) {
      if (!unreachable_told_.contains(id)) {
        v1::EndpointSight& sight = *evidence.add_changed();
        sight.set_endpoint_id(id);
        sight.set_reachable(false);
        sight.set_reason("cannot connect");
      }
    }
    for (const std::string& id : unreachable_told_) {
      if (!unreachable.contains(id)) {
        v1::EndpointSight& sight = *evidence.add_changed();
        sight.set_endpoint_id(id);
        sight.set_reachable(true);
      }
    }
    unreachable_told_ = std::move(unreachable);
    stream_->Send(std::move(message));
  }
  executor_.PostAfter(options_.sight_interval, [this, session] { TellSights(session); });
}

}  // namespace rolemesh::dataplane
