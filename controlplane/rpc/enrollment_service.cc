#include "controlplane/rpc/enrollment_service.h"

#include <string>
#include <utility>

#include "base/log/logger.h"
#include "controlplane/rpc/unary_call.h"
#include "proto/contract/validators.h"
#include "rolemesh/v1/enrollment.grpc.pb.h"

namespace rolemesh::controlplane {
namespace {

class EnrollmentService final : public v1::EnrollmentService::CallbackService {
 public:
  EnrollmentService(base::Executor* work, JoinTokens* tokens, const CertificateAuthority* authority)
      : work_(work), tokens_(tokens), authority_(authority) {}

  grpc::ServerUnaryReactor* Enroll(grpc::CallbackServerContext* context,
                                   const v1::EnrollRequest* request,
                                   v1::EnrollReply* reply) override {
    UnaryCall call(context);
    grpc::ServerUnaryReactor* reactor = call.reactor();
    if (absl::Status status = contract::Validate(*request); !status.ok()) {
      call.Finish(status);
      return reactor;
    }
    work_
        ->TryPost([this, call = std::move(call), request, reply, peer = context->peer()]() mutable {
          call.Finish(Redeem(*request, peer, reply));
        })
        .IgnoreError();  // the call was dropped, and so answered
    return reactor;
  }

 private:
  absl::Status Redeem(const v1::EnrollRequest& request, const std::string& peer,
                      v1::EnrollReply* reply) {
    const absl::StatusOr<Enrollment> enrollment = tokens_->Redeem(request);
    if (!enrollment.ok()) {
      base::LogWarn("rpc", "refused to enrol",
                    {{"peer", peer},
                     {"token", request.token_id()},
                     {"name", request.name()},
                     {"status", enrollment.status()}});
      return enrollment.status();
    }
    base::LogInfo("rpc", "enrolled",
                  {{"peer", peer},
                   {"token", request.token_id()},
                   {"kind", contract::IdentityKindName(enrollment->kind)},
                   {"name", enrollment->name},
                   {"serial", enrollment->certificate.serial},
                   {"pending", enrollment->pending}});
    reply->set_certificate_chain_pem(enrollment->certificate.chain_pem);
    reply->set_roots_pem(authority_->roots_pem());
    reply->set_mesh(authority_->mesh());
    reply->set_kind(contract::ToProto(enrollment->kind));
    reply->set_name(enrollment->name);
    reply->set_pending(enrollment->pending);
    return absl::OkStatus();
  }

  base::Executor* const work_;
  JoinTokens* const tokens_;
  const CertificateAuthority* const authority_;
};

}  // namespace

std::shared_ptr<grpc::Service> MakeEnrollmentService(base::Executor* work, JoinTokens* tokens,
                                                     const CertificateAuthority* authority) {
  return std::make_shared<EnrollmentService>(work, tokens, authority);
}

}  // namespace rolemesh::controlplane
