// What SqliteStore promises beyond Store: about its file, crashes and full disks.
#include "controlplane/store/sqlite_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/component/controlplane/store/store_directory.h"

namespace rolemesh::controlplane {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kOk = absl::StatusCode::kOk;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kUnavailable = absl::StatusCode::kUnavailable;

std::unique_ptr<SqliteStore> MustOpen(const std::string& path, SqliteStoreOptions options = {}) {
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path, options);
  if (!store.ok()) {
    ADD_FAILURE() << store.status();
    std::cerr << store.status() << "\n";
    abort();
  }
  return *std::move(store);
}

absl::Status OpenStatus(const std::string& path) {
  return SqliteStore::Open(path).status();
}

absl::StatusCode PutCode(Store& store, const std::string& key, const std::string& value) {
  return store.CommitAndWait({{}, {Op::Put(key, value)}, {}}).status().code();
}

int Mode(const std::string& path) {
  struct stat found;
  return stat(path.c_str(), &found) == 0 ? static_cast<int>(found.st_mode & 0777) : -1;
}

TEST(SqliteStoreTest, NobodyElseMayReadAnyOfItsFiles) {
  StoreDirectory directory;
  const std::string path = directory.path() + "/new/store.db";
  const mode_t mask = umask(0);
  const auto store = MustOpen(path);
  EXPECT_EQ(PutCode(*store, "a", "1"), kOk);
  ASSERT_TRUE(store->Backup(directory.path() + "/backup.db").ok());
  umask(mask);
  EXPECT_EQ(Mode(directory.path() + "/new"), 0700);
  EXPECT_EQ(Mode(directory.path() + "/backup.db"), 0600);
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    EXPECT_EQ(Mode(path + suffix), 0600) << suffix;
  }
}

TEST(SqliteStoreTest, AFileOrDirectoryOpenToOthersIsRefusedWithItsCure) {
  StoreDirectory directory;
  MustOpen(directory.file());
  chmod(directory.file().c_str(), 0640);
  EXPECT_EQ(OpenStatus(directory.file()).code(), kFailedPrecondition);
  EXPECT_THAT(std::string(OpenStatus(directory.file()).message()),
              HasSubstr("chmod 600 " + directory.file()));
  chmod(directory.file().c_str(), 0600);
  chmod(directory.path().c_str(), 0755);
  EXPECT_THAT(std::string(OpenStatus(directory.file()).message()),
              HasSubstr("chmod 700 " + directory.path()));
  chmod(directory.path().c_str(), 0700);
  EXPECT_EQ(OpenStatus(directory.file()).code(), kOk);
}

TEST(SqliteStoreTest, ASecondOpenerIsRefused) {
  StoreDirectory directory;
  auto store = MustOpen(directory.file());
  EXPECT_EQ(OpenStatus(directory.file()).code(), kFailedPrecondition);
  EXPECT_EQ(SqliteStore::NewStoreId(directory.file()).status().code(), kFailedPrecondition);
  store.reset();
  EXPECT_EQ(OpenStatus(directory.file()).code(), kOk);
}

// Runs `body` in a child as a user who is not root; its exit code.
template <class Body>
int AsOrdinaryUser(const std::string& directory, Body body) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 &&
        (chown(directory.c_str(), 65534, 65534) != 0 || setgid(65534) != 0 || setuid(65534) != 0)) {
      _exit(99);
    }
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(SqliteStoreTest, AReadOnlyDirectoryIsPermissionDenied) {
  StoreDirectory directory;
  chmod(directory.path().c_str(), 0500);
  EXPECT_EQ(AsOrdinaryUser(directory.path(),
                           [&] { return static_cast<int>(OpenStatus(directory.file()).code()); }),
            static_cast<int>(absl::StatusCode::kPermissionDenied));
  chmod(directory.path().c_str(), 0700);
}

TEST(SqliteStoreTest, AMissingParentDirectoryIsNotFound) {
  StoreDirectory directory;
  EXPECT_EQ(OpenStatus(directory.path() + "/no/such/store.db").code(), absl::StatusCode::kNotFound);
}

