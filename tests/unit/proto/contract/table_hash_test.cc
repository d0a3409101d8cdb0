// TableHash: order does not matter, every byte does.
#include "proto/contract/table_hash.h"

#include <string>

#include <gtest/gtest.h>

namespace rolemesh::contract {
namespace {

TEST(TableHashTest, OrderDoesNotMatter) {
  TableHash a;
  a.Add(1, "x", "1");
  a.Add(2, "y", "2");
  TableHash b;
  b.Add(2, "y", "2");
  b.Add(1, "x", "1");
  EXPECT_EQ(a, b);
}

TEST(TableHashTest, SubtractUndoesAddThroughManyCarries) {
  TableHash hash;
  for (int i = 0; i < 1'000; ++i) hash.Add(3, std::to_string(i), "payload");
  for (int i = 0; i < 1'000; ++i) hash.Subtract(3, std::to_string(i), "payload");
  EXPECT_EQ(hash, TableHash());
}

TEST(TableHashTest, KindIdAndPayloadAllCountAndDoNotRunTogether) {
  TableHash ab;
  ab.Add(1, "ab", "c");
  TableHash bc;
  bc.Add(1, "a", "bc");
  TableHash kind;
  kind.Add(2, "ab", "c");
  EXPECT_FALSE(ab == bc);
  EXPECT_FALSE(ab == kind);
}

TEST(TableHashTest, BytesGoThereAndBack) {
  TableHash hash;
  hash.Add(1, "a", "b");
  EXPECT_EQ(TableHash::FromBytes(hash.ToBytes()).value(), hash);
  EXPECT_FALSE(TableHash::FromBytes("short").ok());
}

TEST(TableHashTest, OneEntryIsItsSha256) {
  // sha256(01000000 00000000): kind 1, no id, no payload.
  TableHash hash;
  hash.Add(1, "", "");
  EXPECT_EQ(hash.ToShortHex(), "7c9fa136d4413fa6");
}

}  // namespace
}  // namespace rolemesh::contract
