#include "cli/client/mesh_client.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "proto/client/channel.h"
#include "proto/client/identity_files.h"
#include "proto/contract/grpc_status.h"
#include "rolemesh/v1/operator.grpc.pb.h"

namespace rolemesh::cli {
namespace {

using Stub = v1::OperatorService::Stub;

class GrpcMeshClient final : public MeshClient {
 public:
  GrpcMeshClient(std::shared_ptr<grpc::Channel> channel, std::string address,
                 absl::Duration timeout)
      : stub_(v1::OperatorService::NewStub(channel)),
        address_(std::move(address)),
        timeout_(timeout) {}

  absl::StatusOr<v1::GetStatusReply> GetStatus() override {
    return Call<v1::GetStatusReply>(&Stub::GetStatus, v1::GetStatusRequest());
  }
  absl::StatusOr<v1::ListReply> List(const v1::ListRequest& request) override {
    return Call<v1::ListReply>(&Stub::List, request);
  }
  absl::StatusOr<v1::CreateTokenReply> CreateToken(const v1::CreateTokenRequest& request) override {
    return Call<v1::CreateTokenReply>(&Stub::CreateToken, request);
  }
  absl::StatusOr<v1::CreateKeyReply> CreateKey(const v1::CreateKeyRequest& request) override {
    return Call<v1::CreateKeyReply>(&Stub::CreateKey, request);
  }
  absl::StatusOr<v1::RevokeKeyReply> RevokeKey(const v1::RevokeKeyRequest& request) override {
    return Call<v1::RevokeKeyReply>(&Stub::RevokeKey, request);
  }
  absl::StatusOr<v1::ApplyRolesReply> ApplyRoles(const v1::ApplyRolesRequest& request) override {
    return Call<v1::ApplyRolesReply>(&Stub::ApplyRoles, request);
  }
  absl::StatusOr<v1::DeleteRoleReply> DeleteRole(const v1::DeleteRoleRequest& request) override {
    return Call<v1::DeleteRoleReply>(&Stub::DeleteRole, request);
  }
  absl::StatusOr<v1::SetNodeAddressReply> SetNodeAddress(
      const v1::SetNodeAddressRequest& request) override {
    return Call<v1::SetNodeAddressReply>(&Stub::SetNodeAddress, request);
  }

  absl::Status Watch(const v1::ListRequest& request,
                     const std::function<bool(const v1::ListReply&)>& on_list) override {
    return ReadAll<v1::ListReply>(&Stub::Watch, request, on_list);
  }
  absl::Status DrainNode(const v1::DrainNodeRequest& request,
                         const std::function<void(const v1::DrainNodeReply&)>& on_step) override {
    return ReadAll<v1::DrainNodeReply>(&Stub::DrainNode, request,
                                       [&](const v1::DrainNodeReply& reply) {
                                         on_step(reply);
                                         return true;
                                       });
  }
  absl::Status TailLogs(const v1::TailLogsRequest& request,
                        const std::function<void(const std::string&)>& on_data) override {
    return ReadAll<v1::TailLogsReply>(&Stub::TailLogs, request,
                                      [&](const v1::TailLogsReply& reply) {
                                        on_data(reply.data());
                                        return true;
                                      });
  }

 private:
  template <class Reply, class Method, class Request>
  absl::StatusOr<Reply> Call(Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
    Reply reply;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &reply);
    if (!status.ok()) return Explain(contract::FromGrpc(status));
    return reply;
  }

  template <class Reply, class Method, class Request>
  absl::Status ReadAll(Method method, const Request& request,
                       const std::function<bool(const Reply&)>& on_reply) {
    grpc::ClientContext context;
    const auto reader = (stub_.get()->*method)(&context, request);
    Reply reply;
    while (reader->Read(&reply)) {
      if (on_reply(reply)) continue;
      context.TryCancel();
      reader->Finish();
      return absl::OkStatus();
    }
    return Explain(contract::FromGrpc(reader->Finish()));
  }

  absl::Status Explain(const absl::Status& status) const {
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
    return absl::Status(status.code(),
                        absl::StrCat("no answer from the control plane at ", address_, " (",
                                     status.message(), "); is it running?"));
  }

  const std::unique_ptr<Stub> stub_;
  const std::string address_;
  const absl::Duration timeout_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MeshClient>> MeshClient::Connect(const ConnectOptions& options) {
  if (options.servers.empty()) {
    if (options.socket.empty()) {
      return absl::InvalidArgumentError(
          "give --server with --identity, or --socket on the control plane's own machine");
    }
    return std::make_unique<GrpcMeshClient>(client::MakeSocketChannel(options.socket),
                                            options.socket, options.timeout);
  }
  if (options.identity.empty()) {
    return absl::InvalidArgumentError(
        "--server needs --identity (or ROLEMESH_IDENTITY); `meshctl join` makes one");
  }
  const absl::StatusOr<client::MeshIdentity> identity = client::LoadIdentity(options.identity);
  if (!identity.ok()) return identity.status();
  // The first address that answers serves this call; a channel dials lazily.
  std::shared_ptr<grpc::Channel> channel;
  std::string address;
  for (const std::string& server : options.servers) {
    channel = client::MakeChannel(server, *identity);
    address = server;
    if (options.servers.size() == 1) break;
    if (channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(2)))) break;
  }
  return std::make_unique<GrpcMeshClient>(std::move(channel), std::move(address), options.timeout);
}

}  // namespace rolemesh::cli
