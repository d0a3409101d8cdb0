#include "proto/contract/names.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rolemesh::contract {
namespace {

constexpr size_t kMaxNameBytes = 63;

bool IsNameByte(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.';
}

absl::Status Refuse(absl::string_view name, absl::string_view what, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(name.substr(0, 80)), "\" is not ", what, ": ", why));
}

absl::Status Check(absl::string_view name, absl::string_view what) {
  if (name.empty()) return Refuse(name, what, "it is empty");
  if (name.size() > kMaxNameBytes) return Refuse(name, what, "it has more than 63 bytes");
  if (!absl::ascii_islower(name[0]) && !absl::ascii_isdigit(name[0])) {
    return Refuse(name, what, "it must begin with a lower-case letter or a digit");
  }
  if (!std::all_of(name.begin(), name.end(), IsNameByte)) {
    return Refuse(name, what, "only a-z, 0-9, `-`, `_` and `.` are allowed");
  }
  if (absl::StrContains(name, "..")) return Refuse(name, what, "it has two dots in a row");
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRoleName(absl::string_view name) {
  if (!name.empty() && absl::ascii_isdigit(name[0])) {
    return Refuse(name, "a role name", "it must begin with a lower-case letter");
  }
  return Check(name, "a role name");
}

absl::Status CheckNodeName(absl::string_view name) {
  return Check(name, "a node name");
}
absl::Status CheckEdgeName(absl::string_view name) {
  return Check(name, "an edge name");
}
absl::Status CheckOperatorName(absl::string_view name) {
  return Check(name, "an operator name");
}
absl::Status CheckInstanceName(absl::string_view name) {
  return Check(name, "an instance name");
}
absl::Status CheckReplicaName(absl::string_view name) {
  return Check(name, "a replica name");
}

absl::Status CheckMeshName(absl::string_view name) {
  if (absl::StrContains(name, "_")) return Refuse(name, "a mesh name", "`_` is not allowed");
  return Check(name, "a mesh name");
}

absl::Status CheckNamePattern(absl::string_view pattern) {
  if (pattern == "*") return absl::OkStatus();
  absl::string_view stem = pattern;
  if (absl::EndsWith(stem, "*")) stem.remove_suffix(1);
  return Check(stem, "a name pattern");
}

bool MatchesPattern(absl::string_view pattern, absl::string_view name) {
  if (!absl::EndsWith(pattern, "*")) return pattern == name;
  pattern.remove_suffix(1);
  return absl::StartsWith(name, pattern);
}

}  // namespace rolemesh::contract
