// What this machine has, for people to see; nothing is decided by it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rolemesh::agent {

/// Thread-safety: a value.
struct GpuInventory {
  std::string name;
  uint64_t memory_bytes = 0;  ///< 0: unknown.

  friend bool operator==(const GpuInventory&, const GpuInventory&) = default;
};

/// Thread-safety: a value.
struct MachineInventory {
  int cpu_cores = 0;          ///< That this process may use.
  uint64_t memory_bytes = 0;  ///< 0: unknown.
  std::vector<GpuInventory> gpus;
  std::string llama_server_version;  ///< "0.7.0 (build 11669, commit Debian)"; may be empty.
};

/// Looks at /proc, at nvidia-smi when it is installed, at AMD's sysfs, and asks `llama_server` for
/// its version. What cannot be found is left out. Takes at most 10 s, usually far less.
MachineInventory ReadInventory(const std::string& llama_server);

/// MemTotal of /proc/meminfo in bytes; 0: not there. Pure.
uint64_t ParseMemoryTotal(absl::string_view meminfo);

/// The output of nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits: one GPU a
/// line, MiB. Lines of another form are skipped. Pure.
std::vector<GpuInventory> ParseNvidiaSmi(absl::string_view output);

/// What llama-server --version says behind "version:"; at most 64 bytes. Pure.
std::string ParseServerVersion(absl::string_view output);

}  // namespace rolemesh::agent
