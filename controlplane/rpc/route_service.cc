#include "controlplane/rpc/route_service.h"

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
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/slice.h>

#include "controlplane/rpc/message_stream.h"
#include "proto/contract/limits.h"
#include "proto/contract/validators.h"
#include "rolemesh/v1/route.grpc.pb.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::string_view kMethod = "/rolemesh.v1.RouteService/Stream";
constexpr absl::Duration kHelloTimeout = absl::Seconds(10);
// Parts of one update, and a little that is not tables.
constexpr size_t kMaxQueued = contract::kMaxTableParts + 16;
constexpr int kMaxSights = 10'000;
constexpr size_t kMaxNackBytes = 1024;

grpc::ByteBuffer ToBytes(const v1::RouteMessage& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

// One part of `update`, not copied.
grpc::ByteBuffer ToBytes(const std::shared_ptr<const TableUpdate>& update, size_t part) {
  const std::string& bytes = update->parts[part];
  const grpc::Slice slice(
      const_cast<char*>(bytes.data()), bytes.size(),
      [](void* keeper) { delete static_cast<std::shared_ptr<const TableUpdate>*>(keeper); },
      new std::shared_ptr<const TableUpdate>(update));
  return grpc::ByteBuffer(&slice, 1);
}

class EdgeStream final : public MessageStream<grpc::ByteBuffer, grpc::ByteBuffer>, public EdgeSink {
 public:
  EdgeStream(grpc::CallbackServerContext* context, Reconciler* reconciler,
             const CertificateHook* renew, Caller caller)
      : MessageStream(context, kMaxQueued),
        reconciler_(reconciler),
        renew_(renew),
        caller_(std::move(caller)) {}

  // --- EdgeSink

  void SendWelcome(uint64_t epoch, const TableVersion& current) override {
    v1::RouteMessage message;
    message.mutable_welcome()->set_session_epoch(epoch);
    v1::TableVersion* version = message.mutable_welcome()->mutable_current();
    version->set_store_id(current.store_id);
    version->set_revision(static_cast<uint64_t>(current.revision));
    Write(ToBytes(message));
  }

  void SendUpdate(std::shared_ptr<const TableUpdate> update) override {
    for (size_t part = 0; part < update->parts.size(); ++part) Write(ToBytes(update, part));
  }

  void ReadNext() override { Next(); }

  void CloseStream(const StreamEnd& end) override {
    v1::RouteMessage message;
    v1::Closing* closing = message.mutable_closing();
    closing->set_reason(std::string(end.status.message()));
    closing->set_retry_after_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(end.retry_after)));
    closing->set_final(end.final);
    Write(ToBytes(message));
    Close(end.status);
  }

 private:
  void HandleMessage(grpc::ByteBuffer& bytes) override {
    v1::EdgeMessage in;
    absl::Status status;
    if (!grpc::SerializationTraits<v1::EdgeMessage>::Deserialize(&bytes, &in).ok()) {
      status = absl::InvalidArgumentError("not an EdgeMessage");
    } else {
      status = opened_ ? Handle(in) : Open(in);
    }
    if (!status.ok()) CloseStream({.status = status});
  }

  void HandleEnd() override {
    absl::MutexLock lock(&opening_);
    ended_ = true;
    if (opened_) reconciler_->OnEdgeClosed(stream_);
  }

  absl::Status Open(const v1::EdgeMessage& in) {
    if (!in.has_hello()) return absl::InvalidArgumentError("the first message must be hello");
    const v1::EdgeHello& hello = in.hello();
    if (absl::Status status = contract::Validate(hello); !status.ok()) return status;
    if (hello.edge_id() != caller_.name) {
      return absl::PermissionDeniedError(absl::StrCat(
          "the certificate is edge ", caller_.name, "'s, the hello edge ", hello.edge_id(), "'s"));
    }
    EdgeHello out;
    out.version = hello.version();
    out.listen_address = hello.listen_address();
    if (hello.has_held()) {
      const absl::StatusOr<contract::TableHash> hash =
          contract::TableHash::FromBytes(hello.held_hash());
      if (!hash.ok()) return hash.status();
      out.held =
          TableVersion{hello.held().store_id(), static_cast<int64_t>(hello.held().revision())};
      out.held_hash = *hash;
    }
    // Held while the id comes back: the loop may ask for the next message before.
    absl::MutexLock lock(&opening_);
    if (ended_) return absl::CancelledError("the call was cancelled");
    stream_ = reconciler_->OpenEdge({EdgeId(caller_.name), caller_.spiffe_id, caller_.serial},
                                    std::move(out),
                                    std::static_pointer_cast<EdgeStream>(shared_from_this()));
    opened_ = true;
    return absl::OkStatus();
  }

  absl::Status Handle(v1::EdgeMessage& in) {
    StreamId stream;
    {
      absl::MutexLock lock(&opening_);
      stream = stream_;
    }
    switch (in.message_case()) {
      case v1::EdgeMessage::kHello:
        return absl::InvalidArgumentError("a second hello");
      case v1::EdgeMessage::kAck:
        reconciler_->OnAck(stream, in.ack().nonce());
        return absl::OkStatus();
      case v1::EdgeMessage::kNack:
        reconciler_->OnNack(stream, in.nack().nonce(), in.nack().reason().substr(0, kMaxNackBytes));
        return absl::OkStatus();
      case v1::EdgeMessage::kEvidence: {
        if (in.evidence().changed_size() > kMaxSights) {
          return absl::InvalidArgumentError("evidence.changed: too many");
        }
        std::vector<EndpointSight> changed;
        for (const v1::EndpointSight& sight : in.evidence().changed()) {
          changed.push_back({sight.endpoint_id(), sight.reachable()});
        }
        reconciler_->OnEvidence(stream, std::move(changed));
        return absl::OkStatus();
      }
      case v1::EdgeMessage::kCertificateRequest:
        Renew(std::move(*in.mutable_certificate_request()->mutable_csr_der()));
        return absl::OkStatus();
      case v1::EdgeMessage::kLeaving:
        // Nobody waits for its ACKs any more; it ends the stream itself.
        reconciler_->OnEdgeClosed(stream);
        Next();
        return absl::OkStatus();
      case v1::EdgeMessage::kUsage:
      case v1::EdgeMessage::MESSAGE_NOT_SET:  // of a newer edge
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
              [self = std::static_pointer_cast<EdgeStream>(shared_from_this())](
                  v1::CertificateReply reply) {
                v1::RouteMessage message;
                *message.mutable_certificate_reply() = std::move(reply);
                self->Write(ToBytes(message));
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

using RawRouteService = v1::RouteService::WithRawCallbackMethod_Stream<
    v1::RouteService::WithCallbackMethod_RegisterUpstream<v1::RouteService::Service>>;

class RouteService final : public RawRouteService {
 public:
  RouteService(Reconciler* reconciler, const CallerAuthenticator* authenticator,
               CertificateHook renew)
      : reconciler_(reconciler), authenticator_(authenticator), renew_(std::move(renew)) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Stream(
      grpc::CallbackServerContext* context) override {
    const absl::StatusOr<Caller> caller = authenticator_->Authenticate(*context, kMethod);
    const auto stream = std::make_shared<EdgeStream>(context, reconciler_, &renew_,
                                                     caller.ok() ? *caller : Caller());
    stream->Begin(caller.status(), kHelloTimeout);
    return stream.get();
  }

  grpc::ServerUnaryReactor* RegisterUpstream(grpc::CallbackServerContext* context,
                                             const v1::RegisterUpstreamRequest*,
                                             v1::RegisterUpstreamReply*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED,
                                 "servers without an agent are configured as a role's upstreams"));
    return reactor;
  }

 private:
  Reconciler* const reconciler_;
  const CallerAuthenticator* const authenticator_;
  const CertificateHook renew_;
};

}  // namespace

std::shared_ptr<grpc::Service> MakeRouteService(Reconciler* reconciler,
                                                const CallerAuthenticator* authenticator,
                                                CertificateHook renew) {
  return std::make_shared<RouteService>(reconciler, authenticator, std::move(renew));
}

}  // namespace rolemesh::controlplane
