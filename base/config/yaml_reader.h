// Reads configuration files strictly: every mistake is one line that says where and what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rolemesh::base {

struct YamlNode;         // one value of the file, with its line (yaml_tree.h)
struct YamlReaderState;  // the file's name, its first error, which keys were read

/// The largest configuration file that is read.
inline constexpr int64_t kMaxYamlBytes = 1 << 20;

/// What a number may be, both ends included.
struct IntRange {
  int64_t min;
  int64_t max;
};
struct DurationRange {
  absl::Duration min;
  absl::Duration max;
};

/// One map of a YAML file, read key by key.
///
/// Errors accumulate: a getter that meets a mistake records it (the first one
/// stays) and returns its default or an empty value, so callers read everything
/// and ask YamlDocument::Finish() once. A getter without a default means that the
/// key is required. A key that is present with no value ("port:") is a mistake.
///
///   RM_ASSIGN_OR_RETURN(base::YamlDocument file, base::ParseYamlFile("edge.yaml"));
///   base::YamlMap root = file.root();
///   EdgeConfig config;
///   config.name = root.GetString("name");                           // required
///   base::YamlMap listen = root.GetMap("listen");                   // optional map
///   config.port = listen.GetInt("port", 8080, {1, 65535});
///   config.drain = root.GetDuration("drain_delay", absl::Seconds(5),
///                                   {absl::ZeroDuration(), absl::Minutes(10)});
///   config.max_body_bytes = root.GetBytes("max_body", 16 << 20, {1 << 10, 1 << 30});
///   config.engine = root.GetEnum<Engine>("engine", Engine::kLlama,
///                                        {{"llama", Engine::kLlama}, {"openai",
///                                        Engine::kOpenai}});
///   for (base::YamlMap& role : root.GetMapList("roles")) {
///     ReadRole(role);                                               // paths say roles[0].name
///   }
///   if (config.name == "all") root.Fail("name", "\"all\" is reserved; choose another name");
///   RM_RETURN_IF_ERROR(file.Finish());
///   // edge.yaml:7: listen.adress: unknown key; did you mean "address"?
///
/// Thread-safety: one thread at a time for a document and all of its maps.
/// Ownership: a map keeps its document's content alive.
class YamlMap {
 public:
  bool Has(absl::string_view key) const;

  /// The keys in the order of the file, for maps whose keys are data (names of
  /// roles). Reading the values with a getter is still the caller's.
  std::vector<std::string> Keys() const;

  /// Not empty; a plain number or bool counts as its text.
  std::string GetString(absl::string_view key);
  std::string GetString(absl::string_view key, absl::string_view fallback);
  /// The same, but "" is a value too ("off", "none").
  std::string GetStringOrEmpty(absl::string_view key, absl::string_view fallback);

  int64_t GetInt(absl::string_view key, IntRange range);
  int64_t GetInt(absl::string_view key, int64_t fallback, IntRange range);

  /// true or false, no other spelling.
  bool GetBool(absl::string_view key);
  bool GetBool(absl::string_view key, bool fallback);

  /// With a unit: "250ms", "5s", "1h30m".
  absl::Duration GetDuration(absl::string_view key, DurationRange range);
  absl::Duration GetDuration(absl::string_view key, absl::Duration fallback, DurationRange range);

  /// "512", "512B", "64KiB", "16MiB", "2GiB", "1TiB"; kB, MB, GB, TB are powers of 1000.
  int64_t GetBytes(absl::string_view key, IntRange range);
  int64_t GetBytes(absl::string_view key, int64_t fallback, IntRange range);

  /// Empty when absent. Items are non-empty strings; more than `max_items` is a mistake.
  std::vector<std::string> GetStringList(absl::string_view key, size_t max_items = 1000);

  /// An empty map when absent: its defaults apply, its required keys are missing.
  YamlMap GetMap(absl::string_view key);

  /// Empty when absent; every item is a map.
  std::vector<YamlMap> GetMapList(absl::string_view key, size_t max_items = 1000);

