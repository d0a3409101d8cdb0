#include "dataplane/balancing/choose_endpoint.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace rolemesh::dataplane {
namespace {

Candidate Busy(uint32_t in_flight, uint32_t slots) {
  Candidate candidate;
  candidate.in_flight = in_flight;
  candidate.slot_count = slots;
  return candidate;
}

TEST(ChooseEndpointTest, NothingToChooseFromIsNullopt) {
  EXPECT_EQ(ChooseEndpoint({}, 0), absl::nullopt);
  Candidate tried = Busy(0, 1);
  tried.tried = true;
  EXPECT_EQ(ChooseEndpoint({tried, tried}, 7), absl::nullopt);
}

TEST(ChooseEndpointTest, LeastLoadedPerSlotWins) {
  EXPECT_EQ(ChooseEndpoint({Busy(1, 1), Busy(3, 4), Busy(2, 2)}, 5), 1u);
  EXPECT_EQ(ChooseEndpoint({Busy(4, 8), Busy(1, 1)}, 5), 0u);
}

TEST(ChooseEndpointTest, SuspectOnlyWhenAllOthersAreGone) {
  Candidate suspect = Busy(0, 8);
  suspect.suspect = true;
  Candidate ejected = Busy(0, 8);
  ejected.ejected = true;
  EXPECT_EQ(ChooseEndpoint({suspect, Busy(9, 1), ejected}, 1), 1u);
  EXPECT_EQ(ChooseEndpoint({ejected, suspect}, 1), 1u);
  EXPECT_EQ(ChooseEndpoint({ejected}, 1), 0u) << "a mesh that looks dead is tried all the same";
}

TEST(ChooseEndpointTest, TiesAreSpreadEvenly) {
  const std::vector<Candidate> equal(5, Busy(2, 4));
  std::vector<int> hits(5);
  for (uint64_t random = 0; random < 1000; ++random) {
    ++hits[*ChooseEndpoint(equal, random)];
  }
  for (const int count : hits) {
    EXPECT_EQ(count, 200);
  }
}

// The properties, over random situations.
TEST(ChooseEndpointTest, NoCandidateThatIsBetterWasLeftOut) {
  std::mt19937_64 random(20261124);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Candidate> candidates(random() % 7);
    for (Candidate& candidate : candidates) {
      candidate = Busy(static_cast<uint32_t>(random() % 5), static_cast<uint32_t>(random() % 4));
      candidate.suspect = random() % 4 == 0;
      candidate.ejected = random() % 4 == 0;
      candidate.tried = random() % 3 == 0;
    }
    const uint64_t seed = random();
    const absl::optional<size_t> choice = ChooseEndpoint(candidates, seed);
    EXPECT_EQ(choice, ChooseEndpoint(candidates, seed)) << "the same question, the same answer";
    const bool any = std::any_of(candidates.begin(), candidates.end(),
                                 [](const Candidate& c) { return !c.tried; });
    ASSERT_EQ(choice.has_value(), any);
    if (!choice.has_value()) {
      continue;
    }
    const Candidate& chosen = candidates[*choice];
    ASSERT_FALSE(chosen.tried);
    const auto load = [](const Candidate& c) {
      return static_cast<double>(c.in_flight) / std::max(c.slot_count, 1u);
    };
    for (const Candidate& other : candidates) {
      if (other.tried) {
        continue;
      }
      EXPECT_FALSE(chosen.ejected && !other.ejected);
      if (chosen.ejected == other.ejected) {
        EXPECT_FALSE(!chosen.ejected && chosen.suspect && !other.suspect);
        if (chosen.ejected || chosen.suspect == other.suspect) {
          EXPECT_LE(load(chosen), load(other));
        }
      }
    }
  }
}

}  // namespace
}  // namespace rolemesh::dataplane
