// Bytes that must not reach a log: keys, tokens, passwords.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// A string that cannot be printed by accident: no stream operator, no conversion to a string.
/// Its bytes are overwritten when it is destroyed, assigned to or moved from.
///
/// Thread-safety: a value.
class Secret {
 public:
  Secret() = default;
  /// Takes `bytes` over and wipes what the move leaves behind; for an argument that was
  /// copied from elsewhere, the origin is the caller's to wipe.
  explicit Secret(std::string bytes);
  Secret(const Secret& other) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  /// The bytes, for the one place that sends, hashes or writes them; valid while this is.
  absl::string_view reveal() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

  /// Takes the same time wherever the first difference is; lengths are no secret.
  friend bool operator==(const Secret& a, const Secret& b);

 private:
  void Wipe();

  std::string bytes_;
};

}  // namespace rolemesh::base
