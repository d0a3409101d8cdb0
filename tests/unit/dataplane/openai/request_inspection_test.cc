#include "dataplane/openai/request_inspection.h"

#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rolemesh::dataplane {
namespace {

RequestInspection Inspect(absl::string_view body) {
  RequestInspection result;
  const absl::optional<ApiError> error = InspectJson(body, /*padded=*/false, &result);
  EXPECT_FALSE(error.has_value()) << body << ": " << error->message;
  return result;
}

absl::optional<ApiError> Refusal(absl::string_view body) {
  RequestInspection result;
  return InspectJson(body, /*padded=*/false, &result);
}

TEST(InspectJsonTest, ReadsModelAndStreamWhereverTheyStand) {
  const struct {
    absl::string_view body;
    absl::optional<std::string> model;
    bool stream;
  } cases[] = {
      {R"({"model":"coder","stream":true})", "coder", true},
      {R"({"messages":[{"role":"user","content":"model"}],"stream":false,"model":"a"})", "a",
       false},
      {R"( { "stream" : true , "model" : "x" } )", "x", true},
      {R"({"stream":null,"model":"x"})", "x", false},
      {R"({})", absl::nullopt, false},
      {R"({"messages":[{"model":"inner"}]})", absl::nullopt, false},
      {R"({"mod\u0065l":"c\u006fder"})", "coder", false},
      {R"({"model":""})", "", false},
      {R"({"a":"}]{[\"\\","model":"x"})", "x", false},
      {"\n\t{\"model\":\"x\"}\n", "x", false},
  };
  for (const auto& test : cases) {
    const RequestInspection result = Inspect(test.body);
    EXPECT_EQ(result.model, test.model) << test.body;
    EXPECT_EQ(result.stream, test.stream) << test.body;
  }
}

TEST(InspectJsonTest, RefusesWithA400WhatTwoParsersMightReadDifferently) {
  const std::string deep =
      absl::StrCat(R"({"model":"x","a":)", std::string(64, '['), std::string(64, ']'), "}");
  for (const std::string& body : std::initializer_list<std::string>{
           "",
           "  \n",
           "null",
           "[]",
           "\"x\"",
           "1",
           "{",
           "}",
           R"({"model")",
           R"({"model":"x")",
           R"({"model":"x"}})",
           R"({"model":"x"}{})",
           R"({"model":"x"} garbage)",
           R"({"model":"x","messages":[}])",
           R"({"model":"x","messages":[)",
           R"({"model":"x" "stream":true})",
           R"({"model":"x)",
           "{\"model\":\"\xff\"}",
           "{\"x\":\"\xc3\x28\"}",
           "\xef\xbb\xbf{\"model\":\"x\"}",
           R"({"model":"x","model":"x"})",
           R"({"model":"x","mod\u0065l":"y"})",
           R"({"stream":true,"stream":false})",
           R"({"model":1})",
           R"({"model":null})",
           R"({"model":["x"]})",
           R"({"model":{"a":"x"}})",
           R"({"model":"\ud800"})",
           R"({"stream":"true"})",
           R"({"stream":1})",
           deep,
       }) {
    const absl::optional<ApiError> error = Refusal(body);
    ASSERT_TRUE(error.has_value()) << body;
    EXPECT_EQ(error->http_status, 400) << body;
    EXPECT_EQ(error->type, "invalid_request_error") << body;
    EXPECT_FALSE(error->message.empty());
  }
}

TEST(InspectJsonTest, NestingOf64IsAllowed) {
  const std::string body =
      absl::StrCat(R"({"a":)", std::string(63, '['), std::string(63, ']'), R"(,"model":"x"})");
  EXPECT_EQ(Inspect(body).model, "x");
}

TEST(InspectJsonTest, FaultsNameTheParameter) {
  EXPECT_EQ(Refusal(R"({"model":1})")->param, "model");
  EXPECT_EQ(Refusal(R"({"stream":1})")->param, "stream");
  EXPECT_EQ(Refusal(R"({"model":"x","model":"y"})")->code, "duplicate_key");
}

TEST(InspectJsonTest, PaddedBodiesAreReadInPlace) {
  std::string body = R"({"model":"coder","messages":[]})";
  const size_t size = body.size();
  body.resize(size + kInspectionPadding, '}');  // what stands in the padding does not matter
  RequestInspection result;
  ASSERT_FALSE(InspectJson(absl::string_view(body).substr(0, size), /*padded=*/true, &result));
  EXPECT_EQ(result.model, "coder");
}

TEST(InspectJsonTest, EveryPrefixOfARequestIsRefused) {
  const std::string body =
      R"({"messages":[{"role":"user","content":"a\"b\\"}],"model":"coder","stream":true})";
  for (size_t length = 0; length < body.size(); ++length) {
    EXPECT_TRUE(Refusal(absl::string_view(body).substr(0, length)).has_value()) << length;
  }
}

TEST(SpliceModelTest, ReplacesTheValueAndNothingElse) {
  const struct {
    absl::string_view body, model, want;
  } cases[] = {
      {R"({"a":1.0e5, "model" : "coder" ,"b":[ ]})", "qwen",
       R"({"a":1.0e5, "model" : "qwen" ,"b":[ ]})"},
      {R"({"model":"c\u006fder"})", "x\"y", R"({"model":"x\"y"})"},
      {R"( {"messages":[]} )", "q", R"( {"model":"q","messages":[]} )"},
      {R"({ })", "q", R"({"model":"q" })"},
      {R"({"model":"","stream":true})", "q", R"({"model":"q","stream":true})"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(SpliceModel(test.body, Inspect(test.body), test.model), test.want);
  }
}

TEST(InspectMultipartTest, FindsTheModelField) {
  const std::string body =
      "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
      "Content-Type: audio/wav\r\n\r\nRIFF\r\n--X\r\n\r\n--XX\r\n"
      "Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n--XX--\r\n";
  RequestInspection result;
  ASSERT_FALSE(InspectMultipart("multipart/form-data; boundary=XX", body, &result).has_value());
  EXPECT_EQ(result.model, "whisper");
  EXPECT_EQ(body.substr(result.model_offset, result.model_length), "whisper");
}

TEST(InspectMultipartTest, RefusesWhatIsMalformed) {
  RequestInspection result;
  EXPECT_TRUE(InspectMultipart("application/json", "{}", &result).has_value());
  EXPECT_TRUE(InspectMultipart("multipart/form-data", "", &result).has_value());
  for (const absl::string_view body : {"", "--XX", "--XX\r\n", "--XX\r\n\r\n", "x--XX--"}) {
    EXPECT_TRUE(InspectMultipart("multipart/form-data; boundary=XX", body, &result).has_value())
        << body;
  }
}

}  // namespace
}  // namespace rolemesh::dataplane
