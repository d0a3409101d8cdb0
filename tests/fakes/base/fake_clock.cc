#include "tests/fakes/base/fake_clock.h"

#include <cassert>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace rolemesh::base {

SteadyTime FakeClock::SteadyNow() const {
  absl::MutexLock lock(&mutex_);
  return steady_;
}

absl::Time FakeClock::WallNow() const {
  absl::MutexLock lock(&mutex_);
  return wall_;
}

void FakeClock::Advance(absl::Duration by) {
  assert(by >= absl::ZeroDuration());
  absl::MutexLock lock(&mutex_);
  steady_ += absl::ToChronoNanoseconds(by);
  wall_ += by;
}

void FakeClock::StepWall(absl::Duration by) {
  absl::MutexLock lock(&mutex_);
  wall_ += by;
}

}  // namespace rolemesh::base
