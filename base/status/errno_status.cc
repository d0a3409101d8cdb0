#include "base/status/errno_status.h"

#include <cerrno>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rolemesh::base {
namespace {

absl::StatusCode CodeFor(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOEXEC:
    case ENOTDIR:
    case ENOTSOCK:
    case EAFNOSUPPORT:
      return absl::StatusCode::kInvalidArgument;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EBUSY:
    case ENOTCONN:
    case ENOTEMPTY:
    case ETXTBSY:
      return absl::StatusCode::kFailedPrecondition;
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      return absl::StatusCode::kResourceExhausted;
    case EAGAIN:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case EPIPE:
      return absl::StatusCode::kUnavailable;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case ECANCELED:
      return absl::StatusCode::kCancelled;
    case ENOSYS:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ErrnoStatus(int errno_value, absl::string_view what) {
  // generic_category: strerror() is not thread-safe.
  return absl::Status(CodeFor(errno_value),
                      absl::StrCat(what, ": ", std::generic_category().message(errno_value)));
}

}  // namespace rolemesh::base
