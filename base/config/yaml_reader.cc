#include "base/config/yaml_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <limits>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <sys/stat.h>

#include "base/config/yaml_tree.h"
#include "base/status/errno_status.h"

namespace rolemesh::base {
namespace {

using Kind = YamlNode::Kind;

absl::string_view Describe(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "no value";
    case Kind::kMap:
      return "a map";
    case Kind::kList:
      return "a list";
    case Kind::kScalar:
      break;
  }
  return "a single value";
}

// Insertions, deletions, replacements and swaps of neighbours between `a` and
// `b`; keys are short.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> rows(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        rows[i][j] = i + j;
        continue;
      }
      const size_t replaced = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.size()][b.size()];
}

// "; did you mean ...?", "; known keys: ..." or "; remove it".
std::string Advice(absl::string_view key, std::vector<std::string> known) {
  constexpr size_t kMaxListed = 12;
  size_t best = std::numeric_limits<size_t>::max();
  const std::string* closest = nullptr;
  for (const std::string& candidate : known) {
    const size_t distance = key.size() > 64 ? key.size() : EditDistance(key, candidate);
    if (distance < best) {
      best = distance;
      closest = &candidate;
    }
  }
  if (closest != nullptr && best <= std::max<size_t>(1, key.size() / 3)) {
    return absl::StrCat("; did you mean \"", *closest, "\"?");
  }
  if (known.empty()) {
    return "; remove it";
  }
  std::sort(known.begin(), known.end());
  const bool more = known.size() > kMaxListed;
  known.resize(std::min(known.size(), kMaxListed));
  return absl::StrCat("; known here: ", absl::StrJoin(known, ", "), more ? ", ..." : "");
}

std::string JoinPath(absl::string_view path, absl::string_view key) {
  return absl::StrCat(path, path.empty() ? "" : ".", absl::Utf8SafeCHexEscape(key.substr(0, 80)));
}

