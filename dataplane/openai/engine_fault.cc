#include "dataplane/openai/engine_fault.h"

#include <string>

#include "absl/strings/match.h"
#include <nlohmann/json.hpp>

namespace rolemesh::dataplane {

absl::optional<ApiError> ClientFaultOf(int http_status, absl::string_view body) {
  if (http_status != 500 && http_status != 501) {
    return absl::nullopt;
  }
  const nlohmann::json json = nlohmann::json::parse(body.begin(), body.end(), nullptr, false);
  if (!json.is_object() || !json.contains("error") || !json["error"].is_object()) {
    return absl::nullopt;
  }
  const nlohmann::json& error = json["error"];
  const auto text = [&](const char* key) {
    const auto at = error.find(key);
    return at != error.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  const std::string message = text("message");
  if (http_status == 501 && text("type") == "not_supported_error") {
    return BadRequest(message, {}, "not_supported");
  }
  if (absl::StrContains(message, "input is not supported")) {  // image, audio, video
    return BadRequest(message, "messages", "not_supported");
  }
  return absl::nullopt;
}

}  // namespace rolemesh::dataplane
