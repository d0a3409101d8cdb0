// Client faults that llama-server answers with a 5xx, which SDKs would retry.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "dataplane/openai/api_error.h"

namespace rolemesh::dataplane {

/// The 4xx to answer with in place of an engine's answer, or nullopt when its 5xx is the truth.
/// `body` is its JSON: "...does not support embeddings" (501), "image input is not
/// supported" (500).
absl::optional<ApiError> ClientFaultOf(int http_status, absl::string_view body);

}  // namespace rolemesh::dataplane
