// Files that must be whole after a crash, and files that only their owner may read.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <sys/types.h>

#include "base/tls/secret.h"

namespace rolemesh::base {

/// Replaces `path` with `content` so that a reader, even after a crash, sees all of the old or all
/// of the new: temporary file beside it, fsync, rename, fsync of the folder. The temporary
/// file has `mode` (whatever the umask) before a byte is in it and is removed on failure.
/// Errors: as ErrnoStatus; the message begins with the path. The old file is then untouched,
/// unless only the last fsync failed.
absl::Status WriteFileAtomically(absl::string_view path, absl::string_view content, mode_t mode);

/// A regular file's bytes, at most `max_bytes`.
/// Errors: NotFound; InvalidArgument: no regular file or larger than `max_bytes`; others as
/// ErrnoStatus. The message begins with the path.
absl::StatusOr<std::string> ReadSmallFile(absl::string_view path, size_t max_bytes = 1 << 20);

/// As ReadSmallFile, but only when nobody but the owner (and root) may read or write the file;
/// symbolic links are followed, as Kubernetes mounts secrets through them.
/// Errors: also PermissionDenied: group or others have access, or it belongs to another user;
/// the message says what to do ("chmod 600 PATH").
absl::StatusOr<Secret> ReadSecretFile(absl::string_view path, size_t max_bytes = 64 << 10);

}  // namespace rolemesh::base
