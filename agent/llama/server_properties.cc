#include "agent/llama/server_properties.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

namespace rolemesh::agent {
namespace {

using Json = nlohmann::json;

// The child of `object`, or null.
const Json* FindChild(const Json* object, const char* key) {
  if (object == nullptr || !object->is_object()) {
    return nullptr;
  }
  const auto found = object->find(key);
  return found == object->end() ? nullptr : &*found;
}

bool IsTrue(const Json* object, const char* key) {
  const Json* const value = FindChild(object, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

// A positive int, or 0.
int PositiveInt(const Json* object, const char* key) {
  const Json* const value = FindChild(object, key);
  if (value == nullptr || !value->is_number_unsigned()) {
    return 0;
  }
  const uint64_t number = value->get<uint64_t>();
  return number > static_cast<uint64_t>(std::numeric_limits<int>::max()) ? 0
                                                                         : static_cast<int>(number);
}

}  // namespace

absl::StatusOr<ServerProperties> ParseServerProperties(absl::string_view body) {
  const Json json = Json::parse(body.begin(), body.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("/props: is not a JSON object");
  }
  ServerProperties properties;
  properties.slot_count = PositiveInt(&json, "total_slots");
  properties.context_per_slot =
      PositiveInt(FindChild(&json, "default_generation_settings"), "n_ctx");
  if (properties.slot_count == 0 || properties.context_per_slot == 0) {
    return absl::InvalidArgumentError(
        "/props: total_slots or default_generation_settings.n_ctx is missing; is it a "
        "llama-server?");
  }
  const Json* const modalities = FindChild(&json, "modalities");
  properties.abilities.vision = IsTrue(modalities, "vision");
  properties.abilities.audio = IsTrue(modalities, "audio");
  const Json* const template_caps = FindChild(&json, "chat_template_caps");
  properties.abilities.tools =
      IsTrue(template_caps, "supports_tools") && IsTrue(template_caps, "supports_tool_calls");
  properties.abilities.reasoning = IsTrue(template_caps, "supports_preserve_reasoning") ||
                                   IsTrue(template_caps, "supports_reasoning_effort");
  if (const Json* const build = FindChild(&json, "build_info");
      build != nullptr && build->is_string()) {
    properties.build = build->get<std::string>().substr(0, 64);
  }
  return properties;
}

absl::Status JudgeServer(const ServerProperties& properties, const ServerDemand& demand) {
  if (properties.context_per_slot < demand.min_context) {
    return absl::FailedPreconditionError(absl::StrCat(
        "context is ", properties.context_per_slot, " tokens per slot, min_context asks for ",
        demand.min_context, "; the model or the memory allows no more"));
  }
  if (properties.slot_count < demand.slot_count) {
    return absl::FailedPreconditionError(absl::StrCat(
        "has ", properties.slot_count, " slots, the configuration asks for ", demand.slot_count));
  }
  if (demand.embeddings && !properties.abilities.embeddings) {
    return absl::FailedPreconditionError("answers no embeddings; the model may not have them");
  }
  return absl::OkStatus();
}

}  // namespace rolemesh::agent
