// The address that a stream comes from, out of gRPC's notation.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rolemesh::controlplane {

/// "10.0.0.1" of "ipv4:10.0.0.1:40112", "fd00::1" of "ipv6:%5Bfd00::1%5D:40112"; an IPv4 address
/// inside an IPv6 one is given as IPv4.
///
/// Errors: InvalidArgument: no IP address, such as a unix socket, or one with a zone.
absl::StatusOr<std::string> IpLiteralOfPeer(absl::string_view peer);

}  // namespace rolemesh::controlplane
