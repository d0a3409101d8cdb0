// What an agent says of itself and its node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/model/ids.h"
#include "controlplane/model/instance.h"
#include "controlplane/model/session.h"

namespace rolemesh::controlplane {

/// Who opened an agent's stream, as the transport proved it.
struct AgentPeer {
  NodeId node;
  std::string identity;  ///< SPIFFE id.
  std::string serial;    ///< Of the certificate.
  std::string address;   ///< IP literal that the stream comes from.
};

/// What an agent says first.
struct AgentHello {
  std::string version;
  std::string boot_id;
  uint16_t front_port = 0;
  Inventory inventory;
  std::vector<Instance> instances;  ///< All of them.
  bool draining = false;
};

}  // namespace rolemesh::controlplane
