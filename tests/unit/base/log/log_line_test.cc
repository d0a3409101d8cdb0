// FormatLogLine: whatever a field holds, a line stays one line and parses.
#include "base/log/log_line.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rolemesh::base {
namespace {

const absl::Time kTime = absl::FromUnixMicros(1767225600000417);

std::string Line(LogFormat format, absl::string_view message,
                 std::initializer_list<LogField> fields = {}) {
  return FormatLogLine(format, kTime, LogLevel::kInfo, "link", message, fields);
}

TEST(LogLineTest, TextIsForPeople) {
  EXPECT_EQ(
      Line(LogFormat::kText, "connected",
           {{"node", "gpu-1"}, {"why", "a b"}, {"n", 3}, {"took", absl::Milliseconds(1500)}}),
      "2026-01-01T00:00:00.000417Z INFO  link: connected node=gpu-1 why=\"a b\" n=3 took=1.5s");
}

TEST(LogLineTest, JsonKeepsTypes) {
  const std::string text = "s";
  const nlohmann::json line =
      nlohmann::json::parse(Line(LogFormat::kJson, "m",
                                 {{"s", text},
                                  {"c", "lit"},
                                  {"i", -1},
                                  {"u", std::numeric_limits<uint64_t>::max()},
                                  {"f", 0.5},
                                  {"b", true},
                                  {"d", absl::Milliseconds(250)},
                                  {"e", absl::NotFoundError("x: gone")},
                                  {"ok", absl::OkStatus()},
                                  {"nan", std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_EQ(line["ts"], "2026-01-01T00:00:00.000417Z");
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["component"], "link");
  EXPECT_EQ(line["msg"], "m");
  EXPECT_EQ(line["s"], "s");
  EXPECT_EQ(line["c"], "lit");
  EXPECT_EQ(line["i"], -1);
  EXPECT_EQ(line["u"], std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(line["f"], 0.5);
  EXPECT_EQ(line["b"], true);
  EXPECT_EQ(line["d"], 0.25);
  EXPECT_EQ(line["e"], "NOT_FOUND: x: gone");
  EXPECT_EQ(line["ok"], "OK");
  EXPECT_EQ(line["nan"], "nan");
}

TEST(LogLineTest, HostileBytesNeverBreakALine) {
  // Newlines, escape sequences, C1 controls, broken and overlong UTF-8, a surrogate.
  const std::string hostile =
      absl::StrCat("a\nb\r\t\"\\\x1b[31m\x7f\xc2\x9b\xff\xc0\xaf\xed\xa0\x80\xe2\x82\xac",
                   std::string(1, '\0'), "z");
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = Line(format, hostile, {{"k", hostile}});
    for (const char c : line) {
      EXPECT_FALSE(c >= 0 && c < ' ') << line;
      EXPECT_NE(c, '\x7f');
    }
    EXPECT_EQ(line.find("\xc2\x9b"), std::string::npos);
  }
  const nlohmann::json line =
      nlohmann::json::parse(Line(LogFormat::kJson, "m", {{"k", hostile}}));  // throws when invalid
  EXPECT_THAT(line["k"].get<std::string>(), ::testing::HasSubstr("\xe2\x82\xac"));
  EXPECT_THAT(line["k"].get<std::string>(), ::testing::HasSubstr("\xef\xbf\xbd"));
}

TEST(LogLineTest, LongValuesAreCut) {
  const std::string line = Line(LogFormat::kJson, "m", {{"k", std::string(100000, 'x')}});
  EXPECT_LT(line.size(), 9000u);
  EXPECT_THAT(line, ::testing::EndsWith("...\"}"));
}

TEST(LogLineTest, NamesParseAndOthersAreRefused) {
  EXPECT_EQ(ParseLogLevel("warn").value(), LogLevel::kWarn);
  EXPECT_EQ(ParseLogFormat("json").value(), LogFormat::kJson);
  EXPECT_EQ(ParseLogLevel("WARN").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseLogFormat("").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rolemesh::base
