rolemesh_library(NAME controlplane_streams
  HDRS agent_service.h certificate_hook.h message_stream.h peer_address.h route_service.h
  SRCS agent_service.cc peer_address.cc route_service.cc
  DEPS rolemesh::controlplane_identity rolemesh::controlplane_reconcile rolemesh::proto_contract
       rolemesh::proto_v1 absl::any_invocable absl::core_headers absl::optional absl::status
       absl::statusor absl::strings absl::synchronization absl::time gRPC::grpc++
  PRIVATE_DEPS rolemesh::base_net)
