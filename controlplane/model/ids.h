// Names of this mesh's parts, as types that do not mix.
#pragma once

#include "base/ids/strong_string.h"

namespace rolemesh::controlplane {

using NodeId = base::StrongString<struct NodeIdTag>;
using EdgeId = base::StrongString<struct EdgeIdTag>;
using InstanceId = base::StrongString<struct InstanceIdTag>;  ///< Unique on its node only.
using KeyId = base::StrongString<struct KeyIdTag>;            ///< Public part of an API key.

}  // namespace rolemesh::controlplane
