// Messages as JSON and YAML, for scripts.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace rolemesh::cli {

/// Indented JSON by Protobuf's own mapping, with the names of the .proto files
/// and with fields that have their default; ends with a newline.
absl::StatusOr<std::string> FormatJson(const google::protobuf::Message& message);

/// The same values as YAML; strings are always quoted where they could be read
/// as something else.
absl::StatusOr<std::string> FormatYaml(const google::protobuf::Message& message);

}  // namespace rolemesh::cli
