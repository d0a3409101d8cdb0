#include "controlplane/store/sqlite_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include <sys/file.h>
#include <sys/stat.h>

#include "base/ids/random_id.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"

namespace rolemesh::controlplane {
namespace {

constexpr int64_t kApplicationId = 0x524d5348;  // "RMSH"
constexpr int64_t kSchemaVersion = 1;

// Keys and values are blobs: compared bytewise, as etcd does.
constexpr absl::string_view kSchema[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "CREATE TABLE kv (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL,"
    " create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL, lease INTEGER NOT NULL)",
    "CREATE INDEX kv_lease ON kv (lease) WHERE lease <> 0",
    "CREATE TABLE log (revision INTEGER NOT NULL, seq INTEGER NOT NULL, key BLOB NOT NULL,"
    " value BLOB NOT NULL, create_revision INTEGER NOT NULL, lease INTEGER NOT NULL,"
    " deleted INTEGER NOT NULL, PRIMARY KEY (revision, seq)) WITHOUT ROWID",
    "CREATE TABLE lease (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_seconds INTEGER NOT NULL)",
};

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncPath(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return base::ErrnoStatus(errno, path);
  }
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : base::ErrnoStatus(error, path);
}

absl::Status MakeFile(const std::string& path) {
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {
    return base::ErrnoStatus(errno, path);
  }
  close(fd);
  return absl::OkStatus();
}

bool Exists(const std::string& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0;
}

absl::Status WriteEmptyStore(const std::string& path) {
  RM_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteConnection> db,
                      SqliteConnection::Open(path, SqliteConnection::Mode::kReadWrite));
  (void)db->Run("BEGIN");
  for (absl::string_view sql : kSchema) {
    (void)db->Run(sql);
  }
  // Revision 1 is the empty store, as in etcd.
  db->Prepare("INSERT INTO meta VALUES ('store_id', ?), ('revision', 1), ('first_revision', 1)")
      .Execute(absl::string_view(base::RandomHex(16)));
  (void)db->Run(absl::StrCat("PRAGMA application_id = ", kApplicationId));
  (void)db->Run(absl::StrCat("PRAGMA user_version = ", kSchemaVersion));
  return db->Run("COMMIT");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteFileLock>> SqliteFileLock::Take(
    const std::string& store_path) {
  const std::string path = absl::StrCat(store_path, ".lock");
  const int fd = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return base::ErrnoStatus(errno, path);
  }
  auto lock = absl::WrapUnique(new SqliteFileLock(fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat(store_path, ": another process has this store open"));
    }
    return base::ErrnoStatus(errno, path);
  }
  return lock;
}

SqliteFileLock::~SqliteFileLock() {
  close(fd_);
}

absl::Status PrepareDirectory(const std::string& path) {
  const std::string directory = DirectoryOf(path);
  if (mkdir(directory.c_str(), 0700) == 0) {
    return SyncPath(DirectoryOf(directory));
  }
  if (errno != EEXIST) {
    return base::ErrnoStatus(errno, directory);
  }
  struct stat found;
  if (stat(directory.c_str(), &found) != 0) {
    return base::ErrnoStatus(errno, directory);
  }
  if ((found.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, ": other users may enter it; run: chmod 700 ", directory));
  }
  return absl::OkStatus();
}

absl::Status CreateIfAbsent(const std::string& path) {
  if (Exists(path)) {
    return absl::OkStatus();
  }
  if (Exists(absl::StrCat(path, "-wal"))) {
    // A new file beside it would be filled from it with another file's pages.
    return absl::DataLossError(
        absl::StrCat(path, ": is gone but ", path, "-wal is there; restore a backup elsewhere"));
  }
  const std::string unfinished = absl::StrCat(path, ".new");
  (void)unlink(unfinished.c_str());
  (void)unlink(absl::StrCat(unfinished, "-journal").c_str());
  RM_RETURN_IF_ERROR(MakeFile(unfinished));
  RM_RETURN_IF_ERROR(WriteEmptyStore(unfinished));
  RM_RETURN_IF_ERROR(SyncPath(unfinished));
  if (rename(unfinished.c_str(), path.c_str()) != 0) {
    return base::ErrnoStatus(errno, path);
  }
  return SyncPath(DirectoryOf(path));
}

absl::Status CheckNoLeftovers(const std::string& path) {
  if (Exists(absl::StrCat(path, "-wal"))) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, "-wal: is left of another store; restore the backup into an empty directory"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenChecked(const std::string& path,
                                                              int64_t max_bytes) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) {
    return base::ErrnoStatus(errno, path);
  }
  if (!S_ISREG(found.st_mode)) {
    return absl::DataLossError(absl::StrCat(path, ": not a file"));
  }
  if ((found.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": other users may read it; run: chmod 600 ", path));
  }
  if (found.st_size == 0) {
    return absl::DataLossError(absl::StrCat(path, ": is empty; restore a backup, or remove it"));
  }
  const bool has_wal = Exists(absl::StrCat(path, "-wal"));
  RM_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> db,
                      SqliteConnection::Open(path, SqliteConnection::Mode::kReadWrite));
  const int64_t application_id = db->Number("PRAGMA application_id");
  const int64_t version = db->Number("PRAGMA user_version");
  RM_RETURN_IF_ERROR(db->error());
  if (application_id != kApplicationId) {
    return absl::DataLossError(absl::StrCat(path, ": not a RoleMesh store"));
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": written by a newer release (format ",
                                                      version, ", this one knows ", kSchemaVersion,
                                                      "); upgrade"));
  }
  if (version < kSchemaVersion) {
    return absl::DataLossError(absl::StrCat(path, ": unknown format ", version));
  }
  const int64_t page_size = std::max<int64_t>(db->Number("PRAGMA page_size"), 512);
  // SQLite would read zeros for the rest of a page cut short, unless the WAL has it.
  if (found.st_size % page_size != 0 && !has_wal) {
    return absl::DataLossError(absl::StrCat(path, ": cut short, restore a backup"));
  }
  const std::string verdict = db->Text("PRAGMA quick_check(1)");
  RM_RETURN_IF_ERROR(db->error());
  if (verdict != "ok") {
    return absl::DataLossError(absl::StrCat(path, ": damaged, restore a backup: ", verdict));
  }
  const std::string journal = db->Text("PRAGMA journal_mode = WAL");
  (void)db->Run("PRAGMA synchronous = FULL");
  (void)db->Run("PRAGMA journal_size_limit = 67108864");
  (void)db->Number(absl::StrCat("PRAGMA max_page_count = ", max_bytes / page_size));
  RM_RETURN_IF_ERROR(db->error());
  if (journal != "wal") {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": this file system has no shared memory; use a local disk"));
  }
  return db;
}

absl::Status CopyStore(const std::string& path, const std::string& copy) {
  RM_RETURN_IF_ERROR(MakeFile(copy));  // VACUUM INTO fills an empty file
  auto remove = absl::MakeCleanup([&copy] { (void)unlink(copy.c_str()); });
  RM_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteConnection> db,
                      SqliteConnection::Open(path, SqliteConnection::Mode::kReadOnly));
  db->Prepare("VACUUM INTO CAST(? AS TEXT)").Execute(absl::string_view(copy));
  RM_RETURN_IF_ERROR(db->error());
  RM_RETURN_IF_ERROR(SyncPath(copy));
  RM_RETURN_IF_ERROR(SyncPath(DirectoryOf(copy)));
  std::move(remove).Cancel();
  return absl::OkStatus();
}

}  // namespace rolemesh::controlplane
