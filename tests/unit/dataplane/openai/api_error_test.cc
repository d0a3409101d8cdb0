#include "dataplane/openai/api_error.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rolemesh::dataplane {
namespace {

using nlohmann::json;

TEST(ApiErrorTest, OpenAiShapeHasFourFieldsAndNullsForWhatIsUnknown) {
  const json body =
      json::parse(ErrorBody(ErrorShape::kOpenAi, BadRequest("No \"x\".", "model", {})));
  EXPECT_EQ(body, (json{{"error",
                         {{"message", "No \"x\"."},
                          {"type", "invalid_request_error"},
                          {"param", "model"},
                          {"code", nullptr}}}}));
}

TEST(ApiErrorTest, AnthropicShapeNamesItsOwnTypes) {
  ApiError error;
  error.http_status = 503;
  error.message = "Full.";
  const json body = json::parse(ErrorBody(ErrorShape::kAnthropic, error));
  EXPECT_EQ(body["type"], "error");
  EXPECT_EQ(body["error"]["type"], "overloaded_error");
  EXPECT_EQ(body["error"]["message"], "Full.");
}

TEST(ApiErrorTest, EventEndsWithAnEmptyLine) {
  const std::string event = ErrorEvent(ErrorShape::kOpenAi, BadRequest("x"));
  EXPECT_EQ(event.rfind("data: {\"error\":", 0), 0u);
  EXPECT_EQ(event.substr(event.size() - 2), "\n\n");
  EXPECT_EQ(ErrorEvent(ErrorShape::kAnthropic, BadRequest("x")).rfind("event: error\ndata: ", 0),
            0u);
}

TEST(QuoteJsonTest, WhatIsQuotedParsesBackToItself) {
  for (const std::string text :
       {"", "plain", "a\"b\\c", "tab\tnew\nline", "\x01\x1f", "grüße 漢字 😀", "\x7f"}) {
    EXPECT_EQ(json::parse(QuoteJson(text)).get<std::string>(), text);
  }
}

TEST(QuoteJsonTest, InvalidUtf8BecomesReplacementCharacters) {
  for (const std::string text : {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"}) {
    const std::string quoted = QuoteJson(text);
    EXPECT_TRUE(json::accept(quoted)) << quoted;
    EXPECT_NE(quoted.find("\xef\xbf\xbd"), std::string::npos);
  }
}

}  // namespace
}  // namespace rolemesh::dataplane