  template <class Enum>
  using EnumNames = std::initializer_list<std::pair<absl::string_view, Enum>>;
  /// One of `names` (at least one); a mistake lists them.
  template <class Enum>
  Enum GetEnum(absl::string_view key, EnumNames<Enum> names) {
    return FindEnum<Enum>(key, names, names.begin()->second, /*required=*/true);
  }
  template <class Enum>
  Enum GetEnum(absl::string_view key, Enum fallback, EnumNames<Enum> names) {
    return FindEnum<Enum>(key, names, fallback, /*required=*/false);
  }

  /// Records the caller's own objection to the value of `key` (or its absence):
  /// `what` is "what was wrong; what to do".
  void Fail(absl::string_view key, absl::string_view what);

  /// "edge.yaml:7: listen.address", for errors that show up after reading: a
  /// port in use, a missing certificate. An absent key gives its map's line.
  std::string Where(absl::string_view key) const;

  /// "listen", "roles[0]"; empty for the root.
  const std::string& path() const { return path_; }
  int line() const;    ///< 1-based; of the closest map above when this one is absent.
  int column() const;  ///< 1-based.

  /// The first mistake so far, in any map of the document.
  absl::Status status() const;

 private:
  friend class YamlDocument;
  YamlMap(std::shared_ptr<YamlReaderState> state, const YamlNode* node, const YamlNode* nearest,
          std::string path);

  template <class Enum>
  Enum FindEnum(absl::string_view key, EnumNames<Enum> names, Enum fallback, bool required) {
    std::vector<absl::string_view> texts;
    for (const auto& [text, value] : names) {
      texts.push_back(text);
    }
    const int i = FindChoice(key, texts, required);
    return i < 0 ? fallback : (names.begin() + i)->second;
  }
  // Index of the value of `key` in `choices`; -1 when absent or wrong.
  int FindChoice(absl::string_view key, const std::vector<absl::string_view>& choices,
                 bool required);

  // Notes that `key` is known. Null when absent.
  const YamlNode* Read(absl::string_view key, bool required);
  // Null when absent or no scalar.
  const YamlNode* ReadScalar(absl::string_view key, bool required, absl::string_view expected);
  std::string ChildPath(absl::string_view key) const;
  void FailAt(const YamlNode& node, absl::string_view path, absl::string_view what);

  std::string ReadString(absl::string_view key, absl::string_view fallback, bool required,
                         bool may_be_empty = false);
  int64_t ReadInt(absl::string_view key, int64_t fallback, IntRange range, bool required);
  bool ReadBool(absl::string_view key, bool fallback, bool required);
  absl::Duration ReadDuration(absl::string_view key, absl::Duration fallback, DurationRange range,
                              bool required);
  int64_t ReadBytes(absl::string_view key, int64_t fallback, IntRange range, bool required);

  std::shared_ptr<YamlReaderState> state_;
  const YamlNode* node_;     // null when the map is absent
  const YamlNode* nearest_;  // itself, or the closest map above that exists
  std::string path_;
};

/// A parsed file.
/// Thread-safety: as YamlMap.
class YamlDocument {
 public:
  explicit YamlDocument(std::shared_ptr<YamlReaderState> state);  // for ParseYaml()

  /// The whole file; an empty file is an empty map.
  YamlMap root() const;

  /// Call after everything was read. OK when nothing was wrong; otherwise the
  /// first that applies, as one line "FILE:LINE: key.path: what was wrong; what to do".
  /// Errors: InvalidArgument: a wrong value; a key that nobody read, with the
  /// closest known key; a required key that is missing.
  absl::Status Finish() const;

 private:
  std::shared_ptr<YamlReaderState> state_;
};

/// Parses `text`; `name` stands for the file in messages.
///
/// Refused: what YAML refuses, a second document, keys given twice, anchors and
/// aliases, tags, tabs in indentation, a byte order mark, invalid UTF-8, a root
/// that is no map, nesting over 32, more than kMaxYamlBytes.
/// Errors: InvalidArgument, in the form of Finish().
absl::StatusOr<YamlDocument> ParseYaml(absl::string_view text, absl::string_view name);

/// Parses the regular file at `path`, which stands as given in messages.
/// Errors: as ParseYaml; NotFound: no such file; PermissionDenied: not readable;
/// InvalidArgument: a directory, FIFO or device, or larger than kMaxYamlBytes.
absl::StatusOr<YamlDocument> ParseYamlFile(absl::string_view path);

}  // namespace rolemesh::base
