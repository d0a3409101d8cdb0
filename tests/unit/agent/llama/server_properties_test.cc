#include "agent/llama/server_properties.h"

#include <fstream>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::agent {
namespace {

using ::testing::HasSubstr;

// As recorded from a real server.
std::string RecordedProps() {
  std::ifstream file(ROLEMESH_PROPS_FILE);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(ServerPropertiesTest, ARealServersAnswerIsRead) {
  const absl::StatusOr<ServerProperties> properties = ParseServerProperties(RecordedProps());
  ASSERT_TRUE(properties.ok()) << properties.status();
  EXPECT_EQ(properties->slot_count, 2);
  EXPECT_EQ(properties->context_per_slot, 2048);
  EXPECT_EQ(properties->build, "b11669-Debian");
  EXPECT_EQ(properties->abilities, (ServerAbilities{.tools = true}));
}

TEST(ServerPropertiesTest, ModalitiesAndReasoningAreRead) {
  const auto properties = ParseServerProperties(
      R"({"total_slots":1,"default_generation_settings":{"n_ctx":8},
          "modalities":{"vision":true,"audio":true},
          "chat_template_caps":{"supports_preserve_reasoning":true}})");
  ASSERT_TRUE(properties.ok()) << properties.status();
  EXPECT_EQ(properties->abilities,
            (ServerAbilities{.vision = true, .audio = true, .reasoning = true}));
}

TEST(ServerPropertiesTest, AnAnswerThatIsNoLlamaServersIsRefused) {
  for (const char* body :
       {"", "{", "[]", "null", "{}", R"({"total_slots":2})",
        R"({"total_slots":"2","default_generation_settings":{"n_ctx":8}})",
        R"({"total_slots":2,"default_generation_settings":{"n_ctx":-8}})",
        R"({"total_slots":2,"default_generation_settings":[8]})",
        R"({"total_slots":99999999999,"default_generation_settings":{"n_ctx":8}})"}) {
    EXPECT_EQ(ParseServerProperties(body).status().code(), absl::StatusCode::kInvalidArgument)
        << body;
  }
}

TEST(ServerPropertiesTest, AShrunkenContextIsUnfitAndSaysSo) {
  const ServerProperties properties = {.slot_count = 2, .context_per_slot = 2048};
  EXPECT_TRUE(JudgeServer(properties, {.slot_count = 2, .min_context = 2048}).ok());
  const absl::Status shrunk = JudgeServer(properties, {.slot_count = 2, .min_context = 4096});
  EXPECT_EQ(shrunk.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(shrunk.message()),
              HasSubstr("context is 2048 tokens per slot, min_context asks for 4096"));
  EXPECT_THAT(std::string(JudgeServer(properties, {.slot_count = 4}).message()),
              HasSubstr("has 2 slots"));
  EXPECT_FALSE(JudgeServer(properties, {.slot_count = 1, .embeddings = true}).ok());
}

}  // namespace
}  // namespace rolemesh::agent
