#include "base/log/log_line.h"

#include <cmath>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "absl/types/variant.h"

namespace rolemesh::base {
namespace {

constexpr size_t kMaxValueBytes = 8192;

// Bytes of the well-formed UTF-8 character at the front of `text`; 0 when it is
// none (overlong forms, surrogates and values over U+10FFFF included).
size_t Utf8Length(absl::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto continues = [&byte](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xc2 && lead <= 0xdf) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool in_range = !(lead == 0xe0 && byte(1) < 0xa0) && !(lead == 0xed && byte(1) > 0x9f);
    return in_range && continues(1) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool in_range = !(lead == 0xf0 && byte(1) < 0x90) && !(lead == 0xf4 && byte(1) > 0x8f);
    return in_range && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Appends `text` with JSON's escapes, without the quotes.
void AppendEscaped(absl::string_view text, std::string* line) {
  constexpr char kDigits[] = "0123456789abcdef";
  const size_t limit = line->size() + kMaxValueBytes;
  while (!text.empty()) {
    if (line->size() >= limit) {
      line->append("...");
      return;
    }
    const unsigned char c = text[0];
    const size_t length = Utf8Length(text);
    if (length == 0) {
      line->append("\xef\xbf\xbd");
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      line->push_back('\\');
      line->push_back(static_cast<char>(c));
    } else if (c == '\n') {
      line->append("\\n");
    } else if (c == '\r') {
      line->append("\\r");
    } else if (c == '\t') {
      line->append("\\t");
    } else if (c < 0x20 || c == 0x7f) {
      line->append("\\u00");
      line->push_back(kDigits[c >> 4]);
      line->push_back(kDigits[c & 15]);
    } else if (length == 2 && c == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) {
      // C1 controls drive some terminals.
      line->append("\\u00");
      line->push_back(kDigits[static_cast<unsigned char>(text[1]) >> 4]);
      line->push_back(kDigits[text[1] & 15]);
    } else {
      line->append(text.data(), length);
    }
    text.remove_prefix(length);
  }
}

void AppendQuoted(absl::string_view text, std::string* line) {
  line->push_back('"');
  AppendEscaped(text, line);
  line->push_back('"');
}

// In text, a value that is one plain word needs no quotes.
void AppendTextValue(absl::string_view text, std::string* line) {
  bool plain = !text.empty();
  for (const char c : text) {
    plain = plain && c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
  }
  if (plain) {
    AppendEscaped(text, line);
  } else {
    AppendQuoted(text, line);
  }
}

std::string StatusText(const absl::Status& status) {
  return status.ok()
             ? "OK"
             : absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

class ValueWriter {
 public:
  ValueWriter(LogFormat format, std::string* line)
      : json_(format == LogFormat::kJson), line_(line) {}

  void operator()(absl::string_view value) const {
    json_ ? AppendQuoted(value, line_) : AppendTextValue(value, line_);
  }
  void operator()(bool value) const { line_->append(value ? "true" : "false"); }
  void operator()(int64_t value) const { absl::StrAppend(line_, value); }
  void operator()(uint64_t value) const { absl::StrAppend(line_, value); }
  void operator()(double value) const {
    if (std::isfinite(value)) {
      absl::StrAppend(line_, value);
    } else {
      (*this)(absl::string_view(std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"));
    }
  }
  void operator()(absl::Duration value) const {
    if (json_) {
      (*this)(absl::ToDoubleSeconds(value));
    } else {
      line_->append(absl::FormatDuration(value));
    }
  }
  void operator()(const absl::Status* value) const {
    (*this)(absl::string_view(StatusText(*value)));
  }

 private:
  const bool json_;
  std::string* const line_;
};

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      break;
  }
  return "error";
}

absl::string_view PaddedLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG ";
    case LogLevel::kInfo:
      return "INFO  ";
    case LogLevel::kWarn:
      return "WARN  ";
    case LogLevel::kError:
      break;
  }
  return "ERROR ";
}

}  // namespace

std::string FormatLogLine(LogFormat format, absl::Time time, LogLevel level,
                          absl::string_view component, absl::string_view message,
                          absl::Span<const LogField> fields) {
  std::string line;
  line.reserve(256);
  const std::string when = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
  if (format == LogFormat::kText) {
    absl::StrAppend(&line, when, " ", PaddedLevelName(level));
    AppendEscaped(component, &line);
    line.append(": ");
    AppendEscaped(message, &line);
    for (const LogField& field : fields) {
      line.push_back(' ');
      AppendEscaped(field.key, &line);
      line.push_back('=');
      absl::visit(ValueWriter(format, &line), field.value.variant());
    }
    return line;
  }
  absl::StrAppend(&line, "{\"ts\":\"", when, "\",\"level\":\"", LevelName(level),
                  "\",\"component\":");
  AppendQuoted(component, &line);
  line.append(",\"msg\":");
  AppendQuoted(message, &line);
  for (const LogField& field : fields) {
    line.push_back(',');
    AppendQuoted(field.key, &line);
    line.push_back(':');
    absl::visit(ValueWriter(format, &line), field.value.variant());
  }
  line.push_back('}');
  return line;
}

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view name) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (name == LevelName(level)) {
      return level;
    }
  }
  return absl::InvalidArgumentError("no log level; use debug, info, warn or error");
}

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view name) {
  if (name == "text") {
    return LogFormat::kText;
  }
  if (name == "json") {
    return LogFormat::kJson;
  }
  return absl::InvalidArgumentError("no log format; use text or json");
}

}  // namespace rolemesh::base
