#include "dataplane/openai/api_error.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rolemesh::dataplane {
namespace {

std::string QuoteOrNull(absl::string_view text) {
  return text.empty() ? "null" : QuoteJson(text);
}

// The names of Anthropic's API for what OpenAI's calls `type`.
absl::string_view AnthropicType(int http_status) {
  switch (http_status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return http_status < 500 ? "invalid_request_error" : "api_error";
  }
}

// Length of the UTF-8 sequence at the start of `text`, or 0 when it is malformed.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || length > text.size()) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return length;
}

}  // namespace

ApiError BadRequest(std::string message, absl::string_view param, absl::string_view code) {
  ApiError error;
  error.http_status = 400;
  error.type = "invalid_request_error";
  error.param = param;
  error.code = code;
  error.message = std::move(message);
  return error;
}

std::string QuoteJson(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text[0];
    const size_t length = Utf8Length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<uint8_t>(c) < 0x20) {
      absl::StrAppend(&out, "\\u", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad4));
    } else {
      out.append(text.data(), length);
    }
    text.remove_prefix(length);
  }
  out.push_back('"');
  return out;
}

std::string ErrorBody(ErrorShape shape, const ApiError& error) {
  if (shape == ErrorShape::kAnthropic) {
    return absl::StrCat(R"({"type":"error","error":{"type":")", AnthropicType(error.http_status),
                        R"(","message":)", QuoteJson(error.message), R"(,"code":)",
                        QuoteOrNull(error.code), "}}");
  }
  return absl::StrCat(R"({"error":{"message":)", QuoteJson(error.message), R"(,"type":)",
                      QuoteJson(error.type), R"(,"param":)", QuoteOrNull(error.param),
                      R"(,"code":)", QuoteOrNull(error.code), "}}");
}

std::string ErrorEvent(ErrorShape shape, const ApiError& error) {
  return absl::StrCat(shape == ErrorShape::kAnthropic ? "event: error\n" : "",
                      "data: ", ErrorBody(shape, error), "\n\n");
}

}  // namespace rolemesh::dataplane
