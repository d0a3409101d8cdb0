#include "agent/supervision/process_record.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

namespace rolemesh::agent {
namespace {

using Json = nlohmann::json;

// Whether `json[key]` is a number of at most `max`; then it is in `*value`.
template <class Integer>
bool ReadNumber(const Json& json, const char* key, uint64_t max, Integer* value) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_unsigned() || found->get<uint64_t>() > max) {
    return false;
  }
  *value = static_cast<Integer>(found->get<uint64_t>());
  return true;
}

}  // namespace

std::string FormatProcessRecord(const ProcessRecord& record) {
  const Json json = {
      {"pid", record.identity.pid},         {"start_time", record.identity.start_time},
      {"boot_id", record.identity.boot_id}, {"port", record.port},
      {"generation", record.generation},    {"command", record.command}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<ProcessRecord> ParseProcessRecord(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  ProcessRecord record;
  const bool well_formed =
      json.is_object() && ReadNumber(json, "pid", 1 << 30, &record.identity.pid) &&
      ReadNumber(json, "start_time", UINT64_MAX, &record.identity.start_time) &&
      ReadNumber(json, "port", 65535, &record.port) &&
      ReadNumber(json, "generation", UINT64_MAX, &record.generation);
  const auto boot_id = json.is_object() ? json.find("boot_id") : json.end();
  const auto command = json.is_object() ? json.find("command") : json.end();
  if (!well_formed || boot_id == json.end() || !boot_id->is_string() || command == json.end() ||
      !command->is_array()) {
    return absl::InvalidArgumentError("is not a process record");
  }
  record.identity.boot_id = boot_id->get<std::string>();
  for (const Json& argument : *command) {
    if (!argument.is_string()) {
      return absl::InvalidArgumentError("is not a process record");
    }
    record.command.push_back(argument.get<std::string>());
  }
  return record;
}

}  // namespace rolemesh::agent
