#include "dataplane/openai/request_inspection.h"

#include <cstring>
#include <simdjson.h>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rolemesh::dataplane {
namespace {

namespace ondemand = simdjson::ondemand;

ApiError NotJson(absl::string_view what) {
  return BadRequest(absl::StrCat("The request body is not valid JSON: ", what, "."), {},
                    "invalid_json");
}

// Whether brackets match, nest at most kMaxJsonDepth deep and nothing follows the last.
absl::optional<ApiError> CheckNesting(absl::string_view body) {
  char open[kMaxJsonDepth];
  size_t depth = 0;
  const char* at = body.data();
  const char* const end = at + body.size();
  while (at < end) {
    const char c = *at++;
    switch (c) {
      case '"':
        for (;;) {
          at = static_cast<const char*>(memchr(at, '"', static_cast<size_t>(end - at)));
          if (at == nullptr) {
            return NotJson("a string does not end");
          }
          size_t backslashes = 0;
          while (at[-1 - static_cast<ptrdiff_t>(backslashes)] == '\\') {
            ++backslashes;  // ends at the opening quote at the latest
          }
          ++at;
          if (backslashes % 2 == 0) {
            break;
          }
        }
        break;
      case '{':
      case '[':
        if (depth == kMaxJsonDepth) {
          return NotJson(absl::StrCat("it is nested more than ", kMaxJsonDepth, " deep"));
        }
        open[depth++] = c;
        break;
      case '}':
      case ']':
        if (depth == 0 || open[depth - 1] != (c == '}' ? '{' : '[')) {
          return NotJson("brackets do not match");
        }
        if (--depth == 0 &&
            !absl::StripAsciiWhitespace(absl::string_view(at, static_cast<size_t>(end - at)))
                 .empty()) {
          return NotJson("something follows its end");
        }
        break;
      default:
        break;
    }
  }
  if (depth != 0) {
    return NotJson("brackets do not match");
  }
  return absl::nullopt;
}

ApiError Repeated(absl::string_view key) {
  return BadRequest(absl::StrCat("'", key, "' is given more than once."), key, "duplicate_key");
}

absl::string_view ToAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

absl::optional<ApiError> ReadKeys(const simdjson::padded_string_view& json,
                                  RequestInspection* result) {
  // One parser per thread keeps its buffers; what a huge body made it grow to is let go.
  thread_local ondemand::parser parser;
  constexpr size_t kKeptCapacity = 1 << 20;
  if (parser.capacity() > kKeptCapacity && json.size() < kKeptCapacity) {
    parser = ondemand::parser();
  }
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(json).get(document)) {
    return NotJson("it cannot be read");
  }
  if (document.get_object().get(object)) {
    return NotJson("it must be an object");
  }
  bool stream_seen = false;
  for (simdjson::simdjson_result<ondemand::field> next : object) {
    ondemand::field field;
    if (std::move(next).get(field)) {
      return NotJson("a key or a comma is wrong");
    }
    std::string_view key;  // unescaped: "mod\u0065l" is "model"
    if (field.unescaped_key().get(key)) {
      return NotJson("a key is malformed");
    }
    if (key == "model") {
      if (result->model.has_value()) {
        return Repeated("model");
      }
      const std::string_view raw = field.value().raw_json_token();
      std::string_view text;
      if (field.value().get_string().get(text)) {
        return BadRequest("'model' must be a string.", "model", "invalid_type");
      }
      const absl::string_view token = absl::StripTrailingAsciiWhitespace(ToAbsl(raw));
      result->model = std::string(text);
      result->model_offset = static_cast<size_t>(token.data() - json.data());
      result->model_length = token.size();
    } else if (key == "stream") {
      if (std::exchange(stream_seen, true)) {
        return Repeated("stream");
      }
      bool is_null = false;
      if (field.value().is_null().get(is_null)) {
        return NotJson("'stream' is malformed");
      }
      if (!is_null && field.value().get_bool().get(result->stream)) {
        return BadRequest("'stream' must be true or false.", "stream", "invalid_type");
      }
    }
  }
  return absl::nullopt;
}

