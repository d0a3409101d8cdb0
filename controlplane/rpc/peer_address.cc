#include "controlplane/rpc/peer_address.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "base/net/socket_address.h"

namespace rolemesh::controlplane {

absl::StatusOr<std::string> IpLiteralOfPeer(absl::string_view peer) {
  absl::string_view rest = peer;
  if (!absl::ConsumePrefix(&rest, "ipv4:") && !absl::ConsumePrefix(&rest, "ipv6:")) {
    return absl::InvalidArgumentError(absl::StrCat("peer ", peer, ": not an IP address"));
  }
  const std::string text =
      absl::StrReplaceAll(rest, {{"%5B", "["}, {"%5b", "["}, {"%5D", "]"}, {"%5d", "]"}});
  const absl::StatusOr<base::SocketAddress> address = base::SocketAddress::Parse(text);
  if (!address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("peer ", peer, ": not an IP address"));
  }
  return address->ip().Unmapped().ToString();
}

}  // namespace rolemesh::controlplane
