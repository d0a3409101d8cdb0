// RouteService.Stream over gRPC.
#pragma once

#include <memory>

#include "absl/strings/string_view.h"

#include "dataplane/routing/route_stream.h"

namespace rolemesh::dataplane {

/// Each stream has a channel of its own, made with the identity it is given, so that a renewed
/// certificate is used from the next one on.
/// Thread-safety: thread-safe.
class GrpcRouteStreamDialer final : public RouteStreamDialer {
 public:
  std::unique_ptr<RouteStream> Dial(absl::string_view address, const client::MeshIdentity& identity,
                                    Handlers handlers) override;
};

}  // namespace rolemesh::dataplane
