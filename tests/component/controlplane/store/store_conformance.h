// What every Store must do, whatever keeps it.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include <gtest/gtest.h>

#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// One empty store under test and what surrounds it.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  virtual Store& store() = 0;
  /// Lets `by` pass for leases, and has those due expire.
  virtual void PassTime(absl::Duration by) = 0;
  /// Closes and opens it again; false when it forgets by nature.
  virtual bool Reopen() = 0;
};

struct StoreUnderTest {
  std::string name;
  std::function<std::unique_ptr<StoreHarness>()> make;

  friend std::ostream& operator<<(std::ostream& out, const StoreUnderTest& tested) {
    return out << tested.name;
  }
};

/// Instantiate with INSTANTIATE_TEST_SUITE_P and link store_conformance.cc.
class StoreConformance : public testing::TestWithParam<StoreUnderTest> {
 protected:
  StoreConformance() : harness_(GetParam().make()) {}

  Store& store() { return harness_->store(); }

  /// Commits and expects it to have succeeded; its revision.
  int64_t Put(absl::string_view key, absl::string_view value, int64_t lease_id = 0);
  CommitResult Commit(Transaction transaction);
  /// The value, or "(absent)".
  std::string Value(absl::string_view key);

  std::unique_ptr<StoreHarness> harness_;
};

}  // namespace rolemesh::controlplane
