#include "controlplane/fleet/fleet_codec.h"

#include <string>

#include "absl/time/time.h"
#include <google/protobuf/timestamp.pb.h>

namespace rolemesh::controlplane {

Instance FromProto(const v1::InstanceState& state) {
  Instance instance;
  instance.id = InstanceId(state.instance_id());
  instance.generation = state.generation();
  instance.phase = static_cast<InstancePhase>(state.phase());
  instance.reason = state.reason();
  instance.roles.assign(state.roles().begin(), state.roles().end());
  instance.slot_count = state.slot_count();
  instance.context_tokens = state.context_tokens();
  instance.model = state.model();
  const v1::Abilities& abilities = state.abilities();
  instance.abilities = {abilities.vision(), abilities.audio(), abilities.embeddings(),
                        abilities.tools(), abilities.reasoning()};
  instance.pid = state.pid();
  instance.restart_count = state.restart_count();
  return instance;
}

v1::InstanceState ToProto(const Instance& instance) {
  v1::InstanceState state;
  state.set_instance_id(instance.id.value());
  state.set_generation(instance.generation);
  state.set_phase(static_cast<v1::InstancePhase>(instance.phase));
  state.set_reason(instance.reason);
  for (const std::string& role : instance.roles) state.add_roles(role);
  state.set_slot_count(instance.slot_count);
  state.set_context_tokens(instance.context_tokens);
  state.set_model(instance.model);
  v1::Abilities* abilities = state.mutable_abilities();
  abilities->set_vision(instance.abilities.vision);
  abilities->set_audio(instance.abilities.audio);
  abilities->set_embeddings(instance.abilities.embeddings);
  abilities->set_tools(instance.abilities.tools);
  abilities->set_reasoning(instance.abilities.reasoning);
  state.set_pid(instance.pid);
  state.set_restart_count(instance.restart_count);
  return state;
}

Inventory FromProto(const v1::Inventory& inventory) {
  Inventory out;
  out.cpu_cores = inventory.cpu_cores();
  out.memory_bytes = inventory.memory_bytes();
  for (const v1::Gpu& gpu : inventory.gpus()) out.gpus.push_back({gpu.name(), gpu.memory_bytes()});
  out.llama_server_version = inventory.llama_server_version();
  return out;
}

v1::Inventory ToProto(const Inventory& inventory) {
  v1::Inventory out;
  out.set_cpu_cores(inventory.cpu_cores);
  out.set_memory_bytes(inventory.memory_bytes);
  for (const Gpu& gpu : inventory.gpus) {
    v1::Gpu* to = out.add_gpus();
    to->set_name(gpu.name);
    to->set_memory_bytes(gpu.memory_bytes);
  }
  out.set_llama_server_version(inventory.llama_server_version);
  return out;
}

Session FromRecord(const v1::SessionRecord& record) {
  Session session;
  session.node = NodeId(record.node_id());
  session.epoch = record.epoch();
  session.phase = static_cast<SessionPhase>(record.phase());
  session.replica = record.replica();
  session.peer_address = record.peer_address();
  session.front_port = static_cast<uint16_t>(record.front_port());
  session.agent_version = record.agent_version();
  session.boot_id = record.boot_id();
  session.inventory = FromProto(record.inventory());
  session.connected_at = absl::FromUnixSeconds(record.connected_at().seconds()) +
                         absl::Nanoseconds(record.connected_at().nanos());
  session.draining = record.draining();
  return session;
}

v1::SessionRecord ToRecord(const Session& session) {
  v1::SessionRecord record;
  record.set_node_id(session.node.value());
  record.set_epoch(session.epoch);
  record.set_phase(static_cast<v1::SessionPhase>(session.phase));
  record.set_replica(session.replica);
  record.set_peer_address(session.peer_address);
  record.set_front_port(session.front_port);
  record.set_agent_version(session.agent_version);
  record.set_boot_id(session.boot_id);
  *record.mutable_inventory() = ToProto(session.inventory);
  const int64_t seconds = absl::ToUnixSeconds(session.connected_at);
  record.mutable_connected_at()->set_seconds(seconds);
  record.mutable_connected_at()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(session.connected_at - absl::FromUnixSeconds(seconds))));
  record.set_draining(session.draining);
  return record;
}

v1::InstanceRecord ToRecord(const NodeId& node, uint64_t epoch, const Instance& instance) {
  v1::InstanceRecord record;
  record.set_node_id(node.value());
  record.set_epoch(epoch);
  *record.mutable_state() = ToProto(instance);
  return record;
}

}  // namespace rolemesh::controlplane
