// What a llama-server says about itself, and whether that is good enough.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rolemesh::agent {

/// What a server has proved it can do.
/// Thread-safety: a value.
struct ServerAbilities {
  bool vision = false;
  bool audio = false;
  bool embeddings = false;  ///< Tried, not read: /props does not say.
  bool tools = false;       ///< Its chat template has them.
  bool reasoning = false;   ///< Its chat template knows about it.

  friend bool operator==(const ServerAbilities&, const ServerAbilities&) = default;
};

/// The answer to GET /props, as far as it matters here.
/// Thread-safety: a value.
struct ServerProperties {
  int slot_count = 0;
  int context_per_slot = 0;  ///< Tokens, after the server has fitted itself into memory.
  ServerAbilities abilities = {};
  std::string build = {};  ///< "b11669-Debian"
};

/// Errors: InvalidArgument: not JSON, or what every llama-server says is missing.
absl::StatusOr<ServerProperties> ParseServerProperties(absl::string_view body);

/// What an instance must have to be advertised.
/// Thread-safety: a value.
struct ServerDemand {
  int slot_count = 1;
  int min_context = 0;  ///< Tokens per slot; 0: any.
  bool embeddings = false;
};

/// Errors: FailedPrecondition: runs, but must not be advertised; the message is one line for the
/// operator. Pure.
absl::Status JudgeServer(const ServerProperties& properties, const ServerDemand& demand);

}  // namespace rolemesh::agent
