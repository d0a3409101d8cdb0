// Observed state <-> the messages of rolemesh/v1.
#pragma once

#include <cstdint>

#include "controlplane/model/ids.h"
#include "controlplane/model/instance.h"
#include "controlplane/model/session.h"
#include "rolemesh/v1/agent.pb.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {

// Of messages that have passed contract::Validate, or come from our store.

Instance FromProto(const v1::InstanceState& state);
v1::InstanceState ToProto(const Instance& instance);

Inventory FromProto(const v1::Inventory& inventory);
v1::Inventory ToProto(const Inventory& inventory);

Session FromRecord(const v1::SessionRecord& record);
v1::SessionRecord ToRecord(const Session& session);

v1::InstanceRecord ToRecord(const NodeId& node, uint64_t epoch, const Instance& instance);

}  // namespace rolemesh::controlplane
