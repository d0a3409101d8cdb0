// SqliteStore does what every Store does.
#include <iostream>
#include <stdlib.h>
#include <utility>

#include "controlplane/store/sqlite_store.h"
#include "tests/component/controlplane/store/store_conformance.h"
#include "tests/component/controlplane/store/store_directory.h"
#include "tests/fakes/base/fake_clock.h"

namespace rolemesh::controlplane {
namespace {

class SqliteHarness final : public StoreHarness {
 public:
  SqliteHarness() { Open(); }
  Store& store() override { return *store_; }
  void PassTime(absl::Duration by) override {
    clock_.Advance(by);
    (void)store_->CommitAndWait({});  // what is due expires before it
  }
  bool Reopen() override {
    store_.reset();
    Open();
    return true;
  }

 private:
  void Open() {
    SqliteStoreOptions options;
    options.clock = &clock_;
    absl::StatusOr<std::unique_ptr<SqliteStore>> opened =
        SqliteStore::Open(directory_.file(), options);
    if (!opened.ok()) {
      std::cerr << opened.status() << "\n";
      abort();
    }
    store_ = *std::move(opened);
  }

  StoreDirectory directory_;
  base::FakeClock clock_;
  std::unique_ptr<SqliteStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance,
                         testing::Values(StoreUnderTest{
                             "sqlite", [] { return std::make_unique<SqliteHarness>(); }}));

}  // namespace
}  // namespace rolemesh::controlplane
