#include "base/http/head_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

#include "base/http/field_syntax.h"
#include "base/http/message_head.h"
#include "base/http/second_opinion.h"

namespace rolemesh::base {
namespace {

constexpr HeadError kGood;
constexpr size_t kMaxContentLengthDigits = 15;

HeadError Bad(absl::string_view message) {
  return {400, message};
}

bool IsOneOf(absl::string_view text, std::initializer_list<absl::string_view> set) {
  return std::find(set.begin(), set.end(), text) != set.end();
}

int HexValue(char c) {
  return absl::ascii_isxdigit(static_cast<unsigned char>(c))
             ? (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10)
             : -1;
}

// No dot segments, and no escape whose decoding would change the structure of the path.
HeadError CheckPath(absl::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      continue;
    }
    const int high = i + 1 < path.size() ? HexValue(path[i + 1]) : -1;
    const int low = i + 2 < path.size() ? HexValue(path[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Bad("broken escape in the path");
    }
    const int byte = high * 16 + low;
    if (byte < 0x20 || byte == 0x7f || byte == '.' || byte == '/' || byte == '\\' || byte == '%') {
      return Bad("escape in the path that hides structure");
    }
  }
  absl::string_view rest = path.substr(1);
  while (true) {
    const size_t slash = rest.find('/');
    const absl::string_view segment = rest.substr(0, slash);
    const absl::string_view name = segment.substr(0, segment.find(';'));
    if (name == "." || name == "..") {
      return Bad("dot segment in the path");
    }
    if (slash == absl::string_view::npos) {
      return kGood;
    }
    rest.remove_prefix(slash + 1);
  }
}

HeadError CheckRequestLine(absl::string_view line, const HeadLimits& limits, RequestHead* head) {
  if (line.size() > limits.line_bytes) {
    return {414, "request line too long"};
  }
  const size_t first = line.find(' ');
  if (first == absl::string_view::npos) {
    return Bad("not an HTTP/1 request line");
  }
  head->method = line.substr(0, first);
  if (head->method.size() > limits.method_bytes || !IsToken(head->method)) {
    return Bad("bad method");
  }
  const size_t second = line.find(' ', first + 1);
  if (second == absl::string_view::npos) {
    return Bad("not an HTTP/1 request line");
  }
  const absl::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    const bool other = version.size() == 8 && absl::StartsWith(version, "HTTP/") &&
                       absl::ascii_isdigit(static_cast<unsigned char>(version[5])) &&
                       version[6] == '.' &&
                       absl::ascii_isdigit(static_cast<unsigned char>(version[7]));
    return other ? HeadError{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"}
                 : Bad("not an HTTP/1 request line");
  }
  head->minor_version = version[7] - '0';
  if (!IsOneOf(head->method, {"GET", "POST", "DELETE", "OPTIONS", "HEAD"})) {
    const bool known = IsOneOf(head->method, {"PUT", "PATCH", "TRACE", "CONNECT"});
    return known ? HeadError{405, "method not allowed"} : HeadError{501, "unknown method"};
  }
  head->target = line.substr(first + 1, second - first - 1);
  if (!IsTargetText(head->target) || head->target[0] != '/') {
    return Bad("the target must be a path in printable ASCII");
  }
  const size_t question = head->target.find('?');
  head->path = head->target.substr(0, question);
  head->query =
      question == absl::string_view::npos ? absl::string_view() : head->target.substr(question + 1);
  return CheckPath(head->path);
}

HeadError CheckStatusLine(absl::string_view line, const HeadLimits& limits, ResponseHead* head) {
  // HTTP/1.1 200 OK
  if (line.size() > limits.line_bytes) {
    return Bad("status line too long");
  }
  if (line.size() < 13 || !absl::StartsWith(line, "HTTP/1.") ||
      (line[7] != '0' && line[7] != '1') || line[8] != ' ' || line[12] != ' ') {
    return Bad("not an HTTP/1 status line");
  }
  head->minor_version = line[7] - '0';
  head->status = 0;
  for (const char c : line.substr(9, 3)) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return Bad("not an HTTP/1 status line");
    }
    head->status = head->status * 10 + (c - '0');
  }
  head->reason = line.substr(13);
  if (head->status < 100 || head->status > 599 || !IsFieldValue(head->reason)) {
    return Bad("bad status line");
  }
  return kGood;
}

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

