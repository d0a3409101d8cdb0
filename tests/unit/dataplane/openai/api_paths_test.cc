#include "dataplane/openai/api_paths.h"

#include <set>

#include <gtest/gtest.h>

namespace rolemesh::dataplane {
namespace {

TEST(ApiPathsTest, EveryPathIsFoundAsItself) {
  std::set<absl::string_view> seen;
  for (const ApiPath& path : AllApiPaths()) {
    EXPECT_TRUE(seen.insert(path.path).second) << path.path;
    if (path.kind != ApiKind::kModel) {
      EXPECT_EQ(FindApiPath(path.path), &path) << path.path;
    }
  }
}

TEST(ApiPathsTest, NothingElseIsReachable) {
  for (const absl::string_view path :
       {"", "/", "/v1", "/v1/", "/v1/models/", "/v1/chat/completions/", "/V1/models", "/slots",
        "/props", "/metrics", "/v1/chat/completionsx", "/lora-adapters", "/health/", "//health"}) {
    EXPECT_EQ(FindApiPath(path), nullptr) << path;
  }
}

TEST(ApiPathsTest, OnlyHealthAndReadyNeedNoKey) {
  for (const ApiPath& path : AllApiPaths()) {
    EXPECT_EQ(!path.needs_key, path.kind == ApiKind::kHealth || path.kind == ApiKind::kReady)
        << path.path;
  }
}

TEST(ApiPathsTest, ModelIdIsDecoded) {
  ASSERT_NE(FindApiPath("/v1/models/coder"), nullptr);
  EXPECT_EQ(FindApiPath("/v1/models/coder")->kind, ApiKind::kModel);
  EXPECT_EQ(ModelIdOf("/v1/models/coder"), "coder");
  EXPECT_EQ(ModelIdOf("/v1/models/a%2Db"), "a-b");
  EXPECT_EQ(ModelIdOf("/v1/models/a%2"), absl::nullopt);
  EXPECT_EQ(ModelIdOf("/v1/models/a%zz"), absl::nullopt);
}

}  // namespace
}  // namespace rolemesh::dataplane
