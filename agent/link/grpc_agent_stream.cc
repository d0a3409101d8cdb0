#include "agent/link/grpc_agent_stream.h"

#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include <grpcpp/client_context.h>

#include "proto/client/channel.h"
#include "proto/client/grpc_message_stream.h"
#include "rolemesh/v1/agent.grpc.pb.h"

namespace rolemesh::agent {

std::unique_ptr<AgentStream> GrpcAgentStreamDialer::Dial(absl::string_view address,
                                                         const client::MeshIdentity& identity,
                                                         Handlers handlers) {
  using Stream = client::GrpcMessageStream<v1::AgentMessage, v1::ControlMessage>;
  std::shared_ptr<v1::AgentService::Stub> stub =
      v1::AgentService::NewStub(client::MakeChannel(address, identity));
  return std::make_unique<Stream>(
      [stub = std::move(stub)](grpc::ClientContext* context, Stream::Reactor* reactor) {
        stub->async()->Connect(context, reactor);
      },
      std::move(handlers));
}

}  // namespace rolemesh::agent
