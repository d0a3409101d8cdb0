#include "tests/component/controlplane/store/store_conformance.h"

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include <gmock/gmock.h>

namespace rolemesh::controlplane {

int64_t StoreConformance::Put(absl::string_view key, absl::string_view value, int64_t lease_id) {
  return Commit({{}, {Op::Put(key, value, lease_id)}, {}}).revision;
}

CommitResult StoreConformance::Commit(Transaction transaction) {
  absl::StatusOr<CommitResult> result = store().CommitAndWait(std::move(transaction));
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(CommitResult());
}

std::string StoreConformance::Value(absl::string_view key) {
  absl::StatusOr<RangeResult> found = store().Get(key);
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() && !found->key_values.empty() ? found->key_values[0].value : "(absent)";
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "put a=1@5" or "delete a@6", with the revision.
std::string Text(const ChangeBatch& batch) {
  std::string text = absl::StrCat("@", batch.revision, ":");
  for (const Change& change : batch.changes) {
    EXPECT_EQ(change.kv.mod_revision, batch.revision);
    if (change.kind == Change::Kind::kPut) {
      absl::StrAppend(&text, " ", change.kv.key, "=", change.kv.value);
    } else {
      absl::StrAppend(&text, " -", change.kv.key);
    }
  }
  return text;
}

/// Remembers what a watch was told.
class Watcher {
 public:
  Watcher(Store& store, absl::string_view prefix, int64_t start_revision)
      : watch_(store.WatchFrom(prefix, start_revision, [this](absl::StatusOr<ChangeBatch> what) {
          absl::MutexLock lock(&mutex_);
          if (what.ok()) {
            batches_.push_back(*std::move(what));
          } else {
            error_ = what.status();
          }
        })) {}

  std::vector<ChangeBatch> WaitFor(size_t count) {
    absl::MutexLock lock(&mutex_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return batches_.size() >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20)))
        << batches_.size() << " of " << count << " batches, " << error_;
    return batches_;
  }
  std::vector<std::string> WaitForText(size_t count) {
    std::vector<std::string> texts;
    for (const ChangeBatch& batch : WaitFor(count)) {
      texts.push_back(Text(batch));
    }
    return texts;
  }
  absl::Status WaitForError() {
    absl::MutexLock lock(&mutex_);
    auto failed = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !error_.ok(); };
    mutex_.AwaitWithTimeout(absl::Condition(&failed), absl::Seconds(20));
    return error_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<ChangeBatch> batches_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Watch> watch_;  // last: its callbacks use the rest
};

std::vector<std::string> Keys(const RangeResult& result) {
  std::vector<std::string> keys;
  for (const KeyValue& kv : result.key_values) {
    keys.push_back(kv.key);
  }
  return keys;
}

TEST_P(StoreConformance, AnEmptyStoreHasAnIdAndNoKeys) {
  EXPECT_FALSE(store().store_id().empty());
  EXPECT_TRUE(store().health().ok());
  EXPECT_EQ(Value("a"), "(absent)");
  EXPECT_THAT(store().List("")->key_values, IsEmpty());
}

TEST_P(StoreConformance, APutKeyHasItsValueAndRevisions) {
  const int64_t first = Put("a", "1");
  const int64_t second = Put("a", "2");
  EXPECT_EQ(second, first + 1);
  const RangeResult found = *store().Get("a");
  ASSERT_EQ(found.key_values.size(), 1u);
  EXPECT_EQ(found.revision, second);
  EXPECT_EQ(found.key_values[0].value, "2");
  EXPECT_EQ(found.key_values[0].create_revision, first);
  EXPECT_EQ(found.key_values[0].mod_revision, second);
  EXPECT_EQ(found.key_values[0].lease_id, 0);
}

