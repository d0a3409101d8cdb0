// A node's newest session with the control plane: observed state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/model/ids.h"

namespace rolemesh::controlplane {

/// Numbers are those of rolemesh.v1.SessionPhase.
enum class SessionPhase {
  kLive = 1,
  kSuspect = 2,  ///< The lease ran out; still routed, marked so.
  kGone = 3,     ///< Out of the table until it comes back.
  kLeft = 4,     ///< The agent said that it stops.
};

absl::string_view SessionPhaseName(SessionPhase phase);

struct Gpu {
  std::string name;
  uint64_t memory_bytes = 0;

  friend bool operator==(const Gpu&, const Gpu&) = default;
};

/// What a machine has.
struct Inventory {
  uint32_t cpu_cores = 0;
  uint64_t memory_bytes = 0;
  std::vector<Gpu> gpus;
  std::string llama_server_version;

  friend bool operator==(const Inventory&, const Inventory&) = default;
};

/// Thread-safety: a value.
struct Session {
  NodeId node;
  uint64_t epoch = 0;  ///< Given by the store: the previous session's plus 1.
  SessionPhase phase = SessionPhase::kLive;
  std::string replica;       ///< The one that owns the stream.
  std::string peer_address;  ///< IP literal.
  uint16_t front_port = 0;
  std::string agent_version;
  std::string boot_id;
  Inventory inventory;
  absl::Time connected_at;
  bool draining = false;  ///< The agent drains itself.

  friend bool operator==(const Session&, const Session&) = default;
};

}  // namespace rolemesh::controlplane
