#include "agent/supervision/process_record.h"

#include <string>

#include "absl/status/status.h"
#include <gtest/gtest.h>

namespace rolemesh::agent {
namespace {

TEST(ProcessRecordTest, SurvivesTheDisk) {
  const ProcessRecord record = {
      .identity = {.pid = 4711, .start_time = 18446744073709551615ULL, .boot_id = "b"},
      .port = 65535,
      .generation = 1ULL << 60,
      .command = {"/usr/bin/llama-server", "-m", "/models/\"a\".gguf"}};
  const auto parsed = ParseProcessRecord(FormatProcessRecord(record));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, record);
}

TEST(ProcessRecordTest, WhatWeDidNotWriteIsRefused) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"pid":-1,"start_time":1,"boot_id":"","port":1,"generation":1})",
        R"({"pid":1,"start_time":1,"boot_id":"","port":99999,"generation":1,"command":[]})",
        R"({"pid":1,"start_time":1,"boot_id":1,"port":9,"generation":1,"command":[]})",
        R"({"pid":1,"start_time":1,"boot_id":"","port":9,"generation":1,"command":[1]})"}) {
    EXPECT_EQ(ParseProcessRecord(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace rolemesh::agent