TEST_P(StoreConformance, ADeletedKeyIsCreatedAnew) {
  Put("a", "1");
  const int64_t deleted = Commit({{}, {Op::Delete("a")}, {}}).revision;
  EXPECT_EQ(Value("a"), "(absent)");
  EXPECT_EQ(Put("a", "2"), deleted + 1);
  EXPECT_EQ(store().Get("a")->key_values.at(0).create_revision, deleted + 1);
}

TEST_P(StoreConformance, WhatMutatesNothingTakesNoRevision) {
  const int64_t before = Put("a", "1");
  EXPECT_EQ(Commit({}).revision, before);
  EXPECT_EQ(Commit({{}, {Op::Delete("b"), Op::DeletePrefix("c")}, {}}).revision, before);
  EXPECT_EQ(Commit({{Compare::Absent("a")}, {Op::Put("b", "1")}, {}}).revision, before);
  EXPECT_EQ(Put("a", "1"), before + 1) << "putting the same value is a mutation";
}

TEST_P(StoreConformance, KeysAndValuesAreAnyBytes) {
  const std::string key("k\0\xff", 3);
  const std::string value("\0v\xff", 3);
  Put(key, value);
  Put("empty", "");
  EXPECT_EQ(Value(key), value);
  EXPECT_EQ(Value("empty"), "");
  EXPECT_EQ(Value("k"), "(absent)");
}

TEST_P(StoreConformance, ComparesDecideWhichListHappens) {
  const int64_t revision = Put("a", "m");
  using T = Compare::Target;
  using R = Compare::Relation;
  const struct {
    Compare compare;
    bool holds;
  } kCases[] = {
      {Compare::Exists("a"), true},
      {Compare::Exists("b"), false},
      {Compare::Absent("a"), false},
      {Compare::Absent("b"), true},
      {Compare::Unchanged("a", revision), true},
      {Compare::Unchanged("a", revision - 1), false},
      {Compare::Unchanged("b", 0), true},
      {Compare::ValueIs("a", "m"), true},
      {Compare::ValueIs("a", "n"), false},
      {Compare::ValueIs("b", ""), false},
      {{"a", T::kModRevision, R::kGreater, revision - 1, ""}, true},
      {{"a", T::kModRevision, R::kGreater, revision, ""}, false},
      {{"a", T::kModRevision, R::kLess, revision + 1, ""}, true},
      {{"a", T::kCreateRevision, R::kLess, revision, ""}, false},
      {{"a", T::kValue, R::kGreater, 0, "l"}, true},
      {{"a", T::kValue, R::kLess, 0, "\xff"}, true},
      {{"b", T::kValue, R::kLess, 0, "z"}, false},
  };
  int64_t expected = revision;
  for (const auto& c : kCases) {
    const CommitResult result =
        Commit({{c.compare}, {Op::Put("then", "x")}, {Op::Put("otherwise", "x")}});
    EXPECT_EQ(result.succeeded, c.holds) << &c - kCases;
    EXPECT_EQ(result.revision, ++expected);
    EXPECT_EQ(store().Get(c.holds ? "then" : "otherwise")->key_values.at(0).mod_revision, expected);
  }
  EXPECT_FALSE(Commit({{Compare::Exists("a"), Compare::Exists("b")}, {}, {}}).succeeded);
}

TEST_P(StoreConformance, OneOf64ConsumersOfAKeyWins) {
  Put("token", "secret");
  std::atomic<int> answers{0}, wins{0};
  absl::Notification all;
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&, i] {
      store().Commit({{Compare::Exists("token")},
                      {Op::Delete("token"), Op::Put("winner", absl::StrCat(i))},
                      {}},
                     [&](absl::StatusOr<CommitResult> result) {
                       wins += result.ok() && result->succeeded ? 1 : 0;
                       if (++answers == 64) {
                         all.Notify();
                       }
                     });
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  ASSERT_TRUE(all.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(wins, 1);
  EXPECT_EQ(Value("token"), "(absent)");
  EXPECT_NE(Value("winner"), "(absent)");
}

TEST_P(StoreConformance, CountersIncrementedByManyLoseNothing) {
  Put("n", "0");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int done = 0; done < 25;) {
        const KeyValue kv = store().Get("n")->key_values.at(0);
        const std::string next = absl::StrCat(std::stoi(kv.value) + 1);
        done +=
            Commit({{Compare::Unchanged("n", kv.mod_revision)}, {Op::Put("n", next)}, {}}).succeeded
                ? 1
                : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Value("n"), "100");
}

