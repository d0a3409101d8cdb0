// How the reconciler answers one edge.
#pragma once

#include <cstdint>
#include <memory>

#include "controlplane/model/table_version.h"
#include "controlplane/reconcile/stream_end.h"
#include "controlplane/routing/table_update.h"

namespace rolemesh::controlplane {

/// One edge's stream, as the reconciler sees it. As AgentSink.
class EdgeSink {
 public:
  virtual ~EdgeSink() = default;

  virtual void SendWelcome(uint64_t epoch, const TableVersion& current) = 0;

  /// The next comes only after the edge has answered this one.
  virtual void SendUpdate(std::shared_ptr<const TableUpdate> update) = 0;

  virtual void ReadNext() = 0;
  virtual void CloseStream(const StreamEnd& end) = 0;
};

}  // namespace rolemesh::controlplane
