#include "agent/llama/server_command.h"

#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/status/status.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace rolemesh::agent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ServerCommandTest, AllThatKeepsAServerInItsBoundsIsAlwaysSaid) {
  const ServerSettings settings = {.model_path = "/models/a.gguf",
                                   .alias = "planner",
                                   .slot_count = 2,
                                   .context_per_slot = 2048,
                                   .batch_tokens = 256};
  EXPECT_THAT(BuildServerArguments(settings, 4711, "/state/key"),
              ElementsAre("--host", "127.0.0.1", "--port", "4711", "--api-key-file", "/state/key",
                          "--no-ui", "-m", "/models/a.gguf", "--alias", "planner", "-np", "2", "-c",
                          "4096", "-b", "256", "--cache-ram", "0"));
}

TEST(ServerCommandTest, ThreadsEmbeddingsAndExtraArgumentsFollow) {
  ServerSettings settings = {.model_path = "/models/a.gguf", .alias = "embed"};
  settings.threads = 1;
  settings.embeddings = true;
  settings.extra_arguments = {"-ngl", "99"};
  const std::vector<std::string> arguments = BuildServerArguments(settings, 1, "/k");
  EXPECT_EQ(std::vector<std::string>(arguments.end() - 5, arguments.end()),
            (std::vector<std::string>{"-t", "1", "--embeddings", "-ngl", "99"}));
}

TEST(ServerCommandTest, AHugeContextDoesNotOverflow) {
  ServerSettings settings = {.model_path = "/m", .alias = "a"};
  settings.slot_count = 1000;
  settings.context_per_slot = 10'000'000;
  EXPECT_THAT(BuildServerArguments(settings, 1, "/k"), Contains("10000000000"));
}

class ModelTest : public ::testing::Test {
 protected:
  ModelTest() {
    std::string pattern = ::testing::TempDir() + "models_XXXXXX";
    root_ = mkdtemp(pattern.data());
    models_ = root_ + "/models";
    mkdir(models_.c_str(), 0700);
    for (const std::string& path :
         {models_ + "/a.gguf", models_ + "/--tools", models_ + "/a b;$(x).gguf",
          models_ + "/x,y.gguf", root_ + "/secret.gguf"}) {
      std::ofstream(path) << "GGUF";
    }
    EXPECT_EQ(symlink("../secret.gguf", (models_ + "/link.gguf").c_str()), 0);
    EXPECT_EQ(symlink("a.gguf", (models_ + "/inner.gguf").c_str()), 0);
  }
  std::string root_, models_;
};

