#include "controlplane/fleet/expiry_freeze.h"

#include "absl/time/time.h"

namespace rolemesh::controlplane {
namespace {

bool TooMany(size_t count, size_t of) {
  return count >= ExpiryFreeze::kLeastExpiries &&
         static_cast<double>(count) > ExpiryFreeze::kShare * static_cast<double>(of);
}

}  // namespace

void ExpiryFreeze::OnExpiry(base::SteadyTime now) {
  expiries_.push_back(now);
}

bool ExpiryFreeze::Update(base::SteadyTime now, size_t silent, size_t known) {
  while (!expiries_.empty() && expiries_.front() + absl::ToChronoNanoseconds(lease_) < now) {
    expiries_.pop_front();
  }
  const bool was = frozen_;
  if (!frozen_) {
    // Those that came back meanwhile do not count.
    frozen_ = TooMany(expiries_.size() < silent ? expiries_.size() : silent, known);
  } else if (!TooMany(silent, known)) {
    frozen_ = false;
    thawed_at_ = now;
    expiries_.clear();
  }
  return frozen_ != was;
}

}  // namespace rolemesh::controlplane
