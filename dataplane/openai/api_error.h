// Errors as OpenAI's and Anthropic's clients expect them.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "dataplane/openai/api_paths.h"

namespace rolemesh::dataplane {

/// An answer that says no.
struct ApiError {
  int http_status = 500;
  /// OpenAI's `type`: "invalid_request_error", "server_error", "rate_limit_error".
  absl::string_view type = "server_error";  // a literal
  absl::string_view code;                   // a literal; empty: null
  absl::string_view param;                  // a literal; empty: null
  /// For people, one sentence; may quote the client's own model name, nothing else of a body.
  std::string message;
  /// Sent as Retry-After, rounded up to seconds, when above zero.
  absl::Duration retry_after;
};

/// 400 invalid_request_error.
ApiError BadRequest(std::string message, absl::string_view param = {}, absl::string_view code = {});

/// The JSON body; application/json.
std::string ErrorBody(ErrorShape shape, const ApiError& error);

/// The error as one event of an event stream, with the empty line that ends it.
std::string ErrorEvent(ErrorShape shape, const ApiError& error);

/// `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
std::string QuoteJson(absl::string_view text);

}  // namespace rolemesh::dataplane