// A store with a few hundred keys, closed.
void Fill(const std::string& path) {
  const auto store = MustOpen(path);
  for (int i = 0; i < 40; ++i) {
    std::vector<Op> ops;
    for (int k = 0; k < 20; ++k) {
      ops.push_back(Op::Put(absl::StrCat("key/", i, "/", k), std::string(100, 'v')));
    }
    ASSERT_TRUE(store->CommitAndWait({{}, ops, {}}).ok());
  }
}

TEST(SqliteStoreTest, ATruncatedFileIsDataLoss) {
  StoreDirectory directory;
  Fill(directory.file());
  const auto size = std::filesystem::file_size(directory.file());
  for (uintmax_t left :
       {size - 1, size - 4096, size / 2, uintmax_t{4096}, uintmax_t{100}, uintmax_t{0}}) {
    const std::string copy = directory.path() + "/copy.db";
    std::filesystem::copy_file(directory.file(), copy,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(copy, left);
    const absl::Status status = OpenStatus(copy);
    EXPECT_EQ(status.code(), kDataLoss) << left << " bytes of " << size << ": " << status;
    EXPECT_TRUE(absl::StartsWith(status.message(), copy)) << status;
  }
}

TEST(SqliteStoreTest, AScribbledFileIsDataLoss) {
  StoreDirectory directory;
  Fill(directory.file());
  const auto size = std::filesystem::file_size(directory.file());
  for (uintmax_t at : {uintmax_t{0}, size / 3 / 4096 * 4096, size / 2 / 4096 * 4096}) {
    const std::string copy = directory.path() + "/copy.db";
    std::filesystem::copy_file(directory.file(), copy,
                               std::filesystem::copy_options::overwrite_existing);
    std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << std::string(4096, '\x5a');
    file.close();
    EXPECT_EQ(OpenStatus(copy).code(), kDataLoss) << "at " << at << ": " << OpenStatus(copy);
  }
}

void Sql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

TEST(SqliteStoreTest, AnotherProgramsDatabaseIsNotTouched) {
  StoreDirectory directory;
  Sql(directory.file(), "CREATE TABLE kv (theirs)");
  chmod(directory.file().c_str(), 0600);
  EXPECT_EQ(OpenStatus(directory.file()).code(), kDataLoss);
}

TEST(SqliteStoreTest, AFileOfANewerReleaseIsRefused) {
  StoreDirectory directory;
  MustOpen(directory.file());
  Sql(directory.file(), "PRAGMA user_version = 2");
  const absl::Status status = OpenStatus(directory.file());
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("newer release"));
}

TEST(SqliteStoreTest, ALostFileIsNotReplacedByAnEmptyOne) {
  StoreDirectory directory;
  MustOpen(directory.file());
  std::filesystem::rename(directory.file(), directory.file() + "-wal");
  EXPECT_EQ(OpenStatus(directory.file()).code(), kDataLoss);
}

