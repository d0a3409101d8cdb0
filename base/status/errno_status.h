// Turns an errno of the kernel into a Status that tells the caller what to do.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// "what: Text of the errno". `errno_value` is not 0.
///
/// The code is chosen by what the caller should do:
///   NotFound           it is not there (ENOENT, ESRCH, ENODEV...)
///   AlreadyExists      EEXIST
///   PermissionDenied   EACCES, EPERM, EROFS
///   InvalidArgument    fix the request: EINVAL, ENAMETOOLONG, ENOTDIR, EISDIR...
///   FailedPrecondition not until state changes: EADDRINUSE, EADDRNOTAVAIL, ENOTEMPTY...
///   ResourceExhausted  slow down or free something: EMFILE, ENFILE, ENOSPC, ENOMEM...
///   Unavailable        retry with backoff: ECONNREFUSED, ECONNRESET, EPIPE, EAGAIN, network down
///   DeadlineExceeded   ETIMEDOUT
///   Cancelled          ECANCELED
///   Unimplemented      the kernel cannot: ENOSYS, EOPNOTSUPP...
///   Internal           anything else
absl::Status ErrnoStatus(int errno_value, absl::string_view what);

}  // namespace rolemesh::base
