#include "dataplane/openai/models_body.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rolemesh::dataplane {
namespace {

using nlohmann::json;

TEST(ModelsBodyTest, UnavailableRolesStandApart) {
  ModelListing coder;
  coder.role = "coder";
  coder.aliases = {"code"};
  coder.created = 7;
  coder.available = true;
  coder.context_tokens = 2048;
  coder.capabilities = {"chat"};
  ModelListing writer;
  writer.role = "writer";

  const json body = json::parse(ModelListBody({coder, writer}));
  EXPECT_EQ(body["object"], "list");
  ASSERT_EQ(body["data"].size(), 1u);
  EXPECT_EQ(body["data"][0]["id"], "coder");
  EXPECT_EQ(body["data"][0]["object"], "model");
  EXPECT_EQ(body["data"][0]["created"], 7);
  EXPECT_EQ(body["data"][0]["context"], 2048);
  EXPECT_EQ(body["data"][0]["capabilities"], json::array({"chat"}));
  ASSERT_EQ(body["unavailable"].size(), 1u);
  EXPECT_EQ(body["unavailable"][0]["id"], "writer");
  EXPECT_TRUE(body["unavailable"][0]["context"].is_null());
}

TEST(ModelsBodyTest, EmptyListIsAList) {
  EXPECT_EQ(json::parse(ModelListBody({}))["data"], json::array());
}

}  // namespace
}  // namespace rolemesh::dataplane
