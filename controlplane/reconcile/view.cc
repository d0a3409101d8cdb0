#include "controlplane/reconcile/view.h"

#include "absl/strings/str_cat.h"

namespace rolemesh::controlplane {

std::vector<std::string> View::Problems() const {
  constexpr size_t kMost = 32;
  std::vector<std::string> problems;
  if (removals_frozen) {
    problems.push_back(
        "removals are frozen: too many nodes fell silent at once, so the network is suspected; "
        "silent nodes stay in the table until most are back");
  }
  for (const std::string& record : bad_records) {
    problems.push_back(absl::StrCat("the store's ", record));
  }
  for (const auto& [edge, status] : edges) {
    if (!status.last_nack.empty()) {
      problems.push_back(absl::StrCat("edge ", edge.value(), " refused ", status.last_nack));
    }
  }
  for (const auto& [node, agent] : agents) {
    for (const RoleRefusal& refusal : agent.refusals) {
      if (problems.size() >= kMost) break;
      problems.push_back(absl::StrCat("node ", node.value(), ", instance ",
                                      refusal.instance.value(), ", role ", refusal.role, ": ",
                                      refusal.reason));
    }
  }
  if (problems.size() > kMost) problems.resize(kMost);
  return problems;
}

}  // namespace rolemesh::controlplane
