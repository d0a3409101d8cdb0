#include "base/http/message_head.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace rolemesh::base {
namespace {

constexpr absl::string_view kHopByHop[] = {
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Proxy-Connection",
    "TE",
    "HTTP2-Settings",
};

absl::optional<absl::string_view> ValueOf(const HeaderFields& fields, absl::string_view name) {
  const HeaderField* const field = FindField(fields, name);
  return field == nullptr ? absl::nullopt : absl::make_optional(field->value);
}

absl::string_view Trim(absl::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == absl::string_view::npos) {
    return absl::string_view();
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

const HeaderField* FindField(const HeaderFields& fields, absl::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [name](const HeaderField& field) {
    return absl::EqualsIgnoreCase(field.name, name);
  });
  return found == fields.end() ? nullptr : &*found;
}

size_t CountFields(const HeaderFields& fields, absl::string_view name) {
  return static_cast<size_t>(std::count_if(
      fields.begin(), fields.end(),
      [name](const HeaderField& field) { return absl::EqualsIgnoreCase(field.name, name); }));
}

bool IsHopByHop(absl::string_view name) {
  return std::any_of(std::begin(kHopByHop), std::end(kHopByHop),
                     [name](absl::string_view hop) { return absl::EqualsIgnoreCase(hop, name); });
}

bool ConnectionLists(const HeaderFields& fields, absl::string_view name) {
  for (const HeaderField& field : fields) {
    if (!absl::EqualsIgnoreCase(field.name, "Connection")) {
      continue;
    }
    absl::string_view rest = field.value;
    while (true) {
      const size_t comma = rest.find(',');
      if (absl::EqualsIgnoreCase(Trim(rest.substr(0, comma)), name)) {
        return true;
      }
      if (comma == absl::string_view::npos) {
        break;
      }
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

absl::optional<absl::string_view> RequestHead::Find(absl::string_view name) const {
  return ValueOf(fields, name);
}

absl::optional<absl::string_view> ResponseHead::Find(absl::string_view name) const {
  return ValueOf(fields, name);
}

}  // namespace rolemesh::base
