// Columns for people.
#pragma once

#include <string>
#include <vector>

namespace rolemesh::cli {

/// Rows under a heading, each column as wide as its longest cell, two spaces
/// between; control characters in cells are escaped. Ends with a newline.
std::string FormatTextTable(const std::vector<std::string>& heading,
                            const std::vector<std::vector<std::string>>& rows);

}  // namespace rolemesh::cli
