// AgentService.Connect over gRPC.
#pragma once

#include <memory>

#include "absl/strings/string_view.h"

#include "agent/link/agent_stream.h"

namespace rolemesh::agent {

/// Each stream has a channel of its own, made with the identity it is given, so that a renewed
/// certificate is used from the next one on.
/// Thread-safety: thread-safe.
class GrpcAgentStreamDialer final : public AgentStreamDialer {
 public:
  std::unique_ptr<AgentStream> Dial(absl::string_view address, const client::MeshIdentity& identity,
                                    Handlers handlers) override;
};

}  // namespace rolemesh::agent
