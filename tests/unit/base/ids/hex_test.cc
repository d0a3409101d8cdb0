#include "base/ids/hex.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

TEST(HexTest, DecodesWhatItEncodes) {
  const std::string bytes("\x00\xff\x10\x7f", 4);
  EXPECT_EQ(HexEncode(bytes), "00ff107f");
  EXPECT_EQ(HexDecode("00fF107f").value(), bytes);
  EXPECT_EQ(HexDecode("").value(), "");
}

TEST(HexTest, RefusesWhatIsNotHex) {
  for (const absl::string_view bad : {"0", "0g", " 00", "0x", "00 "}) {
    EXPECT_EQ(HexDecode(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(HexDecode("00zz").status().message(), "no hex digit at offset 2");
}

}  // namespace
}  // namespace rolemesh::base
