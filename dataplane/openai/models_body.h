// The answers to /v1/models, /health and /ready.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rolemesh::dataplane {

/// A role as clients see it.
struct ModelListing {
  std::string role;
  std::vector<std::string> aliases;
  int64_t created = 0;                    ///< Unix seconds.
  bool available = false;                 ///< At least one endpoint takes requests.
  uint32_t endpoint_count = 0;            ///< That take requests.
  uint32_t slot_count = 0;                ///< Of these together.
  uint32_t context_tokens = 0;            ///< Per request, the least of them; 0: unknown.
  std::vector<std::string> capabilities;  ///< "chat", "embeddings", "vision", ...
};

/// {"object":"list","data":[...],"unavailable":[...]}: what cannot be used stands apart, so that
/// clients that offer `data` offer only what works.
std::string ModelListBody(const std::vector<ModelListing>& listings);

/// One entry of that list.
std::string ModelBody(const ModelListing& listing);

/// {"status":"ok"} and the like; `reason` is left out when empty.
std::string StatusBody(absl::string_view status, absl::string_view reason = {});

}  // namespace rolemesh::dataplane