TEST_F(ModelTest, AModelIsAFileInsideItsFolder) {
  EXPECT_EQ(*ResolveModel(models_, "a.gguf"), models_ + "/a.gguf");
  EXPECT_EQ(*ResolveModel(models_, models_ + "/a.gguf"), models_ + "/a.gguf");
  EXPECT_EQ(*ResolveModel(models_, "inner.gguf"), models_ + "/a.gguf");
  EXPECT_EQ(ResolveModel(models_, "none.gguf").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ResolveModel(models_, ".").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ResolveModel(models_, "").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ModelTest, AModelOutsideItsFolderIsRefusedHoweverItIsNamed) {
  for (const std::string& model :
       {std::string("../secret.gguf"), std::string("link.gguf"), root_ + "/secret.gguf",
        std::string("/etc/passwd"), std::string("../models/../secret.gguf")}) {
    const absl::Status status = ResolveModel(models_, model).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << model << ": " << status;
    EXPECT_THAT(std::string(status.message()), StartsWith(model));
  }
}

// security.md M11: argv_injection.
TEST_F(ModelTest, AModelsNameIsNeverAnArgumentOrAShellCommand) {
  for (const std::string name : {"--tools", "a b;$(x).gguf"}) {
    const absl::StatusOr<std::string> path = ResolveModel(models_, name);
    ASSERT_TRUE(path.ok()) << path.status();
    ServerSettings settings = {.model_path = *path, .alias = "a"};
    const std::vector<std::string> arguments = BuildServerArguments(settings, 1, "/k");
    EXPECT_THAT(arguments, Contains(models_ + "/" + name));
    EXPECT_THAT(arguments, Not(Contains("--tools")));
  }
}

TEST_F(ModelTest, KnownExtraArgumentsPass) {
  const auto checked = CheckExtraArguments(
      {"-ngl", "99", "--cpu-moe", "--reasoning-budget", "-1", "-ts", "0.5,0.5", "--lora", "a.gguf"},
      models_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_THAT(*checked, ElementsAre("-ngl", "99", "--cpu-moe", "--reasoning-budget", "-1", "-ts",
                                    "0.5,0.5", "--lora", models_ + "/a.gguf"));
}

TEST_F(ModelTest, OtherExtraArgumentsAreRefusedWithAReason) {
  const struct {
    std::vector<std::string> arguments;
    std::string reason;
  } kCases[] = {
      {{"--tools", "all"}, "--tools: it lets requests run programs"},
      {{"--agent"}, "--agent: it lets requests run programs"},
      {{"--host", "0.0.0.0"}, "--host: the server listens on 127.0.0.1 only"},
      {{"--host=0.0.0.0"}, "--host: the server listens on 127.0.0.1 only"},
      {{"-c", "99"}, "-c: use the key \"context_per_slot\""},
      {{"--api-key", "x"}, "--api-key: each server gets a key of its own"},
      {{"--unheard-of"}, "--unheard-of: is not on the list"},
      {{"-ngl=99"}, "-ngl=99: is not on the list"},
      {{"positional"}, "positional: is not on the list"},
      {{""}, ": is not on the list"},
      {{"-ngl"}, "-ngl: its value is missing"},
      {{"-ngl", "--tools"}, "-ngl: its value must be one word"},
      {{"--main-gpu", "inf"}, "--main-gpu: its value must be a number"},
      {{"--chat-template", "{{ x }}"}, "--chat-template: its value must be one word"},
      {{"--lora", "../secret.gguf"}, "../secret.gguf: lies outside"},
      {{"--lora", "x,y.gguf"}, "--lora: a comma"},
  };
  for (const auto& test : kCases) {
    const auto checked = CheckExtraArguments(test.arguments, models_);
    EXPECT_FALSE(checked.ok()) << test.reason;
    EXPECT_THAT(std::string(checked.status().message()), StartsWith(test.reason));
  }
}

TEST(ServerCommandTest, TheEnvironmentCannotOverrideArguments) {
  EXPECT_THAT(
      BuildServerEnvironment({"PATH=/bin", "LLAMA_ARG_TOOLS=all", "LLAMA_API_KEY=k", "HOME=/h",
                              "LD_PRELOAD=/x.so", "CUDA_VISIBLE_DEVICES=0", "HF_TOKEN=t",
                              "GGML_CUDA_FORCE_MMQ=1", "HIP_VISIBLE_DEVICES=1", "LANG=C", "PATHX=1",
                              "ROLEMESH_TOKEN=rmj1_x"}),
      ElementsAre("PATH=/bin", "HOME=/h", "CUDA_VISIBLE_DEVICES=0", "GGML_CUDA_FORCE_MMQ=1",
                  "HIP_VISIBLE_DEVICES=1", "LANG=C"));
}

TEST(ServerCommandTest, AnExitIsExplainedByItsFirstError) {
  EXPECT_EQ(FindExitReason("0.00.001.806 I srv  llama_server: initializing ...\n"
                           "0.00.023.132 E llama_model_load_from_file_impl: failed to load model\n"
                           "0.00.023.134 E cmn  common_init_: failed to load '/nonexist.gguf'\n"),
            "failed to load model");
  EXPECT_EQ(FindExitReason("error: invalid argument: --bad\n"), "error: invalid argument: --bad");
  EXPECT_EQ(FindExitReason("all is well\n"), "");
}

TEST(ServerCommandTest, ATakenPortIsRecognised) {
  EXPECT_TRUE(
      IsPortTaken("0.00.020.040 E srv         start: couldn't bind HTTP server socket, "
                  "hostname: 127.0.0.1, port: 18440\n"));
  EXPECT_FALSE(IsPortTaken("0.00.023.132 E failed to load model\n"));
}

}  // namespace
}  // namespace rolemesh::agent
