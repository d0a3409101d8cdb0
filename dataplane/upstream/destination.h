// Where a request goes: a front, or an upstream without an agent.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/net/connection.h"
#include "base/net/io_task.h"
#include "base/net/socket_address.h"

namespace rolemesh::dataplane {

/// Thread-safety: a value.
struct Destination {
  base::SocketAddress address;
  /// NAME:PORT, resolved at each dial; `address` is then unused. Empty: `address`.
  std::string host_port;
  /// The URI SAN that the server's certificate must have; empty: plain HTTP.
  std::string spiffe_id;

  /// For a Host field and for people.
  std::string ToString() const { return host_port.empty() ? address.ToString() : host_port; }

  friend bool operator==(const Destination&, const Destination&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Destination& d) {
    return H::combine(std::move(h), d.address, d.host_port, d.spiffe_id);
  }
};

/// Resolves the name, if there is one, and connects to the first of its addresses that answers.
/// Addresses where no server of ours can be (link-local, metadata of a cloud, multicast,
/// unspecified) are passed over, whatever the name's owner says.
///
/// Errors: of base::Connection::Connect; Unavailable: the name has no usable address.
base::IoTask<absl::StatusOr<std::unique_ptr<base::Connection>>> Dial(base::IoExecutor executor,
                                                                     Destination destination,
                                                                     absl::Duration timeout);

}  // namespace rolemesh::dataplane