TEST(SqliteStoreTest, ABackupOpensAsACopyAndGetsAnIdOfItsOwn) {
  StoreDirectory directory;
  const std::string copy = directory.path() + "/backup.db";
  auto store = MustOpen(directory.file());
  EXPECT_EQ(PutCode(*store, "a", "before"), kOk);
  const int64_t revision = store->List("")->revision;
  ASSERT_TRUE(store->Backup(copy).ok());
  EXPECT_EQ(store->Backup(copy).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(PutCode(*store, "a", "after"), kOk);

  const absl::StatusOr<std::string> id = SqliteStore::NewStoreId(copy);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_NE(*id, store->store_id());
  const auto restored = MustOpen(copy);
  EXPECT_EQ(restored->store_id(), *id);
  EXPECT_EQ(restored->List("")->revision, revision);
  EXPECT_EQ(restored->Get("a")->key_values.at(0).value, "before");
}

TEST(SqliteStoreTest, ARestoreOverACrashedStoreIsRefused) {
  StoreDirectory directory;
  MustOpen(directory.file());
  std::ofstream(directory.file() + "-wal") << "left over";
  EXPECT_EQ(SqliteStore::NewStoreId(directory.file()).status().code(), kFailedPrecondition);
}

TEST(SqliteStoreTest, HistoryIsBoundedAndTheNewestIsKept) {
  StoreDirectory directory;
  SqliteStoreOptions options;
  options.history_rows = 100;
  const auto store = MustOpen(directory.file(), options);
  for (int i = 0; i < 400; ++i) {
    EXPECT_EQ(PutCode(*store, "a", absl::StrCat(i)), kOk);
  }
  const int64_t now = store->List("")->revision;
  const auto first_answer = [&](int64_t from) {
    absl::StatusOr<ChangeBatch> answer = ChangeBatch();
    absl::Notification called;
    const auto watch = store->WatchFrom("", from, [&](absl::StatusOr<ChangeBatch> what) {
      if (!called.HasBeenNotified()) {
        answer = std::move(what);
        called.Notify();
      }
    });
    called.WaitForNotification();
    return answer;
  };
  EXPECT_EQ(first_answer(now - 110).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(first_answer(now - 90)->revision, now - 90);
}

TEST(SqliteStoreTest, MoreWaitingCommitsThanTheLimitAreRefused) {
  StoreDirectory directory;
  SqliteStoreOptions options;
  options.max_queued = 5;
  const auto store = MustOpen(directory.file(), options);
  absl::Notification writer_held, release;
  store->Commit({}, [&](const auto&) {
    writer_held.Notify();
    release.WaitForNotification();  // callbacks must not; it keeps the writer busy
  });
  writer_held.WaitForNotification();
  absl::BlockingCounter answers(8);
  std::atomic<int> accepted{0}, refused{0};
  for (int i = 0; i < 8; ++i) {
    store->Commit({{}, {Op::Put(absl::StrCat(i), "")}, {}}, [&](const auto& result) {
      accepted += result.ok() ? 1 : 0;
      refused += result.status().code() == absl::StatusCode::kResourceExhausted ? 1 : 0;
      answers.DecrementCount();
    });
  }
  release.Notify();
  answers.Wait();
  EXPECT_EQ(accepted, 5);
  EXPECT_EQ(refused, 3);
}

TEST(SqliteStoreTest, ClosingCommitsWhatWasAccepted) {
  StoreDirectory directory;
  auto store = MustOpen(directory.file());
  std::atomic<int> acknowledged{0};
  for (int i = 0; i < 2000; ++i) {
    store->Commit({{}, {Op::Put(absl::StrCat(i), "")}, {}},
                  [&](const auto& result) { acknowledged += result.ok() ? 1 : 0; });
  }
  store.reset();
  EXPECT_EQ(acknowledged, 2000);
  EXPECT_EQ(MustOpen(directory.file())->List("")->key_values.size(), 2000u);
}

TEST(SqliteStoreTest, AFullFileTurnsItReadOnlyAndReadsGoOn) {
  StoreDirectory directory;
  SqliteStoreOptions options;
  options.max_file_bytes = 1 << 20;
  auto store = MustOpen(directory.file(), options);
  std::vector<std::string> acknowledged;
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    const std::string key = absl::StrCat("key/", i);
    status = store->CommitAndWait({{}, {Op::Put(key, std::string(50000, 'v'))}, {}}).status();
    if (status.ok()) {
      acknowledged.push_back(key);
    }
  }
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_TRUE(absl::StartsWith(status.message(), "store is read-only: ")) << status;
  EXPECT_EQ(store->health(), status);
  EXPECT_EQ(PutCode(*store, "small", ""), kUnavailable);
  EXPECT_EQ(store->GrantLease(absl::Seconds(5)).status().code(), kUnavailable);
  const int64_t revision = store->List("")->revision;
  EXPECT_EQ(store->List("key/")->key_values.size(), acknowledged.size());
  absl::Notification replayed;
  const auto watch = store->WatchFrom("", revision, [&](const auto& what) {
    EXPECT_TRUE(what.ok());
    replayed.Notify();
  });
  EXPECT_TRUE(replayed.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST(SqliteStoreTest, AFailedWriteTurnsItReadOnlyAndLosesNothingAcknowledged) {
  StoreDirectory directory;
  const pid_t child = fork();
  if (child == 0) {  // the limit on file sizes is the process's
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{300000, 300000};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto store = MustOpen(directory.file());
    int acknowledged = 0;
    while (PutCode(*store, absl::StrCat("key/", acknowledged), std::string(5000, 'v')) == kOk) {
      ++acknowledged;
    }
    const bool reads = store->List("key/")->key_values.size() == static_cast<size_t>(acknowledged);
    _exit(reads && !store->health().ok() && acknowledged > 0 ? acknowledged : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  const int acknowledged = WEXITSTATUS(status);
  EXPECT_GT(acknowledged, 0);
  EXPECT_GE(MustOpen(directory.file())->List("key/")->key_values.size(),
            static_cast<size_t>(acknowledged));
}

TEST(SqliteStoreTest, KilledAmidCommitsItLosesNothingAcknowledged) {
  StoreDirectory directory;
  int next = 0;
  int64_t revision = 0;
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      auto store = MustOpen(directory.file());
      std::atomic<int> waiting{0};
      for (int i = next;; ++i) {
        while (waiting > 200) {
          std::this_thread::yield();
        }
        ++waiting;
        const std::string value = absl::StrCat(i);
        store->Commit({{}, {Op::Put(absl::StrCat("a/", i), value), Op::Put("last", value)}, {}},
                      [&, i](const auto& result) {
                        --waiting;
                        if (!result.ok() || write(ends[1], &i, sizeof i) != sizeof i) {
                          _exit(1);
                        }
                      });
      }
    }
    close(ends[1]);
    int acknowledged = -1, got = 0;
    for (int i; read(ends[0], &i, sizeof i) == static_cast<ssize_t>(sizeof i);) {
      acknowledged = i;
      if (++got == 50 + round * 37) {
        kill(child, SIGKILL);  // then what is still in the pipe counts, too
      }
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    const auto store = MustOpen(directory.file());
    const RangeResult all = *store->List("a/");
    const int last = std::stoi(store->Get("last")->key_values.at(0).value);
    ASSERT_GE(last, acknowledged);
    ASSERT_EQ(all.key_values.size(), static_cast<size_t>(last) + 1) << "no gaps, nothing half done";
    ASSERT_GT(all.revision, revision);
    revision = all.revision;
    ASSERT_EQ(revision, last + 2) << "each transaction took one revision";
    next = last + 1;
  }
}

// Prints what one sequential committer gets; a figure for people, no limit.
TEST(SqliteStoreTest, SequentialCommitsArePaidByOneSyncEach) {
  StoreDirectory directory;
  const auto store = MustOpen(directory.file());
  std::vector<double> micros;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    const auto before = std::chrono::steady_clock::now();
    ASSERT_EQ(PutCode(*store, absl::StrCat("bench/", i % 100), std::string(200, 'v')), kOk);
    micros.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before)
            .count());
  }
  const std::chrono::duration<double> total = std::chrono::steady_clock::now() - begin;
  std::sort(micros.begin(), micros.end());
  std::printf("sequential: %.0f commits/s, p50 %.0f us, p99 %.0f us\n", 1000 / total.count(),
              micros[500], micros[990]);

  const auto storm = std::chrono::steady_clock::now();
  absl::BlockingCounter answers(5000);
  for (int i = 0; i < 5000; ++i) {
    store->Commit({{}, {Op::Put(absl::StrCat("bench/", i % 100), std::string(200, 'v'))}, {}},
                  [&](const auto& result) {
                    EXPECT_TRUE(result.ok());
                    answers.DecrementCount();
                  });
  }
  answers.Wait();
  const std::chrono::duration<double> grouped = std::chrono::steady_clock::now() - storm;
  std::printf("grouped: %.0f commits/s\n", 5000 / grouped.count());
}

}  // namespace
}  // namespace rolemesh::controlplane
