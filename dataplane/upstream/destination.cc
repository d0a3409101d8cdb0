#include "dataplane/upstream/destination.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <boost/asio/ip/tcp.hpp>

namespace rolemesh::dataplane {
namespace {

using boost::asio::ip::tcp;
using Resolver = boost::asio::ip::basic_resolver<tcp, base::IoExecutor>;

bool MayBeServer(const base::IpAddress& ip) {
  return !ip.IsLinkLocal() && !ip.IsMetadata() && !ip.IsMulticast() && !ip.IsUnspecified() &&
         !ip.IsBroadcast();
}

base::IoTask<absl::StatusOr<std::vector<base::SocketAddress>>> Resolve(base::IoExecutor executor,
                                                                       std::string host_port) {
  const size_t colon = host_port.rfind(':');
  Resolver resolver(executor);
  const auto [error, results] =
      co_await resolver.async_resolve(host_port.substr(0, colon), host_port.substr(colon + 1),
                                      tcp::resolver::numeric_service, base::kIoTuple);
  if (error) {
    co_return absl::UnavailableError(absl::StrCat("resolve ", host_port, ": ", error.message()));
  }
  std::vector<base::SocketAddress> addresses;
  for (const auto& result : results) {
    const tcp::endpoint endpoint = result.endpoint();
    const absl::StatusOr<base::SocketAddress> address =
        base::SocketAddress::FromNative(endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    if (address.ok() && MayBeServer(address->ip())) {
      addresses.push_back(*address);
    }
  }
  if (addresses.empty()) {
    co_return absl::UnavailableError(absl::StrCat("resolve ", host_port, ": no usable address"));
  }
  co_return addresses;
}

}  // namespace

base::IoTask<absl::StatusOr<std::unique_ptr<base::Connection>>> Dial(base::IoExecutor executor,
                                                                     Destination destination,
                                                                     absl::Duration timeout) {
  if (destination.host_port.empty()) {
    co_return co_await base::Connection::Connect(executor, destination.address, timeout);
  }
  const absl::StatusOr<std::vector<base::SocketAddress>> addresses =
      co_await Resolve(executor, destination.host_port);
  if (!addresses.ok()) {
    co_return addresses.status();
  }
  absl::Status last;
  for (const base::SocketAddress& address : *addresses) {
    absl::StatusOr<std::unique_ptr<base::Connection>> connection =
        co_await base::Connection::Connect(executor, address, timeout);
    if (connection.ok()) {
      co_return connection;
    }
    last = connection.status();
  }
  co_return last;
}

}  // namespace rolemesh::dataplane
