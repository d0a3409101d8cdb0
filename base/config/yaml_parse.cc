#include <istream>
#include <memory>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "base/config/yaml_reader.h"
#include "base/config/yaml_tree.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/mark.h"
#include "yaml-cpp/parser.h"

namespace rolemesh::base {
namespace {

constexpr size_t kMaxDepth = 32;

// A mistake of the file, on its way out of yaml-cpp's event loop. The one place
// where an exception is ours: yaml-cpp offers no other way to stop.
struct Refused {
  int line;
  std::string path;
  std::string what;
};

int LineOf(const YAML::Mark& mark) {
  return mark.line < 0 ? 1 : mark.line + 1;
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(absl::string_view text) : text_(text) {}

  std::unique_ptr<YamlNode> TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, "", anchor, YamlNode::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { RefuseAnchor(mark); }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { RefuseAnchor(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckQuotes(mark, tag);
    if (!open_.empty() && open_.back().node->kind == YamlNode::Kind::kMap &&
        !open_.back().expects_value) {
      AddKey(mark, value);
      return;
    }
    YamlNode* node = Add(mark, tag, anchor, YamlNode::Kind::kScalar);
    node->scalar = value;
    node->quoted = tag == "!";
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Add(mark, tag, anchor, YamlNode::Kind::kList), mark);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Add(mark, tag, anchor, YamlNode::Kind::kMap), mark);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  struct OpenNode {
    YamlNode* node;
    std::string path;
    bool expects_value = false;  // a map whose key was just read
  };

  [[noreturn]] void Refuse(const YAML::Mark& mark, std::string what) {
    throw Refused{LineOf(mark), NextPath(), std::move(what)};
  }
  [[noreturn]] void RefuseAnchor(const YAML::Mark& mark) {
    Refuse(mark, "anchors and aliases are not supported; write the value again");
  }

  // yaml-cpp 0.7 takes a quote that is never closed for a text up to the end of
  // the file, and every key in between with it.
  void CheckQuotes(const YAML::Mark& mark, const std::string& tag) {
    if (tag != "!" || mark.pos < 0 || static_cast<size_t>(mark.pos) >= text_.size()) {
      return;
    }
    const absl::string_view rest = text_.substr(static_cast<size_t>(mark.pos));
    const char quote = rest[0];
    if (quote != '"' && quote != '\'') {
      return;  // a block: | or >
    }
    for (size_t i = 1; i < rest.size() && rest[i] != '\n'; ++i) {
      if (quote == '"' && rest[i] == '\\') {
        ++i;
      } else if (rest[i] == quote) {
        if (quote == '\'' && i + 1 < rest.size() && rest[i + 1] == quote) {
          ++i;
          continue;
        }
        return;
      }
    }
    Refuse(mark, "the quote is not closed in its line; close it");
  }

  // The path of the value that comes next.
  std::string NextPath() const {
    if (open_.empty()) {
      return "";
    }
    const OpenNode& top = open_.back();
    if (top.node->kind == YamlNode::Kind::kList) {
      return absl::StrCat(top.path, "[", top.node->children.size(), "]");
    }
    if (!top.expects_value) {
      return top.path;
    }
    return absl::StrCat(top.path, top.path.empty() ? "" : ".", top.node->keys.back());
  }

  void AddKey(const YAML::Mark& mark, const std::string& key) {
    OpenNode& top = open_.back();
    for (size_t i = 0; i < top.node->keys.size(); ++i) {
      if (top.node->keys[i] == key) {
        top.node->keys.push_back(key);
        top.expects_value = true;
        Refuse(mark, absl::StrCat("given twice, first in line ", top.node->key_lines[i],
                                  "; keep one of them"));
      }
    }
    top.node->keys.push_back(key);
    top.node->key_lines.push_back(LineOf(mark));
    top.expects_value = true;
  }

  YamlNode* Add(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                YamlNode::Kind kind) {
    if (anchor != 0) {
      RefuseAnchor(mark);
    }
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(mark, absl::StrCat("tag ", QuoteForMessage(tag), " is not supported; remove it"));
    }
    auto node = std::make_unique<YamlNode>();
    node->kind = kind;
    node->line = LineOf(mark);
    node->column = mark.column < 0 ? 1 : mark.column + 1;
    YamlNode* added = node.get();
    if (open_.empty()) {
      root_ = std::move(node);
      return added;
    }
    OpenNode& top = open_.back();
    if (top.node->kind == YamlNode::Kind::kMap) {
      if (!top.expects_value) {
        Refuse(mark, "a key must be a plain word; write \"key: value\"");
      }
      pending_path_ = NextPath();
      top.expects_value = false;
    } else {
      pending_path_ = NextPath();
    }
    if (kind == YamlNode::Kind::kNull && top.node->kind == YamlNode::Kind::kMap) {
      node->line = top.node->key_lines.back();  // "key:" ends before the mark
    }
    top.node->children.push_back(std::move(node));
    return added;
  }

