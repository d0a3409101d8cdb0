#include "dataplane/routing/grpc_route_stream.h"

#include <utility>

#include <grpcpp/client_context.h>

#include "proto/client/channel.h"
#include "proto/client/grpc_message_stream.h"
#include "rolemesh/v1/route.grpc.pb.h"

namespace rolemesh::dataplane {

std::unique_ptr<RouteStream> GrpcRouteStreamDialer::Dial(absl::string_view address,
                                                         const client::MeshIdentity& identity,
                                                         Handlers handlers) {
  using Stream = client::GrpcMessageStream<v1::EdgeMessage, v1::RouteMessage>;
  std::shared_ptr<v1::RouteService::Stub> stub =
      v1::RouteService::NewStub(client::MakeChannel(address, identity));
  return std::make_unique<Stream>(
      [stub = std::move(stub)](grpc::ClientContext* context, Stream::Reactor* reactor) {
        stub->async()->Stream(context, reactor);
      },
      std::move(handlers));
}

}  // namespace rolemesh::dataplane