// uri-host [ ":" port ]: a name of letters, digits, "-", "." and "_", or an address in brackets.
bool IsHost(absl::string_view value) {
  size_t end = 0;
  if (!value.empty() && value[0] == '[') {
    end = value.find(']');
    if (end == absl::string_view::npos || end < 3) {
      return false;
    }
    for (const char c : value.substr(1, end - 1)) {
      if (HexValue(c) < 0 && c != ':' && c != '.') {
        return false;
      }
    }
    ++end;
  } else {
    while (end < value.size() && (absl::ascii_isalnum(static_cast<unsigned char>(value[end])) ||
                                  value[end] == '-' || value[end] == '.' || value[end] == '_')) {
      ++end;
    }
    if (end == 0) {
      return false;
    }
  }
  const absl::string_view port = value.substr(end);
  if (port.empty()) {
    return true;
  }
  if (port[0] != ':' || port.size() > 6 || !AllDigits(port.substr(1))) {
    return false;
  }
  uint32_t number = 0;
  for (const char c : port.substr(1)) {
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  return number <= 65535;
}

// Reads the fields behind the start line; `block` ends with the empty line.
HeadError ReadFields(absl::string_view block, const HeadLimits& limits, HeaderFields* fields) {
  fields->clear();
  if (block.size() > limits.field_block_bytes + 2) {
    return {431, "header fields too large"};
  }
  while (true) {
    const size_t lf = block.find('\n');
    if (lf == absl::string_view::npos || lf == 0 || block[lf - 1] != '\r') {
      return Bad("line without CRLF");
    }
    const absl::string_view line = block.substr(0, lf - 1);
    block.remove_prefix(lf + 1);
    if (line.empty()) {
      return block.empty() ? kGood : Bad("bytes behind the head");
    }
    if (fields->size() == limits.field_count) {
      return {431, "too many header fields"};
    }
    HeaderField field;
    if (!SplitField(line, &field)) {
      return Bad("bad header field");
    }
    fields->push_back(field);
  }
}

// Content-Length, Transfer-Encoding and Connection, which mean the same in both directions.
template <class Head>
HeadError ReadFraming(Head* head) {
  head->content_length.reset();
  head->chunked = false;
  bool has_connection = false;
  for (const HeaderField& field : head->fields) {
    const absl::string_view value = field.value;
    switch (field.name.size()) {
      case 10:
        has_connection = has_connection || absl::EqualsIgnoreCase(field.name, "Connection");
        break;
      case 14:
        if (absl::EqualsIgnoreCase(field.name, "Content_Length")) {
          return Bad("look-alike of Content-Length");
        }
        if (absl::EqualsIgnoreCase(field.name, "Content-Length")) {
          if (head->content_length.has_value() || value.size() > kMaxContentLengthDigits ||
              !AllDigits(value)) {
            return Bad("bad Content-Length");
          }
          uint64_t length = 0;
          for (const char c : value) {
            length = length * 10 + static_cast<uint64_t>(c - '0');
          }
          head->content_length = length;
        }
        break;
      case 17:
        if (absl::EqualsIgnoreCase(field.name, "Transfer_Encoding")) {
          return Bad("look-alike of Transfer-Encoding");
        }
        if (absl::EqualsIgnoreCase(field.name, "Transfer-Encoding")) {
          if (head->chunked || head->minor_version == 0 ||
              !absl::EqualsIgnoreCase(value, "chunked")) {
            return Bad("bad Transfer-Encoding");
          }
          head->chunked = true;
        }
        break;
      default:
        break;
    }
  }
  if (head->chunked && head->content_length.has_value()) {
    return Bad("both Content-Length and Transfer-Encoding");
  }
  head->keep_alive = head->minor_version == 1;
  if (has_connection) {
    for (const absl::string_view name :
         {"Host", "Content-Length", "Transfer-Encoding", "Authorization"}) {
      if (ConnectionLists(head->fields, name)) {
        return Bad("Connection names a field that must be kept");
      }
    }
    if (head->minor_version == 0) {
      head->keep_alive = ConnectionLists(head->fields, "keep-alive");
    }
    if (ConnectionLists(head->fields, "close")) {
      head->keep_alive = false;
    }
  }
  return kGood;
}

HeadError ReadRequestMeaning(RequestHead* head) {
  bool has_host = false;
  head->expect_continue = false;
  for (const HeaderField& field : head->fields) {
    if (absl::EqualsIgnoreCase(field.name, "Host")) {
      if (has_host || !IsHost(field.value)) {
        return Bad("want exactly one valid Host");
      }
      has_host = true;
    } else if (absl::EqualsIgnoreCase(field.name, "Expect")) {
      if (head->expect_continue || !absl::EqualsIgnoreCase(field.value, "100-continue")) {
        return {417, "only 100-continue can be expected"};
      }
      head->expect_continue = true;
    }
  }
  if (!has_host) {
    return Bad("want exactly one valid Host");
  }
  return ReadFraming(head);
}

// The start line without CRLF, and what follows.
HeadError SplitStartLine(absl::string_view raw, absl::string_view* line, absl::string_view* block) {
  const size_t lf = raw.find('\n');
  if (lf == absl::string_view::npos || lf == 0 || raw[lf - 1] != '\r') {
    return Bad("line without CRLF");
  }
  *line = raw.substr(0, lf - 1);
  *block = raw.substr(lf + 1);
  return kGood;
}

HeadError CheckLine(MessageKind kind, bool is_start, absl::string_view line,
                    const HeadLimits& limits) {
  if (!is_start) {
    HeaderField field;
    return SplitField(line, &field) ? kGood : Bad("bad header field");
  }
  if (kind == MessageKind::kRequest) {
    RequestHead head;
    return CheckRequestLine(line, limits, &head);
  }
  ResponseHead head;
  return CheckStatusLine(line, limits, &head);
}

}  // namespace