  void Open(YamlNode* node, const YAML::Mark& mark) {
    if (open_.size() >= kMaxDepth) {
      throw Refused{LineOf(mark), "",
                    absl::StrCat("nested deeper than ", kMaxDepth, " levels; flatten it")};
    }
    open_.push_back({node, open_.empty() ? "" : std::move(pending_path_)});
  }

  const absl::string_view text_;
  std::unique_ptr<YamlNode> root_;
  std::vector<OpenNode> open_;
  std::string pending_path_;  // of the value added last
};

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const unsigned char lead = text[i];
    const size_t length = lead < 0x80   ? 1
                          : lead < 0xc2 ? 0
                          : lead < 0xe0 ? 2
                          : lead < 0xf0 ? 3
                          : lead < 0xf5 ? 4
                                        : 0;
    if (length == 0 || i + length > text.size()) {
      return false;
    }
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) {
        return false;
      }
    }
    i += length;
  }
  return true;
}

// What yaml-cpp would take and a person would not see.
absl::Status CheckLines(absl::string_view text, absl::string_view name) {
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const size_t end = text.find('\n');
    const absl::string_view line = text.substr(0, end);
    text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
    const size_t indent = line.find_first_not_of(" \t\r");
    if (indent != absl::string_view::npos && line[indent] != '#' &&
        line.substr(0, indent).find('\t') != absl::string_view::npos) {
      return YamlError(name, line_number, "", "tab in the indentation; use spaces");
    }
    if (!IsUtf8(line)) {
      return YamlError(name, line_number, "", "not valid UTF-8; save the file as UTF-8");
    }
    for (const char c : line) {
      if (absl::ascii_iscntrl(c) && c != '\t' && c != '\r') {
        return YamlError(name, line_number, "",
                         "control character; is this a text file? remove it");
      }
    }
  }
  return absl::OkStatus();
}

// Reads from memory that it does not own.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(absl::string_view text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace

const YamlNode* YamlNode::Find(absl::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) {
      return children[i].get();
    }
  }
  return nullptr;
}

std::string QuoteForMessage(absl::string_view text) {
  constexpr size_t kShown = 60;
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, kShown)),
                      text.size() > kShown ? "..." : "", "\"");
}

absl::Status YamlError(absl::string_view name, int line, absl::string_view path,
                       absl::string_view what) {
  std::string message = absl::StrCat(name, ":", line, ": ", path, path.empty() ? "" : ": ", what);
  for (char& c : message) {
    if (absl::ascii_iscntrl(c)) {
      c = '?';
    }
  }
  return absl::InvalidArgumentError(message);
}

absl::StatusOr<std::unique_ptr<YamlNode>> ParseYamlTree(absl::string_view text,
                                                        absl::string_view name) {
  if (text.size() > kMaxYamlBytes) {
    return YamlError(name, 1, "", "larger than 1 MiB; is this a configuration file?");
  }
  if (absl::string_view(text).substr(0, 3) == "\xef\xbb\xbf" || text.substr(0, 2) == "\xff\xfe" ||
      text.substr(0, 2) == "\xfe\xff") {
    return YamlError(name, 1, "", "begins with a byte order mark; save as UTF-8 without one");
  }
  if (absl::Status lines = CheckLines(text, name); !lines.ok()) {
    return lines;
  }
  TreeBuilder builder(text);
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) {
      TreeBuilder second(text);
      if (parser.HandleNextDocument(second)) {
        const std::unique_ptr<YamlNode> node = second.TakeRoot();
        return YamlError(name, node ? node->line : 1, "",
                         "a second document; remove it and its \"---\"");
      }
    }
  } catch (const Refused& refused) {
    return YamlError(name, refused.line, refused.path, refused.what);
  } catch (const YAML::Exception& error) {
    return YamlError(name, LineOf(error.mark), "",
                     absl::StrCat("not YAML (", error.msg, "); check indentation and quotes"));
  } catch (const std::exception& error) {
    return YamlError(name, 1, "", absl::StrCat("not YAML (", error.what(), "); check the file"));
  }
  std::unique_ptr<YamlNode> root = builder.TakeRoot();
  if (root == nullptr || root->kind == YamlNode::Kind::kNull) {
    root = std::make_unique<YamlNode>();
    root->kind = YamlNode::Kind::kMap;
  }
  if (root->kind != YamlNode::Kind::kMap) {
    return YamlError(name, root->line, "", "expected \"key: value\" lines; see the example files");
  }
  return root;
}

}  // namespace rolemesh::base
