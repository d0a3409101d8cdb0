// Tables for people: aligned, and safe to print.
#include "cli/output/text_table.h"

#include <gtest/gtest.h>

namespace rolemesh::cli {
namespace {

TEST(TextTableTest, ColumnsAreAlignedAndLinesEndWithoutSpaces) {
  EXPECT_EQ(FormatTextTable({"NODE", "ROLE"}, {{"a-long-name", "w"}, {"b", "planner"}}),
            "NODE         ROLE\n"
            "a-long-name  w\n"
            "b            planner\n");
}

TEST(TextTableTest, AnEmptyCellIsADash) {
  EXPECT_EQ(FormatTextTable({"A", "B"}, {{"", "x"}}), "A  B\n-  x\n");
}

TEST(TextTableTest, ControlCharactersFromOutsideCannotReachTheTerminal) {
  EXPECT_EQ(FormatTextTable({"A"}, {{"x\x1b[31m\n"}}), "A\nx\\033[31m\\n\n");
}

TEST(TextTableTest, WithoutRowsOnlyTheHeading) {
  EXPECT_EQ(FormatTextTable({"A"}, {}), "A\n");
}

}  // namespace
}  // namespace rolemesh::cli
