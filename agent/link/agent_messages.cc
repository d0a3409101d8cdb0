#include "agent/link/agent_messages.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

#include "proto/contract/limits.h"

namespace rolemesh::agent {
namespace {

v1::InstancePhase PhaseToProto(InstancePhase phase) {
  switch (phase) {
    case InstancePhase::kStopped:
      return v1::INSTANCE_PHASE_STOPPED;
    case InstancePhase::kStarting:
      return v1::INSTANCE_PHASE_STARTING;
    case InstancePhase::kReady:
      return v1::INSTANCE_PHASE_READY;
    case InstancePhase::kDraining:
      return v1::INSTANCE_PHASE_DRAINING;
    case InstancePhase::kBackoff:
      return v1::INSTANCE_PHASE_BACKOFF;
    case InstancePhase::kCrashLoop:
      return v1::INSTANCE_PHASE_CRASH_LOOP;
    case InstancePhase::kUnfit:
      return v1::INSTANCE_PHASE_UNFIT;
  }
  return v1::INSTANCE_PHASE_UNSPECIFIED;
}

// A log of someone else may hold anything: protobuf's strings must be UTF-8, and a line is a line.
std::string OneLine(absl::string_view text, size_t max_bytes) {
  std::string line;
  for (const char c : text.substr(0, max_bytes)) {
    line.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?');
  }
  return line;
}

}  // namespace

v1::InstanceState ToProto(const InstanceStatus& status) {
  v1::InstanceState state;
  state.set_instance_id(status.id);
  state.set_generation(status.generation);
  state.set_phase(PhaseToProto(status.phase));
  state.set_reason(OneLine(status.reason, contract::kMaxReasonBytes));
  for (const std::string& role : status.roles) {
    state.add_roles(role);
  }
  state.set_slot_count(static_cast<uint32_t>(status.slot_count));
  state.set_context_tokens(static_cast<uint32_t>(status.context_tokens));
  state.set_model(OneLine(status.model, 255));
  v1::Abilities& abilities = *state.mutable_abilities();
  abilities.set_vision(status.abilities.vision);
  abilities.set_audio(status.abilities.audio);
  abilities.set_embeddings(status.abilities.embeddings);
  abilities.set_tools(status.abilities.tools);
  abilities.set_reasoning(status.abilities.reasoning);
  state.set_pid(static_cast<uint32_t>(status.pid));
  state.set_restart_count(static_cast<uint32_t>(status.restart_count));
  return state;
}

v1::Inventory ToProto(const MachineInventory& inventory) {
  v1::Inventory message;
  message.set_cpu_cores(static_cast<uint32_t>(inventory.cpu_cores));
  message.set_memory_bytes(inventory.memory_bytes);
  for (const GpuInventory& gpu : inventory.gpus) {
    v1::Gpu& added = *message.add_gpus();
    added.set_name(OneLine(gpu.name, 128));
    added.set_memory_bytes(gpu.memory_bytes);
  }
  message.set_llama_server_version(OneLine(inventory.llama_server_version, 64));
  return message;
}

}  // namespace rolemesh::agent
