#include "dataplane/openai/event_stream.h"

#include <gtest/gtest.h>

namespace rolemesh::dataplane {
namespace {

TEST(EventStreamTest, EndsBehindTheLastEmptyLine) {
  const struct {
    absl::string_view text;
    size_t end;
  } cases[] = {
      {"", 0},
      {"data: x", 0},
      {"data: x\n", 0},
      {"data: x\n\n", 9},
      {"data: x\n\ndata: y", 9},
      {"data: x\n\ndata: y\n", 9},
      {"data: x\n\ndata: y\n\n", 18},
      {":\n\n", 3},
      {"data: x\r\n\r\nd", 11},
      {"data: x\r\n\r", 0},
      {"data: x\r\n", 0},
      {"data: x\n\r\nd", 10},
      {"data: x\r\rd", 9},
      {"data: x\r\r", 0},
      {"a\n\nb\nc\n", 3},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(EndOfLastEvent(test.text), test.end) << test.text;
  }
}

}  // namespace
}  // namespace rolemesh::dataplane
