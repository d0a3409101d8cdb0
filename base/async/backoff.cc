#include "base/async/backoff.h"

#include <algorithm>
#include <cassert>

#include "absl/time/time.h"

namespace rolemesh::base {

Backoff::Backoff(absl::Duration base, absl::Duration cap) : base_(base), cap_(cap), ceiling_(base) {
  assert(base > absl::ZeroDuration() && base <= cap);
}

absl::Duration Backoff::Next(double unit) {
  const absl::Duration delay = ceiling_ * unit;
  ceiling_ = std::min(ceiling_ * 2, cap_);
  ++attempts_;
  return delay;
}

void Backoff::Reset() {
  ceiling_ = base_;
  attempts_ = 0;
}

}  // namespace rolemesh::base
