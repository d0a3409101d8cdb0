// What an edge says of itself and of what it sees.
#pragma once

#include <string>

#include "absl/types/optional.h"

#include "controlplane/model/ids.h"
#include "controlplane/model/table_version.h"
#include "proto/contract/table_hash.h"

namespace rolemesh::controlplane {

struct EdgePeer {
  EdgeId edge;
  std::string identity;
  std::string serial;
};

struct EdgeHello {
  std::string version;
  std::string listen_address;
  absl::optional<TableVersion> held;
  contract::TableHash held_hash;
};

struct EndpointSight {
  std::string endpoint_id;
  bool reachable = true;
};

}  // namespace rolemesh::controlplane