TEST_P(StoreConformance, ListIsOrderedAndKnowsThatMoreIsThere) {
  Commit({{},
          {Op::Put("r/b", "2"), Op::Put("r/a", "1"), Op::Put("r/a/x", "3"), Op::Put("r0", ""),
           Op::Put("r/\xff", "4"), Op::Put("q", "")},
          {}});
  const RangeResult all = *store().List("r/");
  EXPECT_THAT(Keys(all), ElementsAre("r/a", "r/a/x", "r/b", "r/\xff"));
  EXPECT_FALSE(all.more);
  const RangeResult two = *store().List("r/", 2);
  EXPECT_THAT(Keys(two), ElementsAre("r/a", "r/a/x"));
  EXPECT_TRUE(two.more);
  EXPECT_FALSE(store().List("r/", 4)->more);
  EXPECT_EQ(store().List("")->key_values.size(), 6u);
  EXPECT_THAT(Keys(*store().List("r/\xff")), ElementsAre("r/\xff"));
}

TEST_P(StoreConformance, AListNeverShowsHalfATransaction) {
  std::atomic<bool> stop{false};
  Commit({{}, {Op::Put("x/1", "0"), Op::Put("x/2", "0")}, {}});
  std::thread writer([&] {
    for (int i = 1; !stop; ++i) {
      Commit({{}, {Op::Put("x/1", absl::StrCat(i)), Op::Put("x/2", absl::StrCat(i))}, {}});
    }
  });
  for (int i = 0; i < 200; ++i) {
    const RangeResult seen = *store().List("x/");
    EXPECT_EQ(seen.key_values.at(0).value, seen.key_values.at(1).value);
    EXPECT_EQ(seen.key_values[0].mod_revision, seen.revision);
  }
  stop = true;
  writer.join();
}

TEST_P(StoreConformance, DeletePrefixDeletesExactlyThatAsOneRevision) {
  const int64_t revision =
      Commit(
          {{}, {Op::Put("a/1", ""), Op::Put("a/2", ""), Op::Put("a0", ""), Op::Put("a", "")}, {}})
          .revision;
  Watcher watcher(store(), "", revision + 1);
  EXPECT_EQ(Commit({{}, {Op::DeletePrefix("a/")}, {}}).revision, revision + 1);
  EXPECT_THAT(Keys(*store().List("")), ElementsAre("a", "a0"));
  EXPECT_THAT(watcher.WaitForText(1), ElementsAre(absl::StrCat("@", revision + 1, ": -a/1 -a/2")));
}

