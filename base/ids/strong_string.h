// Strings that the compiler does not mix up: ids and names.
#pragma once

#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// A string of one kind: `using NodeId = base::StrongString<struct NodeIdTag>;`
///
/// Checks nothing about its content; validators live in proto/contract. Orders
/// by bytes, hashes for absl containers, and prints for tests and StrCat by
/// value().
///
/// Thread-safety: a value.
template <class Tag>
class StrongString {
 public:
  StrongString() = default;
  explicit StrongString(std::string value) : value_(std::move(value)) {}
  explicit StrongString(absl::string_view value) : value_(value) {}
  explicit StrongString(const char* value) : value_(value) {}

  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }

  friend bool operator==(const StrongString& a, const StrongString& b) {
    return a.value_ == b.value_;
  }
  friend bool operator!=(const StrongString& a, const StrongString& b) { return !(a == b); }
  friend bool operator<(const StrongString& a, const StrongString& b) {
    return a.value_ < b.value_;
  }
  template <class H>
  friend H AbslHashValue(H h, const StrongString& s) {
    return H::combine(std::move(h), s.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, const StrongString& s) {
    return out << s.value_;
  }

 private:
  std::string value_;
};

}  // namespace rolemesh::base