// The value of `name` in "x; name=value; ..." or "x; name=\"value\"".
absl::string_view Parameter(absl::string_view header, absl::string_view name) {
  for (absl::string_view part : absl::StrSplit(header, ';')) {
    part = absl::StripAsciiWhitespace(part);
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (absl::EqualsIgnoreCase(pair.first, name)) {
      absl::string_view value = pair.second;
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
      }
      return value;
    }
  }
  return {};
}

}  // namespace

absl::optional<ApiError> InspectJson(absl::string_view body, bool padded,
                                     RequestInspection* result) {
  *result = RequestInspection();
  if (absl::StripAsciiWhitespace(body).empty()) {
    return NotJson("it is empty");
  }
  if (absl::StartsWith(body, "\xef\xbb\xbf")) {
    return NotJson("it starts with a byte order mark");
  }
  if (absl::optional<ApiError> error = CheckNesting(body)) {
    return error;
  }
  static_assert(kInspectionPadding >= simdjson::SIMDJSON_PADDING);
  if (padded) {
    return ReadKeys(
        simdjson::padded_string_view(body.data(), body.size(), body.size() + kInspectionPadding),
        result);
  }
  const simdjson::padded_string copy(body.data(), body.size());
  return ReadKeys(copy, result);
}

absl::optional<ApiError> InspectMultipart(absl::string_view content_type, absl::string_view body,
                                          RequestInspection* result) {
  *result = RequestInspection();
  const absl::string_view boundary = Parameter(content_type, "boundary");
  if (!absl::StartsWithIgnoreCase(content_type, "multipart/form-data") || boundary.empty() ||
      boundary.size() > 70) {
    return BadRequest("The body must be multipart/form-data with a boundary.");
  }
  const std::string delimiter = absl::StrCat("--", boundary);
  const ApiError malformed = BadRequest("The multipart body is malformed.");
  if (!absl::StartsWith(body, delimiter)) {
    return malformed;
  }
  absl::string_view rest = body.substr(delimiter.size());
  const std::string next_delimiter = absl::StrCat("\r\n", delimiter);
  for (int parts = 0; !absl::StartsWith(rest, "--"); ++parts) {
    const size_t head_end = rest.find("\r\n\r\n");
    if (parts == 64 || !absl::StartsWith(rest, "\r\n") || head_end == absl::string_view::npos) {
      return malformed;
    }
    const size_t part_end = rest.find(next_delimiter, head_end + 2);
    if (part_end == absl::string_view::npos) {
      return malformed;
    }
    const absl::string_view head = rest.substr(2, head_end - 2);
    const absl::string_view value =
        part_end > head_end + 4 ? rest.substr(head_end + 4, part_end - head_end - 4) : "";
    for (absl::string_view line : absl::StrSplit(head, "\r\n")) {
      if (!absl::StartsWithIgnoreCase(line, "content-disposition:")) {
        continue;
      }
      const absl::string_view name = Parameter(line, "name");
      if (name == "model") {
        if (result->model.has_value()) {
          return Repeated("model");
        }
        result->model = std::string(value);
        result->model_offset = static_cast<size_t>(value.data() - body.data());
        result->model_length = value.size();
      }
    }
    rest.remove_prefix(part_end + next_delimiter.size());
  }
  return absl::nullopt;
}

std::string SpliceModel(absl::string_view body, const RequestInspection& inspection,
                        absl::string_view model) {
  if (inspection.model.has_value()) {
    return absl::StrCat(body.substr(0, inspection.model_offset), QuoteJson(model),
                        body.substr(inspection.model_offset + inspection.model_length));
  }
  const size_t brace = body.find('{');
  const absl::string_view rest = body.substr(brace + 1);
  const bool empty = absl::StartsWith(absl::StripLeadingAsciiWhitespace(rest), "}");
  return absl::StrCat(body.substr(0, brace + 1), "\"model\":", QuoteJson(model), empty ? "" : ",",
                      rest);
}

}  // namespace rolemesh::dataplane
