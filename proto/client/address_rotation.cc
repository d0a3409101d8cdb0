#include "proto/client/address_rotation.h"

#include <cassert>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace rolemesh::client {

AddressRotation::AddressRotation(std::vector<std::string> addresses)
    : addresses_(std::move(addresses)), backoff_(absl::Milliseconds(250), absl::Seconds(30)) {
  assert(!addresses_.empty());
}

absl::Duration AddressRotation::OnFailed(double random) {
  index_ = (index_ + 1) % addresses_.size();
  return backoff_.Next(random);
}

}  // namespace rolemesh::client
