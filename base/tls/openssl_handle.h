// Owners for OpenSSL's objects and its errors as text; for base/tls's own .cc files.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// Deletes with a C function: OpenSslHandle<X509, X509_free>.
template <auto kFree>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
template <typename T, auto kFree>
using OpenSslHandle = std::unique_ptr<T, OpenSslDeleter<kFree>>;

/// Takes all errors off this thread's queue; the first as text, or "no reason given".
std::string TakeOpenSslError();

/// Internal: "what: reason".
absl::Status OpenSslInternal(absl::string_view what);

}  // namespace rolemesh::base