TEST_P(StoreConformance, TransactionsOverTheLimitsAreRefusedWhole) {
  const int64_t before = Put("a", "1");
  const std::string long_key(kMaxKeyBytes + 1, 'k');
  const std::string long_value(kMaxValueBytes + 1, 'v');
  const std::string most(kMaxValueBytes, 'v');
  std::vector<Op> many;
  for (size_t i = 0; i <= kMaxTransactionOps; ++i) {
    many.push_back(Op::Put(absl::StrCat("many/", i), ""));
  }
  const Transaction kRefused[] = {
      {{}, {Op::Put("", "")}, {}},
      {{}, {Op::DeletePrefix("")}, {}},
      {{Compare::Exists("")}, {}, {}},
      {{}, {Op::Put(long_key, "")}, {}},
      {{}, {Op::Put("b", "1"), Op::Put("c", long_value)}, {}},
      {{}, {Op::Put("b", most), Op::Put("c", most)}, {}},
      {{}, many, {}},
      {{}, {}, many},
      {std::vector<Compare>(kMaxTransactionOps + 1, Compare::Exists("a")), {}, {}},
      {{}, {Op::Put("b", "1"), Op::Put("b", "2")}, {}},
      {{}, {Op::Put("b", "1"), Op::Delete("b")}, {}},
      {{}, {Op::DeletePrefix("b"), Op::Put("b/1", "1")}, {}},
  };
  for (const Transaction& transaction : kRefused) {
    EXPECT_EQ(store().CommitAndWait(transaction).status().code(),
              absl::StatusCode::kInvalidArgument)
        << &transaction - kRefused;
  }
  EXPECT_EQ(store().List("")->revision, before);
  many.pop_back();
  EXPECT_EQ(Commit({{}, many, {}}).revision, before + 1);
  EXPECT_EQ(Put(std::string(kMaxKeyBytes, 'k'), most), before + 2);
  EXPECT_EQ(Value(std::string(kMaxKeyBytes, 'k')), most);
}

TEST_P(StoreConformance, AWatchSeesItsPrefixInOrderAndNothingElse) {
  const int64_t start = store().List("")->revision + 1;
  Watcher watcher(store(), "a/", start);
  Put("a/1", "x");
  Put("b/1", "x");
  Commit({{}, {Op::Put("b/2", "x"), Op::Put("a/3", "z"), Op::Put("a/2", "y")}, {}});
  Commit({{}, {Op::Delete("a/1")}, {}});
  EXPECT_THAT(watcher.WaitForText(3), ElementsAre(absl::StrCat("@", start, ": a/1=x"),
                                                  absl::StrCat("@", start + 2, ": a/3=z a/2=y"),
                                                  absl::StrCat("@", start + 3, ": -a/1")));
}

TEST_P(StoreConformance, AWatchFromAnOldRevisionReplaysThenFollows) {
  const int64_t start = Put("a", "0");
  for (int i = 1; i < 300; ++i) {
    Put("a", absl::StrCat(i));
  }
  Watcher watcher(store(), "a", start + 50);
  Put("a", "300");
  const std::vector<ChangeBatch> batches = watcher.WaitFor(251);
  ASSERT_EQ(batches.size(), 251u);
  for (size_t i = 0; i < batches.size(); ++i) {
    EXPECT_EQ(batches[i].revision, start + 50 + static_cast<int64_t>(i));
    EXPECT_EQ(batches[i].changes.at(0).kv.value, absl::StrCat(50 + i));
    EXPECT_EQ(batches[i].changes[0].kv.create_revision, start);
  }
}

TEST_P(StoreConformance, AWatchFromZeroBeginsWithTheNextChange) {
  const int64_t before = Put("a", "1");
  Watcher watcher(store(), "", 0);
  Put("a", "2");
  EXPECT_THAT(watcher.WaitForText(1), ElementsAre(absl::StrCat("@", before + 1, ": a=2")));
}

TEST_P(StoreConformance, AWatchFromTheFutureWaitsForIt) {
  const int64_t before = Put("a", "1");
  Watcher watcher(store(), "", before + 3);
  Put("a", "2");
  Put("a", "3");
  Put("a", "4");
  EXPECT_THAT(watcher.WaitForText(1), ElementsAre(absl::StrCat("@", before + 3, ": a=4")));
}

