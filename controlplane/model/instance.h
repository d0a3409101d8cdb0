// One llama-server process as its agent last described it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "controlplane/model/ids.h"

namespace rolemesh::controlplane {

/// Numbers are those of rolemesh.v1.InstancePhase.
enum class InstancePhase {
  kStarting = 1,   ///< Process exists, not proven ready.
  kReady = 2,      ///< Proven: health and properties hold.
  kDraining = 3,   ///< Finishes what runs, takes nothing new.
  kBackoff = 4,    ///< Exited; restarts after a pause.
  kCrashLoop = 5,  ///< Exited 5 times in 10 min; slow retries.
  kStopped = 6,    ///< Not running, by wish.
  kUnfit = 7,      ///< Runs, but does not meet the role's needs.
};

/// "ready", "crash loop", ...
absl::string_view InstancePhaseName(InstancePhase phase);

/// What an instance proved at start.
struct Abilities {
  bool vision = false;
  bool audio = false;
  bool embeddings = false;
  bool tools = false;
  bool reasoning = false;

  friend bool operator==(const Abilities&, const Abilities&) = default;
};

/// Thread-safety: a value.
struct Instance {
  InstanceId id;
  uint64_t generation = 0;  ///< Counts starts of the process.
  InstancePhase phase = InstancePhase::kStarting;
  std::string reason;              ///< One line: why it is in this phase.
  std::vector<std::string> roles;  ///< Roles it wants to serve.
  uint32_t slot_count = 0;         ///< 0 while unknown.
  uint32_t context_tokens = 0;     ///< Per slot; 0 while unknown.
  std::string model;               ///< File name.
  Abilities abilities;
  uint32_t pid = 0;  ///< 0: no process.
  uint32_t restart_count = 0;

  friend bool operator==(const Instance&, const Instance&) = default;
};

/// As the last heartbeat said; for display, never stored.
struct InstanceLoad {
  uint32_t running = 0;
  uint32_t waiting = 0;

  friend bool operator==(const InstanceLoad&, const InstanceLoad&) = default;
};

}  // namespace rolemesh::controlplane
