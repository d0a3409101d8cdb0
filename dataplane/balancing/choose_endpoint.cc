#include "dataplane/balancing/choose_endpoint.h"

#include <algorithm>

namespace rolemesh::dataplane {
namespace {

// Lower is better.
int Tier(const Candidate& candidate) {
  return candidate.ejected ? 2 : candidate.suspect ? 1 : 0;
}

// Below zero: `a` is less busy. Fractions are compared without dividing.
int CompareLoad(const Candidate& a, const Candidate& b) {
  const uint64_t left = uint64_t{a.in_flight} * std::max(b.slot_count, 1u);
  const uint64_t right = uint64_t{b.in_flight} * std::max(a.slot_count, 1u);
  return left < right ? -1 : left > right ? 1 : 0;
}

}  // namespace

absl::optional<size_t> ChooseEndpoint(absl::Span<const Candidate> candidates, uint64_t random) {
  const Candidate* best = nullptr;
  size_t equals = 0;
  const auto compare = [](const Candidate& a, const Candidate& b) {
    return Tier(a) != Tier(b) ? Tier(a) - Tier(b) : CompareLoad(a, b);
  };
  for (const Candidate& candidate : candidates) {
    if (candidate.tried) {
      continue;
    }
    const int order = best == nullptr ? -1 : compare(candidate, *best);
    if (order < 0) {
      best = &candidate;
      equals = 1;
    } else if (order == 0) {
      ++equals;
    }
  }
  if (best == nullptr) {
    return absl::nullopt;
  }
  size_t skip = static_cast<size_t>(random % equals);
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].tried && compare(candidates[i], *best) == 0 && skip-- == 0) {
      return i;
    }
  }
  return absl::nullopt;  // not reached
}

}  // namespace rolemesh::dataplane