TEST_P(StoreConformance, WatchesSeeEveryRevisionOnceInOrderUnderFourCommitters) {
  constexpr int kEach = 150;
  const int64_t start = store().List("")->revision + 1;
  Watcher early(store(), "", start);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Put(absl::StrCat("k/", t), absl::StrCat(i));
      }
    });
  }
  Watcher meanwhile(store(), "", start);
  for (std::thread& thread : threads) {
    thread.join();
  }
  Watcher late(store(), "", start);
  for (Watcher* watcher : {&early, &meanwhile, &late}) {
    const std::vector<ChangeBatch> batches = watcher->WaitFor(4 * kEach);
    ASSERT_EQ(batches.size(), 4u * kEach);
    std::vector<int> next(4, 0);
    for (size_t i = 0; i < batches.size(); ++i) {
      ASSERT_EQ(batches[i].revision, start + static_cast<int64_t>(i));
      ASSERT_EQ(batches[i].changes.size(), 1u);
      const KeyValue& kv = batches[i].changes[0].kv;
      EXPECT_EQ(kv.value, absl::StrCat(next[static_cast<size_t>(kv.key[2] - '0')]++));
    }
  }
}

TEST_P(StoreConformance, AListAndAWatchFromAfterItMissNothing) {
  std::thread writer([&] {
    for (int i = 1; i <= 200; ++i) {
      Put("n", absl::StrCat(i));
    }
  });
  RangeResult seen;
  do {
    seen = *store().List("");
  } while (seen.key_values.empty());
  Watcher watcher(store(), "", seen.revision + 1);
  writer.join();
  const int listed = std::stoi(seen.key_values.at(0).value);
  const std::vector<ChangeBatch> rest = watcher.WaitFor(static_cast<size_t>(200 - listed));
  ASSERT_EQ(rest.size(), static_cast<size_t>(200 - listed));
  for (size_t i = 0; i < rest.size(); ++i) {
    EXPECT_EQ(rest[i].changes.at(0).kv.value, absl::StrCat(static_cast<size_t>(listed) + i + 1));
  }
}

TEST_P(StoreConformance, NoCallbackRunsOnceItsWatchIsDestroyed) {
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) {
      Put("a", "x");
    }
  });
  for (int i = 0; i < 100; ++i) {
    std::atomic<bool> alive{true};
    std::atomic<int> calls{0};
    std::unique_ptr<Watch> watch = store().WatchFrom("", 0, [&](const auto&) {
      EXPECT_TRUE(alive);
      ++calls;
    });
    while (calls == 0) {
      std::this_thread::yield();
    }
    watch.reset();
    alive = false;
  }
  stop = true;
  writer.join();
}

