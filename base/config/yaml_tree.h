// What the reader keeps of a YAML file; private to this folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// One value, with where it stands. Thread-safety: immutable after parsing.
struct YamlNode {
  enum class Kind { kNull, kScalar, kMap, kList };
  Kind kind = Kind::kNull;
  int line = 1;    ///< 1-based.
  int column = 1;  ///< 1-based.
  std::string scalar;
  bool quoted = false;            ///< "8080" is a string, 8080 is not.
  std::vector<std::string> keys;  ///< Of a map, beside `children`.
  std::vector<int> key_lines;
  std::vector<std::unique_ptr<YamlNode>> children;

  /// Null when there is no such key.
  const YamlNode* Find(absl::string_view key) const;
};

/// A document being read.
struct YamlReaderState {
  std::string name;  ///< Of the file, printable, as messages show it.
  std::unique_ptr<YamlNode> root;
  absl::Status error;    ///< The first wrong value.
  absl::Status missing;  ///< The first required key that is absent.
  /// Keys that getters asked for, for each map that was read.
  std::map<const YamlNode*, std::vector<std::string>> known_keys;
};

/// "name:line: path: what" (without "path: " when empty), made fit for one line.
absl::Status YamlError(absl::string_view name, int line, absl::string_view path,
                       absl::string_view what);

/// `text` in double quotes for a message: escaped, cut at 60 bytes.
std::string QuoteForMessage(absl::string_view text);

/// Errors: InvalidArgument, as YamlError().
absl::StatusOr<std::unique_ptr<YamlNode>> ParseYamlTree(absl::string_view text,
                                                        absl::string_view name);

}  // namespace rolemesh::base
