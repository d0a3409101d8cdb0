// One conversation with one control plane, seen from the edge.
#pragma once

#include <memory>

#include "absl/strings/string_view.h"

#include "proto/client/identity_files.h"
#include "proto/client/message_stream.h"
#include "rolemesh/v1/route.pb.h"

namespace rolemesh::dataplane {

using RouteStream = client::MessageStream<v1::EdgeMessage>;

/// Where conversations begin: the outside world.
/// Thread-safety: thread-safe.
class RouteStreamDialer {
 public:
  using Handlers = client::MessageStreamHandlers<v1::RouteMessage>;

  virtual ~RouteStreamDialer() = default;

  /// Dials `address` (HOST:PORT). Failures are told to `on_closed`.
  virtual std::unique_ptr<RouteStream> Dial(absl::string_view address,
                                            const client::MeshIdentity& identity,
                                            Handlers handlers) = 0;
};

}  // namespace rolemesh::dataplane
