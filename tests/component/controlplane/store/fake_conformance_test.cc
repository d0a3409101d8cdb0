// FakeStore does what every Store does.
#include "tests/component/controlplane/store/store_conformance.h"
#include "tests/fakes/base/fake_clock.h"
#include "tests/fakes/controlplane/fake_store.h"

namespace rolemesh::controlplane {
namespace {

class FakeHarness final : public StoreHarness {
 public:
  Store& store() override { return store_; }
  void PassTime(absl::Duration by) override {
    clock_.Advance(by);
    store_.Settle();
  }
  bool Reopen() override { return false; }

 private:
  base::FakeClock clock_;
  FakeStore store_{&clock_};
};

INSTANTIATE_TEST_SUITE_P(Fake, StoreConformance,
                         testing::Values(StoreUnderTest{
                             "fake", [] { return std::make_unique<FakeHarness>(); }}));

}  // namespace
}  // namespace rolemesh::controlplane
