#include "cli/output/text_table.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace rolemesh::cli {
namespace {

void AppendRow(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
               std::string& text) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    line.append(widths[i] - cells[i].size() + 2, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  absl::StrAppend(&text, line, "\n");
}

}  // namespace

std::string FormatTextTable(const std::vector<std::string>& heading,
                            const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> cells = {heading};
  for (const std::vector<std::string>& row : rows) {
    cells.emplace_back();
    for (const std::string& cell : row) {
      cells.back().push_back(cell.empty() ? "-" : absl::Utf8SafeCEscape(cell));
    }
  }
  std::vector<size_t> widths(heading.size(), 0);
  for (const std::vector<std::string>& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const std::vector<std::string>& row : cells) AppendRow(row, widths, text);
  return text;
}

}  // namespace rolemesh::cli
