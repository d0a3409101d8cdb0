// Names: what may stand in a URI, a store key and a file name.
#include "proto/contract/names.h"

#include <string>

#include <gtest/gtest.h>

namespace rolemesh::contract {
namespace {

TEST(NamesTest, GoodNamesAreAccepted) {
  for (const char* name : {"a", "gpu-1", "writer_2", "qwen2.5-7b", "x.y"}) {
    EXPECT_TRUE(CheckNodeName(name).ok()) << name;
    EXPECT_TRUE(CheckRoleName(name).ok()) << name;
  }
  EXPECT_TRUE(CheckNodeName("10-0-0-1").ok());
}

TEST(NamesTest, BadNamesAreRefused) {
  for (const std::string& name :
       {std::string(), std::string("../x"), std::string("A"), std::string("a/b"), std::string("-a"),
        std::string(".a"), std::string("a..b"), std::string(64, 'a'), std::string(65'536, 'a'),
        std::string("a b"), std::string("*"), std::string("n\xc3\xb6"), std::string("a\n"),
        std::string("a\0b", 3)}) {
    EXPECT_FALSE(CheckNodeName(name).ok()) << name.substr(0, 20);
    EXPECT_FALSE(CheckRoleName(name).ok()) << name.substr(0, 20);
  }
  EXPECT_FALSE(CheckRoleName("1st").ok());
  EXPECT_FALSE(CheckMeshName("my_mesh").ok());
}

TEST(NamesTest, PatternsMatchByPrefix) {
  EXPECT_TRUE(MatchesPattern("gpu-*", "gpu-7"));
  EXPECT_TRUE(MatchesPattern("gpu-*", "gpu-"));
  EXPECT_TRUE(MatchesPattern("*", "anything"));
  EXPECT_TRUE(MatchesPattern("gpu-1", "gpu-1"));
  EXPECT_FALSE(MatchesPattern("gpu-1", "gpu-12"));
  EXPECT_FALSE(MatchesPattern("gpu-*", "cpu-1"));
}

TEST(NamesTest, AStarInsideAPatternIsRefused) {
  EXPECT_TRUE(CheckNamePattern("gpu-*").ok());
  EXPECT_TRUE(CheckNamePattern("*").ok());
  EXPECT_FALSE(CheckNamePattern("g*u").ok());
  EXPECT_FALSE(CheckNamePattern("**").ok());
  EXPECT_FALSE(CheckNamePattern("").ok());
}

}  // namespace
}  // namespace rolemesh::contract
