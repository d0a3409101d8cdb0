// What one line of the log says, and how it is written.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "absl/types/variant.h"

namespace rolemesh::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat {
  kText,  ///< For people: 2026-11-23T09:15:02.000417Z INFO  link: connected node=gpu-1
  kJson,  ///< One object a line, for machines.
};

/// The value of one field. Strings are not copied: it lives for one call of Log().
///
/// A Duration is written as seconds (a number in JSON, "1.5s" in text), a
/// Status as its code and message. Never pass a prompt or a secret.
class LogValue {
 public:
  LogValue(absl::string_view value) : value_(value) {}                      // NOLINT
  LogValue(const std::string& value) : value_(absl::string_view(value)) {}  // NOLINT
  LogValue(const char* value) : value_(absl::NullSafeStringView(value)) {}  // NOLINT
  LogValue(bool value) : value_(value) {}                                   // NOLINT
  LogValue(double value) : value_(value) {}                                 // NOLINT
  LogValue(absl::Duration value) : value_(value) {}                         // NOLINT
  LogValue(const absl::Status& value) : value_(&value) {}                   // NOLINT
  template <class Integer,
            std::enable_if_t<std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>,
                             int> = 0>
  LogValue(Integer value) {  // NOLINT
    if constexpr (std::is_signed_v<Integer>) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }

  using Variant = absl::variant<absl::string_view, bool, int64_t, uint64_t, double, absl::Duration,
                                const absl::Status*>;
  const Variant& variant() const { return value_; }

 private:
  Variant value_;
};

/// One key and its value; keys are literals in snake_case.
struct LogField {
  absl::string_view key;
  LogValue value;
};

/// The line for `format`, without the newline. Control characters are escaped,
/// invalid UTF-8 becomes U+FFFD, values over 8 KiB are cut and end in "...".
///
/// JSON: {"ts":"2026-11-23T09:15:02.000417Z","level":"info","component":..,"msg":..,FIELDS}
std::string FormatLogLine(LogFormat format, absl::Time time, LogLevel level,
                          absl::string_view component, absl::string_view message,
                          absl::Span<const LogField> fields);

/// "debug", "info", "warn" or "error".
/// Errors: InvalidArgument: another name; the message lists these.
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view name);

/// "text" or "json".
/// Errors: InvalidArgument: another name; the message lists these.
absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view name);

}  // namespace rolemesh::base
