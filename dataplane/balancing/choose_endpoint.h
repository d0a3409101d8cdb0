// Chooses one of the endpoints that may serve a request.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace rolemesh::dataplane {

/// What is known about an endpoint at the moment of the choice.
struct Candidate {
  uint32_t in_flight = 0;   ///< Requests that this edge has there now.
  uint32_t slot_count = 1;  ///< What it runs at once; 0 counts as 1.
  bool suspect = false;     ///< Its node's lease has run out.
  bool ejected = false;     ///< This edge could not connect to it lately.
  bool tried = false;       ///< This request was there already: never again.
};

/// Index of the candidate with the least in_flight / slot_count, ties by `random`; nullopt when
/// every one was tried.
///
/// Suspect ones are taken only when no others are left, ejected ones only after those: a mesh that
/// looks all dead from here is tried all the same, which costs one refused connection.
/// Pure: the same arguments give the same answer.
absl::optional<size_t> ChooseEndpoint(absl::Span<const Candidate> candidates, uint64_t random);

}  // namespace rolemesh::dataplane
