// Settings that every program reads the same way.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "base/config/yaml_reader.h"
#include "base/log/logger.h"
#include "base/net/socket_address.h"

namespace rolemesh::base {

// Mistakes are recorded in the map, as its getters do.

/// An absolute path.
std::string ReadPath(YamlMap& map, absl::string_view key, absl::string_view fallback);
std::string ReadPath(YamlMap& map, absl::string_view key);  ///< Required.

/// ADDRESS:PORT of a listener; port 0: the kernel chooses.
SocketAddress ReadListen(YamlMap& map, absl::string_view key, absl::string_view fallback);

/// `admin_listen`: loopback only; none when it is "" or "off".
absl::optional<SocketAddress> ReadAdminListen(YamlMap& map, absl::string_view fallback);

/// `control_planes`: at least one HOST:PORT, at most 16.
std::vector<std::string> ReadControlPlanes(YamlMap& map);

/// `log`: {level, format, file}.
LogConfig ReadLog(YamlMap& map);

}  // namespace rolemesh::base