HeadScanner::Result HeadScanner::Refuse(HeadError error) {
  error_ = kind_ == MessageKind::kRequest ? error : HeadError{502, error.message};
  return kRefused;
}

HeadScanner::Result HeadScanner::Scan(absl::string_view raw) {
  started_ = started_ || !raw.empty();
  while (true) {
    const size_t from = std::max(scanned_, line_start_);
    const size_t lf = raw.find('\n', from);
    if (lf == absl::string_view::npos) {
      break;
    }
    if (lf == line_start_ || raw[lf - 1] != '\r') {
      return Refuse(Bad("line without CRLF"));
    }
    const size_t line_bytes = lf - 1 - line_start_;
    if (block_start_ == 0) {
      if (line_bytes == 0) {
        if (kind_ == MessageKind::kResponse || line_start_ != 0) {
          return Refuse(Bad("empty line where a message should start"));
        }
        begin_ = checked_ = lf + 1;
      } else if (line_bytes > limits_.line_bytes) {
        return Refuse({414, "request line too long"});
      } else {
        block_start_ = lf + 1;
      }
    } else if (line_bytes == 0) {
      end_ = lf + 1;
      return kComplete;
    } else if (++field_count_ > limits_.field_count) {
      return Refuse({431, "too many header fields"});
    }
    line_start_ = scanned_ = lf + 1;
    if (block_start_ != 0 && line_start_ - block_start_ > limits_.field_block_bytes) {
      return Refuse({431, "header fields too large"});
    }
  }
  // No end yet. What has come must still be able to become a good head.
  if (block_start_ == 0 && raw.size() - line_start_ > limits_.line_bytes + 1) {
    return Refuse({414, "request line too long"});
  }
  if (block_start_ != 0 && raw.size() - block_start_ > limits_.field_block_bytes + 1) {
    return Refuse({431, "header fields too large"});
  }
  while (checked_ < line_start_) {
    const size_t lf = raw.find('\n', checked_);
    const HeadError error =
        CheckLine(kind_, checked_ == begin_, raw.substr(checked_, lf - 1 - checked_), limits_);
    if (!error.ok()) {
      return Refuse(error);
    }
    checked_ = lf + 1;
  }
  // The unfinished line: bytes that no line has. A CR may only be the last one.
  for (size_t i = std::max(scanned_, line_start_); i < raw.size(); ++i) {
    const char c = raw[i];
    if (c == '\r' && i + 1 == raw.size()) {
      scanned_ = i;
      return kMore;
    }
    if (!IsValueByte(c) || (i == line_start_ && !IsTokenByte(c))) {
      return Refuse(Bad("byte that no head has"));
    }
  }
  scanned_ = std::max(scanned_, raw.size());
  return kMore;
}

HeadError ParseRequestHead(absl::string_view raw, const HeadLimits& limits, RequestHead* head) {
  absl::string_view line;
  absl::string_view block;
  HeadError error = SplitStartLine(raw, &line, &block);
  if (error.ok()) {
    error = CheckRequestLine(line, limits, head);
  }
  if (error.ok()) {
    error = ReadFields(block, limits, &head->fields);
  }
  if (error.ok()) {
    error = ReadRequestMeaning(head);
  }
  if (error.ok() && !BeastAgrees(raw, *head)) {
    error = Bad("the head can be read in two ways");
  }
  return error;
}

HeadError ParseResponseHead(absl::string_view raw, const HeadLimits& limits, ResponseHead* head) {
  absl::string_view line;
  absl::string_view block;
  HeadError error = SplitStartLine(raw, &line, &block);
  if (error.ok()) {
    error = CheckStatusLine(line, limits, head);
  }
  if (error.ok()) {
    error = ReadFields(block, limits, &head->fields);
  }
  if (error.ok()) {
    error = ReadFraming(head);
  }
  if (error.ok() && !BeastAgrees(raw, *head)) {
    error = Bad("the head can be read in two ways");
  }
  return error.ok() ? error : HeadError{502, error.message};
}

}  // namespace rolemesh::base