// The first key of `node` or below that no getter asked for.
absl::Status FindUnknownKey(const YamlReaderState& state, const YamlNode& node,
                            const std::string& path) {
  if (node.kind == Kind::kList) {
    for (size_t i = 0; i < node.children.size(); ++i) {
      const YamlNode& item = *node.children[i];
      if (absl::Status unknown = FindUnknownKey(state, item, absl::StrCat(path, "[", i, "]"));
          !unknown.ok()) {
        return unknown;
      }
    }
    return absl::OkStatus();
  }
  if (node.kind != Kind::kMap) {
    return absl::OkStatus();
  }
  const auto read = state.known_keys.find(&node);
  const std::vector<std::string> known =
      read == state.known_keys.end() ? std::vector<std::string>() : read->second;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const std::string child_path = JoinPath(path, node.keys[i]);
    if (std::find(known.begin(), known.end(), node.keys[i]) == known.end()) {
      return YamlError(state.name, node.key_lines[i], child_path,
                       absl::StrCat("unknown key", Advice(node.keys[i], known)));
    }
    if (absl::Status unknown = FindUnknownKey(state, *node.children[i], child_path);
        !unknown.ok()) {
      return unknown;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ParseBytes(absl::string_view text) {
  constexpr std::pair<absl::string_view, int64_t> kUnits[] = {{"KiB", int64_t{1} << 10},
                                                              {"MiB", int64_t{1} << 20},
                                                              {"GiB", int64_t{1} << 30},
                                                              {"TiB", int64_t{1} << 40},
                                                              {"kB", 1'000},
                                                              {"MB", 1'000'000},
                                                              {"GB", 1'000'000'000},
                                                              {"TB", 1'000'000'000'000},
                                                              {"B", 1},
                                                              {"", 1}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const absl::string_view unit = absl::StripLeadingAsciiWhitespace(text.substr(digits));
  for (const auto& [name, factor] : kUnits) {
    int64_t count = 0;
    int64_t bytes = 0;
    if (unit == name && absl::SimpleAtoi(text.substr(0, digits), &count) &&
        !__builtin_mul_overflow(count, factor, &bytes)) {
      return bytes;
    }
  }
  return absl::InvalidArgumentError("no size");
}

}  // namespace

YamlMap::YamlMap(std::shared_ptr<YamlReaderState> state, const YamlNode* node,
                 const YamlNode* nearest, std::string path)
    : state_(std::move(state)), node_(node), nearest_(nearest), path_(std::move(path)) {}

bool YamlMap::Has(absl::string_view key) const {
  return node_ != nullptr && node_->Find(key) != nullptr;
}

std::vector<std::string> YamlMap::Keys() const {
  return node_ == nullptr ? std::vector<std::string>() : node_->keys;
}

std::string YamlMap::GetString(absl::string_view key) {
  return ReadString(key, "", /*required=*/true);
}
std::string YamlMap::GetString(absl::string_view key, absl::string_view fallback) {
  return ReadString(key, fallback, /*required=*/false);
}
int64_t YamlMap::GetInt(absl::string_view key, IntRange range) {
  return ReadInt(key, range.min, range, /*required=*/true);
}
int64_t YamlMap::GetInt(absl::string_view key, int64_t fallback, IntRange range) {
  return ReadInt(key, fallback, range, /*required=*/false);
}
bool YamlMap::GetBool(absl::string_view key) {
  return ReadBool(key, false, /*required=*/true);
}
bool YamlMap::GetBool(absl::string_view key, bool fallback) {
  return ReadBool(key, fallback, /*required=*/false);
}
absl::Duration YamlMap::GetDuration(absl::string_view key, DurationRange range) {
  return ReadDuration(key, range.min, range, /*required=*/true);
}
absl::Duration YamlMap::GetDuration(absl::string_view key, absl::Duration fallback,
                                    DurationRange range) {
  return ReadDuration(key, fallback, range, /*required=*/false);
}
int64_t YamlMap::GetBytes(absl::string_view key, IntRange range) {
  return ReadBytes(key, range.min, range, /*required=*/true);
}
int64_t YamlMap::GetBytes(absl::string_view key, int64_t fallback, IntRange range) {
  return ReadBytes(key, fallback, range, /*required=*/false);
}

std::string YamlMap::GetStringOrEmpty(absl::string_view key, absl::string_view fallback) {
  return ReadString(key, fallback, /*required=*/false, /*may_be_empty=*/true);
}

std::vector<std::string> YamlMap::GetStringList(absl::string_view key, size_t max_items) {
  const YamlNode* list = Read(key, /*required=*/false);
  if (list == nullptr) {
    return {};
  }
  if (list->kind != Kind::kList) {
    FailAt(*list, ChildPath(key),
           absl::StrCat("expected a list, found ", Describe(*list), "; write [a, b]"));
    return {};
  }
  if (list->children.size() > max_items) {
    FailAt(*list, ChildPath(key),
           absl::StrCat(list->children.size(), " items; at most ", max_items));
    return {};
  }
  std::vector<std::string> items;
  for (size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& item = *list->children[i];
    if (item.kind != Kind::kScalar || item.scalar.empty()) {
      FailAt(item, absl::StrCat(ChildPath(key), "[", i, "]"),
             absl::StrCat("expected text, found ",
                          item.kind == Kind::kScalar ? "an empty one" : Describe(item),
                          "; write one word or a quoted text"));
      return {};
    }
    items.push_back(item.scalar);
  }
  return items;
}

YamlMap YamlMap::GetMap(absl::string_view key) {
  const YamlNode* node = Read(key, /*required=*/false);
  if (node != nullptr && node->kind != Kind::kMap) {
    FailAt(*node, ChildPath(key),
           absl::StrCat("expected a map, found ", Describe(*node),
                        "; write its keys below, indented"));
    node = nullptr;
  }
  return YamlMap(state_, node, node != nullptr ? node : nearest_, ChildPath(key));
}

std::vector<YamlMap> YamlMap::GetMapList(absl::string_view key, size_t max_items) {
  const YamlNode* list = Read(key, /*required=*/false);
  if (list == nullptr) {
    return {};
  }
  if (list->kind != Kind::kList) {
    FailAt(*list, ChildPath(key),
           absl::StrCat("expected a list of maps, found ", Describe(*list),
                        "; begin each item with \"- \""));
    return {};
  }
  if (list->children.size() > max_items) {
    FailAt(*list, ChildPath(key),
           absl::StrCat(list->children.size(), " items; at most ", max_items));
    return {};
  }
  std::vector<YamlMap> maps;
  for (size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& item = *list->children[i];
    std::string path = absl::StrCat(ChildPath(key), "[", i, "]");
    if (item.kind != Kind::kMap) {
      FailAt(item, path,
             absl::StrCat("expected a map, found ", Describe(item), "; write \"- key: value\""));
      return {};
    }
    maps.push_back(YamlMap(state_, &item, &item, std::move(path)));
  }
  return maps;
}

void YamlMap::Fail(absl::string_view key, absl::string_view what) {
  const YamlNode* child = node_ == nullptr ? nullptr : node_->Find(key);
  FailAt(child != nullptr ? *child : *nearest_, ChildPath(key), what);
}

std::string YamlMap::Where(absl::string_view key) const {
  const YamlNode* child = node_ == nullptr ? nullptr : node_->Find(key);
  return absl::StrCat(state_->name, ":", child != nullptr ? child->line : nearest_->line, ": ",
                      ChildPath(key));
}

int YamlMap::line() const {
  return nearest_->line;
}

int YamlMap::column() const {
  return nearest_->column;
}

absl::Status YamlMap::status() const {
  return state_->error.ok() ? state_->missing : state_->error;
}

int YamlMap::FindChoice(absl::string_view key, const std::vector<absl::string_view>& choices,
                        bool required) {
  const std::string expected = absl::StrCat("one of ", absl::StrJoin(choices, ", "));
  const YamlNode* node = ReadScalar(key, required, expected);
  if (node == nullptr) {
    return -1;
  }
  const auto found = std::find(choices.begin(), choices.end(), absl::string_view(node->scalar));
  if (found == choices.end()) {
    FailAt(*node, ChildPath(key),
           absl::StrCat("is ", QuoteForMessage(node->scalar), "; use ", expected));
    return -1;
  }
  return static_cast<int>(found - choices.begin());
}

const YamlNode* YamlMap::Read(absl::string_view key, bool required) {
  if (node_ != nullptr) {
    std::vector<std::string>& known = state_->known_keys[node_];
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      known.emplace_back(key);
    }
    if (const YamlNode* child = node_->Find(key); child != nullptr) {
      if (child->kind == Kind::kNull) {
        FailAt(*child, ChildPath(key), "has no value; write one or remove the key");
        return nullptr;
      }
      return child;
    }
  }
  if (required && state_->missing.ok()) {
    state_->missing =
        YamlError(state_->name, nearest_->line, ChildPath(key), "missing; add this key");
  }
  return nullptr;
}

const YamlNode* YamlMap::ReadScalar(absl::string_view key, bool required,
                                    absl::string_view expected) {
  const YamlNode* node = Read(key, required);
  if (node != nullptr && node->kind != Kind::kScalar) {
    FailAt(*node, ChildPath(key), absl::StrCat("found ", Describe(*node), "; use ", expected));
    return nullptr;
  }
  return node;
}

std::string YamlMap::ChildPath(absl::string_view key) const {
  return JoinPath(path_, key);
}

void YamlMap::FailAt(const YamlNode& node, absl::string_view path, absl::string_view what) {
  if (state_->error.ok()) {
    state_->error = YamlError(state_->name, node.line, path, what);
  }
}

std::string YamlMap::ReadString(absl::string_view key, absl::string_view fallback, bool required,
                                bool may_be_empty) {
  const YamlNode* node = ReadScalar(key, required, "text");
  if (node == nullptr) {
    return std::string(fallback);
  }
  if (node->scalar.empty() && !may_be_empty) {
    FailAt(*node, ChildPath(key), "is empty; write a value or remove the key");
    return std::string(fallback);
  }
  return node->scalar;
}

int64_t YamlMap::ReadInt(absl::string_view key, int64_t fallback, IntRange range, bool required) {
  const std::string expected = absl::StrCat("a whole number from ", range.min, " to ", range.max);
  const YamlNode* node = ReadScalar(key, required, expected);
  if (node == nullptr) {
    return fallback;
  }
  int64_t value = 0;
  if (node->quoted || node->scalar.find_first_not_of("-0123456789") != std::string::npos ||
      !absl::SimpleAtoi(node->scalar, &value) || value < range.min || value > range.max) {
    FailAt(*node, ChildPath(key),
           absl::StrCat("is ", QuoteForMessage(node->scalar), "; use ", expected,
                        node->quoted ? ", without quotes" : ""));
    return fallback;
  }
  return value;
}

bool YamlMap::ReadBool(absl::string_view key, bool fallback, bool required) {
  const YamlNode* node = ReadScalar(key, required, "true or false");
  if (node == nullptr) {
    return fallback;
  }
  if (node->quoted || (node->scalar != "true" && node->scalar != "false")) {
    FailAt(*node, ChildPath(key),
           absl::StrCat("is ", QuoteForMessage(node->scalar), "; use true or false",
                        node->quoted ? ", without quotes" : ""));
    return fallback;
  }
  return node->scalar == "true";
}

absl::Duration YamlMap::ReadDuration(absl::string_view key, absl::Duration fallback,
                                     DurationRange range, bool required) {
  const std::string expected = absl::StrCat("a duration from ", absl::FormatDuration(range.min),
                                            " to ", absl::FormatDuration(range.max));
  const YamlNode* node = ReadScalar(key, required, expected);
  if (node == nullptr) {
    return fallback;
  }
  absl::Duration value;
  if (!absl::ParseDuration(node->scalar, &value) || value < range.min || value > range.max) {
    FailAt(*node, ChildPath(key),
           absl::StrCat("is ", QuoteForMessage(node->scalar), "; use ", expected,
                        ", with its unit: 250ms, 5s, 1h30m"));
    return fallback;
  }
  return value;
}

int64_t YamlMap::ReadBytes(absl::string_view key, int64_t fallback, IntRange range, bool required) {
  const std::string expected = absl::StrCat("a size from ", range.min, " to ", range.max,
                                            " bytes, such as 512, 64KiB or 16MiB");
  const YamlNode* node = ReadScalar(key, required, expected);
  if (node == nullptr) {
    return fallback;
  }
  const absl::StatusOr<int64_t> value = ParseBytes(node->scalar);
  if (!value.ok() || *value < range.min || *value > range.max) {
    FailAt(*node, ChildPath(key),
           absl::StrCat("is ", QuoteForMessage(node->scalar), "; use ", expected));
    return fallback;
  }
  return *value;
}

YamlDocument::YamlDocument(std::shared_ptr<YamlReaderState> state) : state_(std::move(state)) {}

YamlMap YamlDocument::root() const {
  return YamlMap(state_, state_->root.get(), state_->root.get(), "");
}

absl::Status YamlDocument::Finish() const {
  if (!state_->error.ok()) {
    return state_->error;
  }
  // Before what is missing: a mistyped key is often why.
  if (absl::Status unknown = FindUnknownKey(*state_, *state_->root, ""); !unknown.ok()) {
    return unknown;
  }
  return state_->missing;
}

absl::StatusOr<YamlDocument> ParseYaml(absl::string_view text, absl::string_view name) {
  auto state = std::make_shared<YamlReaderState>();
  state->name = absl::Utf8SafeCHexEscape(name);
  absl::StatusOr<std::unique_ptr<YamlNode>> root = ParseYamlTree(text, state->name);
  if (!root.ok()) {
    return std::move(root).status();
  }
  state->root = *std::move(root);
  return YamlDocument(std::move(state));
}

absl::StatusOr<YamlDocument> ParseYamlFile(absl::string_view path) {
  const std::string shown = absl::Utf8SafeCHexEscape(path);
  // Non-blocking: opening a FIFO must not wait for a writer.
  const int fd = open(std::string(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    const int error = errno;
    const absl::Status opened = ErrnoStatus(error, shown);
    return absl::Status(
        opened.code(),
        absl::StrCat(opened.message(), error == ENOENT ? "; create it or name another file"
                                                       : "; check the path and its mode"));
  }
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat facts;
  if (fstat(fd, &facts) != 0) {
    return ErrnoStatus(errno, shown);
  }
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown, ": ", S_ISDIR(facts.st_mode) ? "a directory" : "not a regular file",
                     "; name a YAML file"));
  }
  std::string text;
  char buffer[16384];
  while (static_cast<int64_t>(text.size()) <= kMaxYamlBytes) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoStatus(errno, shown);
    }
    if (got == 0) {
      break;
    }
    text.append(buffer, static_cast<size_t>(got));
  }
  return ParseYaml(text, path);
}

}  // namespace rolemesh::base
