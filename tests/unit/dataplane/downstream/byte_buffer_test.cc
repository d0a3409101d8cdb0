#include "dataplane/downstream/byte_buffer.h"

#include <cstring>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace rolemesh::dataplane {
namespace {

TEST(ByteBufferTest, GrowsOnlyAfterAReadFilledIt) {
  ByteBuffer buffer(64 * 1024);
  EXPECT_EQ(buffer.Room().size(), 2048u);
  buffer.Commit(100);
  buffer.Consume(100);
  EXPECT_EQ(buffer.Room().size(), 2048u);
  buffer.Commit(2048);
  buffer.Consume(2048);
  EXPECT_EQ(buffer.Room().size(), 8192u);
  buffer.Commit(1);
  buffer.Consume(1);
  EXPECT_EQ(buffer.Room().size(), 8192u) << "it does not shrink";
  buffer.Reset();
  EXPECT_EQ(buffer.Room().size(), 2048u);
}

TEST(ByteBufferTest, HoldsItsLimitAndNoMore) {
  ByteBuffer buffer(5000);
  EXPECT_EQ(buffer.Append(std::string(6000, 'x')), 5000u);
  EXPECT_TRUE(buffer.full());
  EXPECT_TRUE(buffer.Room().empty());
  buffer.Consume(1);
  EXPECT_EQ(buffer.Room().size(), 1u);
}

TEST(ByteBufferTest, GivesBackWhatWasPutInAnyRhythm) {
  std::mt19937 random(7);
  ByteBuffer buffer(10'000);
  std::string put, got;
  for (int i = 0; i < 5000; ++i) {
    const absl::Span<char> room = buffer.Room();
    const size_t n = room.empty() ? 0 : random() % room.size() + 1;
    for (size_t k = 0; k < n; ++k) {
      room[k] = static_cast<char>(random());
      put.push_back(room[k]);
    }
    buffer.Commit(n);
    const size_t take = random() % (buffer.view().size() + 1);
    got.append(buffer.view().data(), take);
    buffer.Consume(take);
  }
  got.append(buffer.view().data(), buffer.view().size());
  EXPECT_TRUE(got == put);
}

}  // namespace
}  // namespace rolemesh::dataplane
