// Which bytes may stand where in an HTTP/1 head.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "base/http/message_head.h"

namespace rolemesh::base {

namespace field_syntax_internal {

inline constexpr uint8_t kToken = 1;   // RFC 9110 tchar
inline constexpr uint8_t kValue = 2;   // HTAB, SP, VCHAR, obs-text
inline constexpr uint8_t kTarget = 4;  // printable ASCII but "#" and "\"

inline constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    const bool printable = c > 0x20 && c < 0x7f;
    classes[c] =
        static_cast<uint8_t>((printable || c == '\t' || c == ' ' || c >= 0x80 ? kValue : 0) |
                             (printable && c != '#' && c != '\\' ? kTarget : 0));
  }
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    classes[static_cast<uint8_t>(c)] |= kToken;
  }
  for (int i = 0; i < 26; ++i) {
    classes['a' + i] |= kToken;
    classes['A' + i] |= kToken;
  }
  for (int i = 0; i < 10; ++i) {
    classes['0' + i] |= kToken;
  }
  return classes;
}();

inline bool AllOf(absl::string_view text, uint8_t wanted) {
  return std::all_of(text.begin(), text.end(), [wanted](char c) {
    return (kClasses[static_cast<uint8_t>(c)] & wanted) != 0;
  });
}

}  // namespace field_syntax_internal

inline bool IsTokenByte(char c) {
  namespace syntax = field_syntax_internal;
  return (syntax::kClasses[static_cast<uint8_t>(c)] & syntax::kToken) != 0;
}
inline bool IsValueByte(char c) {
  namespace syntax = field_syntax_internal;
  return (syntax::kClasses[static_cast<uint8_t>(c)] & syntax::kValue) != 0;
}

/// A method or field name: not empty.
inline bool IsToken(absl::string_view text) {
  return !text.empty() && field_syntax_internal::AllOf(text, field_syntax_internal::kToken);
}
/// A field value: may be empty.
inline bool IsFieldValue(absl::string_view text) {
  return field_syntax_internal::AllOf(text, field_syntax_internal::kValue);
}
/// The bytes of a request target; not its structure.
inline bool IsTargetText(absl::string_view text) {
  return !text.empty() && field_syntax_internal::AllOf(text, field_syntax_internal::kTarget);
}

/// Splits "Name: value" (without CRLF). False when it is not one well-formed field.
inline bool SplitField(absl::string_view line, HeaderField* field) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) {
    return false;
  }
  field->name = line.substr(0, colon);
  absl::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) {
    value.remove_prefix(1);
  }
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) {
    value.remove_suffix(1);
  }
  field->value = value;
  return IsToken(field->name) && IsFieldValue(value);
}

}  // namespace rolemesh::base
