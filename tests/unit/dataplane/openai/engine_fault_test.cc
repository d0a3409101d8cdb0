#include "dataplane/openai/engine_fault.h"

#include <gtest/gtest.h>

namespace rolemesh::dataplane {
namespace {

// The bodies are llama-server's own.
TEST(EngineFaultTest, ImageToATextModelIsTheClientsFault) {
  const auto error = ClientFaultOf(
      500,
      R"({"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}})");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->http_status, 400);
}

TEST(EngineFaultTest, EmbeddingsThatAreOffAreTheClientsFault) {
  const auto error = ClientFaultOf(
      501,
      R"({"error":{"code":501,"message":"This server does not support embeddings. Start it with `--embeddings`","type":"not_supported_error"}})");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->http_status, 400);
  EXPECT_EQ(error->type, "invalid_request_error");
}

TEST(EngineFaultTest, WhatTheEngineDidStaysA5xx) {
  EXPECT_FALSE(ClientFaultOf(
      500, R"({"error":{"code":500,"message":"Compute error.","type":"server_error"}})"));
  EXPECT_FALSE(ClientFaultOf(503, R"({"error":{"message":"Loading model"}})"));
  EXPECT_FALSE(ClientFaultOf(500, ""));
  EXPECT_FALSE(ClientFaultOf(500, "image input is not supported"));
  EXPECT_FALSE(ClientFaultOf(500, R"({"error":"image input is not supported"})"));
}

}  // namespace
}  // namespace rolemesh::dataplane
