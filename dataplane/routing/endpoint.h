// A place that requests of some roles can be sent to, as the control plane last stated it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/net/socket_address.h"

namespace rolemesh::dataplane {

/// One instance behind a front, or one upstream without an agent.
/// Thread-safety: a value; immutable within a RouteTable.
struct Endpoint {
  std::string id;                         ///< "gpu-1/writer", or "@writer/1" for an upstream.
  base::SocketAddress address;            ///< Of the front or the upstream...
  std::string host_port;                  ///< ...or the upstream's NAME:PORT; else empty.
  uint32_t slot_count = 1;                ///< Requests it runs at once.
  uint32_t context_tokens = 0;            ///< Per slot; 0: unknown.
  std::vector<std::string> capabilities;  ///< For /v1/models: "chat", "embeddings", "vision"...
  bool suspect = false;                   ///< Its node's lease has run out.
  std::string model;                      ///< File name, for display.

  // Behind a front (spiffe_id is not empty):
  std::string spiffe_id;    ///< What the front's certificate must say.
  std::string node_id;      ///< For X-RoleMesh-Node; empty for an upstream.
  std::string instance_id;  ///< For the front: which instance...
  uint64_t generation = 0;  ///< ...and which start of it.

  // An upstream:
  std::string upstream_model;  ///< Sent as `model`; empty: what the client sent.

  bool behind_front() const { return !spiffe_id.empty(); }
  /// Differs between starts of an instance: for what an edge remembers about it.
  std::string HealthKey() const { return id + "#" + std::to_string(generation); }
};

}  // namespace rolemesh::dataplane