TEST_P(StoreConformance, ACallbackMayCommitAndMayDropItsOwnWatch) {
  std::unique_ptr<Watch> watch;
  absl::Notification dropped, committed;
  absl::Mutex mutex;
  {
    absl::MutexLock lock(&mutex);
    watch = store().WatchFrom("go", 0, [&](const auto&) {
      {
        absl::MutexLock inner(&mutex);  // until `watch` is assigned
      }
      store().Commit({{}, {Op::Put("reply", "1")}, {}}, [&](const auto& result) {
        EXPECT_TRUE(result.ok());
        committed.Notify();
      });
      watch.reset();
      dropped.Notify();
    });
  }
  Put("go", "1");
  ASSERT_TRUE(dropped.WaitForNotificationWithTimeout(absl::Seconds(20)));
  ASSERT_TRUE(committed.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(Value("reply"), "1");
}

TEST_P(StoreConformance, AWatchFromForgottenRevisionsIsOutOfRange) {
  const int64_t first = Put("a", "1");
  Put("a", "2");
  const int64_t third = Put("a", "3");
  ASSERT_TRUE(store().Compact(third).ok());
  EXPECT_TRUE(store().Compact(first).ok()) << "already forgotten";
  EXPECT_EQ(Watcher(store(), "", first).WaitForError().code(), absl::StatusCode::kOutOfRange);
  Watcher from_third(store(), "", third);
  EXPECT_THAT(from_third.WaitForText(1), ElementsAre(absl::StrCat("@", third, ": a=3")));
  EXPECT_EQ(Value("a"), "3");
  EXPECT_EQ(store().Compact(third + 2).code(), absl::StatusCode::kOutOfRange);
}

TEST_P(StoreConformance, AnExpiredLeaseTakesItsKeysAlongAsOneRevision) {
  const Store::Lease lease = *store().GrantLease(absl::Seconds(10));
  EXPECT_GT(lease.id, 0);
  EXPECT_GE(lease.ttl, absl::Seconds(10));
  Put("s/1", "", lease.id);
  Put("s/2", "", lease.id);
  Put("s/freed", "", lease.id);
  Put("s/freed", "kept");
  const int64_t last = Put("t", "");
  EXPECT_EQ(store().Get("s/1")->key_values.at(0).lease_id, lease.id);
  Watcher watcher(store(), "", last + 1);
  harness_->PassTime(lease.ttl + absl::Seconds(1));
  EXPECT_THAT(watcher.WaitForText(1), ElementsAre(absl::StrCat("@", last + 1, ": -s/1 -s/2")));
  EXPECT_THAT(Keys(*store().List("")), ElementsAre("s/freed", "t"));
  EXPECT_EQ(store().KeepAlive(lease.id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().RevokeLease(lease.id).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store()
                .CommitAndWait({{}, {Op::Put("u", ""), Op::Put("v", "", lease.id)}, {}})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(Value("u"), "(absent)") << "a refused transaction does nothing";
}

TEST_P(StoreConformance, AKeptLeaseLives) {
  const Store::Lease lease = *store().GrantLease(absl::Seconds(10));
  Put("s", "here", lease.id);
  for (int i = 0; i < 4; ++i) {
    harness_->PassTime(lease.ttl * 0.6);
    EXPECT_EQ(*store().KeepAlive(lease.id), lease.ttl);
  }
  EXPECT_EQ(Value("s"), "here");
}

TEST_P(StoreConformance, ARevokedLeaseTakesItsKeysAtOnce) {
  const Store::Lease lease = *store().GrantLease(absl::Seconds(10));
  const Store::Lease other = *store().GrantLease(absl::Seconds(10));
  EXPECT_NE(lease.id, other.id);
  Put("s", "", lease.id);
  const int64_t last = Put("o", "", other.id);
  ASSERT_TRUE(store().RevokeLease(lease.id).ok());
  EXPECT_THAT(Keys(*store().List("")), ElementsAre("o"));
  EXPECT_EQ(store().List("")->revision, last + 1);
}

TEST_P(StoreConformance, LeasesOfSillyLengthsAreRefused) {
  for (absl::Duration ttl : {absl::ZeroDuration(), absl::Seconds(-1), absl::Milliseconds(999),
                             absl::Hours(24 * 31), absl::InfiniteDuration()}) {
    EXPECT_EQ(store().GrantLease(ttl).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(store().KeepAlive(12345).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreConformance, ReopeningChangesNothing) {
  const Store::Lease lease = *store().GrantLease(absl::Seconds(10));
  const int64_t first = Put("a", "1");
  Put("s", "", lease.id);
  const int64_t last = Commit({{}, {Op::Delete("a")}, {}}).revision;
  const std::string id = store().store_id();
  if (!harness_->Reopen()) {
    GTEST_SKIP() << "forgets by nature";
  }
  EXPECT_EQ(store().store_id(), id);
  EXPECT_EQ(store().List("")->revision, last);
  Watcher watcher(store(), "", first);
  EXPECT_EQ(Put("b", "2"), last + 1);
  EXPECT_THAT(watcher.WaitForText(4),
              ElementsAre(absl::StrCat("@", first, ": a=1"), absl::StrCat("@", first + 1, ": s="),
                          absl::StrCat("@", last, ": -a"), absl::StrCat("@", last + 1, ": b=2")));
  EXPECT_TRUE(store().KeepAlive(lease.id).ok());
  EXPECT_GT(store().GrantLease(absl::Seconds(10))->id, lease.id);
  harness_->PassTime(lease.ttl + absl::Seconds(1));
  EXPECT_EQ(Value("s"), "(absent)");
}

}  // namespace
}  // namespace rolemesh::controlplane
