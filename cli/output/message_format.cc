#include "cli/output/message_format.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <nlohmann/json.hpp>

namespace rolemesh::cli {
namespace {

using Json = nlohmann::ordered_json;

// JSON's scalars are YAML's; only the layout of maps and lists differs.
void AppendYaml(const Json& value, int indent, std::string& text) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, child] : value.items()) {
      text.append(static_cast<size_t>(indent), ' ');
      absl::StrAppend(&text, key, ":");
      const bool nested = (child.is_object() || child.is_array()) && !child.empty();
      text += nested ? '\n' : ' ';
      AppendYaml(child, indent + 2, text);
    }
  } else if (value.is_array() && !value.empty()) {
    for (const Json& child : value) {
      std::string item;
      AppendYaml(child, indent + 2, item);
      // The dash takes the place of the item's own indentation.
      const size_t begin = item.find_first_not_of(' ');
      text.append(static_cast<size_t>(indent), ' ');
      absl::StrAppend(&text, "- ", item.substr(begin));
    }
  } else {
    absl::StrAppend(&text, value.dump(), "\n");
  }
}

}  // namespace

absl::StatusOr<std::string> FormatJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return absl::InternalError(std::string(status.message()));
  return text;
}

absl::StatusOr<std::string> FormatYaml(const google::protobuf::Message& message) {
  const absl::StatusOr<std::string> json = FormatJson(message);
  if (!json.ok()) return json;
  const Json value = Json::parse(*json, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return absl::InternalError("the message is not JSON");
  std::string text;
  AppendYaml(value, 0, text);
  return text;
}

}  // namespace rolemesh::cli
