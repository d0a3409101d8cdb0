#include "base/tls/openssl_handle.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <openssl/err.h>

namespace rolemesh::base {

std::string TakeOpenSslError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) {
    return "no reason given";
  }
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? std::string(reason) : absl::StrCat("OpenSSL error ", error);
}

absl::Status OpenSslInternal(absl::string_view what) {
  return absl::InternalError(absl::StrCat(what, ": ", TakeOpenSslError()));
}

}  // namespace rolemesh::base
