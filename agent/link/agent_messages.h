// What supervision knows, in the words of the protocol. Pure.
#pragma once

#include "agent/resources/inventory.h"
#include "agent/supervision/supervisor.h"
#include "rolemesh/v1/agent.pb.h"

namespace rolemesh::agent {

/// The reason becomes one line of valid UTF-8 within the limit.
v1::InstanceState ToProto(const InstanceStatus& status);
v1::Inventory ToProto(const MachineInventory& inventory);

}  // namespace rolemesh::agent
