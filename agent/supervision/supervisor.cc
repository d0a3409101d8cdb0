#include "agent/supervision/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <sys/stat.h>

#include "agent/llama/server_command.h"
#include "agent/process/process_log.h"
#include "agent/supervision/process_record.h"
#include "base/ids/random_id.h"
#include "base/log/logger.h"
#include "base/net/socket_address.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"
#include "base/tls/secret.h"
#include "base/tls/secret_file.h"

namespace rolemesh::agent {
namespace {

constexpr absl::Duration kLogRotationInterval = absl::Seconds(60);
constexpr int kTailLines = 40;
constexpr size_t kTailBytes = 16 << 10;
constexpr size_t kMaxReasonBytes = 512;

base::SocketAddress LoopbackPort(uint16_t port) {
  return {base::IpAddress::FromV4({127, 0, 0, 1}), port};
}

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || chmod(path.c_str(), 0700) != 0) {
    return base::ErrnoStatus(error ? error.value() : errno, path);
  }
  return absl::OkStatus();
}

}  // namespace

struct Supervisor::Instance {
  Instance(std::string id_in, std::string folder_in, const InstanceTiming& timing)
      : id(std::move(id_in)),
        folder(std::move(folder_in)),
        log(absl::StrCat(folder, "/log")),
        machine(timing) {}

  std::string KeyPath() const { return absl::StrCat(folder, "/key"); }
  std::string RecordPath() const { return absl::StrCat(folder, "/process.json"); }

  const std::string id;
  const std::string folder;
  ProcessLog log;
  bool configured = false;  // false: a leftover that is to go
  InstanceConfig config;
  InstanceMachine machine;

  // Of the newest process.
  uint64_t generation = 0;
  std::vector<std::string> command;  // with port 0
  uint16_t port = 0;
  base::Secret key;
  std::unique_ptr<Process> process;
  std::shared_ptr<RunningRequests> running = std::make_shared<RunningRequests>();
  ServerProperties properties;  // empty until proven

  base::TimerId timer = base::kNoTimer;
  uint64_t timer_number = 0;
  InstanceStatus told;  // what the listener heard last
};

Supervisor::Supervisor(SupervisorOptions options, std::vector<InstanceConfig> instances,
                       base::Executor& executor, const base::Clock& clock,
                       ProcessLauncher& launcher, ServerProber& prober,
                       InstanceDirectory& directory, base::MetricRegistry& metrics)
    : options_(std::move(options)),
      executor_(executor),
      owner_(executor.owner()),
      clock_(clock),
      launcher_(launcher),
      prober_(prober),
      directory_(directory),
      metrics_(metrics) {
  for (InstanceConfig& config : instances) {
    auto instance = std::make_unique<Instance>(
        config.name, absl::StrCat(options_.instances_dir, "/", config.name), options_.timing);
    instance->configured = true;
    instance->config = std::move(config);
    InstanceStatus& status = instance->told;
    status.id = instance->id;
    status.roles = instance->config.roles;
    status.model = std::filesystem::path(instance->config.model).filename().string();
    {
      const absl::MutexLock lock(&mutex_);
      statuses_[status.id] = status;
    }
    instances_.emplace(instance->id, std::move(instance));
  }
  const auto count = [this](const std::function<bool(const InstanceStatus&)>& matches) {
    const absl::MutexLock lock(&mutex_);
    return static_cast<double>(
        std::count_if(statuses_.begin(), statuses_.end(),
                      [&](const auto& entry) { return matches(entry.second); }));
  };
  for (const InstancePhase phase :
       {InstancePhase::kStopped, InstancePhase::kStarting, InstancePhase::kReady,
        InstancePhase::kDraining, InstancePhase::kBackoff, InstancePhase::kCrashLoop,
        InstancePhase::kUnfit}) {
    metrics_.AddCallbackGauge(
        "rolemesh_agent_instances", "Instances by phase.",
        {{"phase", std::string(InstancePhaseName(phase))}}, [count, phase] {
          return count([phase](const InstanceStatus& status) { return status.phase == phase; });
        });
  }
  metrics_.AddCallbackGauge(
      "rolemesh_agent_running_requests", "Requests that run on this node's instances.", {},
      [this] { return static_cast<double>(directory_.snapshot()->RunningTotal()); });
  metrics_.AddCallbackCounter("rolemesh_agent_restarts_total",
                              "Starts of instances after an exit that nobody asked for.", {},
                              [this] {
                                const absl::MutexLock lock(&mutex_);
                                double total = 0;
                                for (const auto& [id, status] : statuses_) {
                                  total += status.restart_count;
                                }
                                return total;
                              });
}

Supervisor::~Supervisor() {
  for (const char* name : {"rolemesh_agent_instances", "rolemesh_agent_running_requests",
                           "rolemesh_agent_restarts_total"}) {
    metrics_.RemoveCallbacks(name);
  }
}

void Supervisor::Start() {
  executor_.Post([this] { StartNow(); });
}

void Supervisor::StartNow() {
  owner_.AssertCurrent();
  // Leftovers first: they hold memory that the configured ones may need.
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.instances_dir, error)) {
    const std::string name = entry.path().filename().string();
    if (!instances_.contains(name) &&
        std::filesystem::exists(entry.path() / "process.json", error)) {
      instances_.emplace(name,
                         std::make_unique<Instance>(name, entry.path().string(), options_.timing));
    }
  }
  std::vector<Instance*> all;
  for (const bool configured : {false, true}) {
    for (const auto& [id, instance] : instances_) {
      if (instance->configured == configured) {
        all.push_back(instance.get());
      }
    }
  }
  for (Instance* const instance : all) {
    AdoptOrForget(*instance);
    Settle(*instance);
  }
  executor_.PostAfter(kLogRotationInterval, [this] { RotateLogs(); });
}

void Supervisor::AdoptOrForget(Instance& instance) {
  const auto now = clock_.SteadyNow();
  absl::StatusOr<std::string> text = base::ReadSmallFile(instance.RecordPath());
  absl::StatusOr<ProcessRecord> record =
      text.ok() ? ParseProcessRecord(*text) : absl::StatusOr<ProcessRecord>(text.status());
  if (!record.ok() && !absl::IsNotFound(record.status())) {
    base::LogWarn("supervision", "ignoring a process record",
                  {{"instance", instance.id}, {"error", record.status()}});
  }
  absl::StatusOr<std::unique_ptr<Process>> process = absl::NotFoundError("no process");
  if (record.ok()) {
    instance.generation = record->generation;
    if (record->identity.pid != 0) {
      process = launcher_.Adopt(
          record->identity,
          [this, id = instance.id, generation = instance.generation](ExitStatus status) {
            executor_.Post([this, id, generation, status] { OnExited(id, generation, status); });
          });
    }
  }
  InstanceActions actions;
  if (!process.ok()) {
    if (instance.configured) {
      actions = instance.machine.Start(now);
    }
    Execute(instance, actions);
    return;
  }
  instance.process = *std::move(process);
  instance.port = record->port;
  instance.command = record->command;
  bool fits = false;
  if (instance.configured) {
    std::vector<std::string> command;
    absl::StatusOr<base::Secret> key = base::ReadSecretFile(instance.KeyPath());
    fits = Command(instance, 0, &command).ok() && command == record->command && key.ok();
    if (fits) {
      instance.key = base::Secret(std::string(absl::StripAsciiWhitespace(key->reveal())));
    }
    // Not Start(): the process is there. It is wanted all the same.
    instance.machine.Want();
  }
  base::LogInfo("supervision", fits ? "adopted a running server" : "stopping a leftover server",
                {{"instance", instance.id},
                 {"pid", instance.process->identity().pid},
                 {"generation", instance.generation}});
  Execute(instance, instance.machine.OnAdopted(now, fits));
}

void Supervisor::SetDraining(bool draining) {
  executor_.Post([this, draining] {
    owner_.AssertCurrent();
    draining_ = draining;
    for (const auto& [id, instance] : instances_) {
      instance->machine.SetDraining(draining);
    }
    Publish();
    for (const auto& [id, instance] : instances_) {
      Settle(*instance);
    }
  });
}

void Supervisor::Stop(std::function<void()> stopped) {
  executor_.Post([this, stopped = std::move(stopped)]() mutable {
    owner_.AssertCurrent();
    stopped_ = std::move(stopped);
    std::vector<Instance*> all;
    for (const auto& [id, instance] : instances_) {
      all.push_back(instance.get());
    }
    for (Instance* const instance : all) {
      Execute(*instance, instance->machine.Stop(clock_.SteadyNow(), instance->running->count()));
    }
    for (Instance* const instance : all) {
      Settle(*instance);
    }
    CheckStopped();
  });
}

void Supervisor::Kill() {
  executor_.Post([this] {
    owner_.AssertCurrent();
    for (const auto& [id, instance] : instances_) {
      Execute(*instance, instance->machine.Kill(clock_.SteadyNow()));
    }
    CheckStopped();
  });
}

std::vector<InstanceStatus> Supervisor::statuses() const {
  const absl::MutexLock lock(&mutex_);
  std::vector<InstanceStatus> statuses;
  for (const auto& [id, status] : statuses_) {
    statuses.push_back(status);
  }
  return statuses;
}

absl::StatusOr<std::string> Supervisor::log_path(absl::string_view id) const {
  const absl::MutexLock lock(&mutex_);
  if (!statuses_.contains(id)) {
    return absl::NotFoundError(absl::StrCat(id, ": no such instance on this node"));
  }
  return absl::StrCat(options_.instances_dir, "/", id, "/log");
}

void Supervisor::Execute(Instance& instance, const InstanceActions& actions) {
  for (const InstanceAction& action : actions) {
    switch (action.kind) {
      case InstanceAction::kSpawn:
        Spawn(instance);
        break;
      case InstanceAction::kProbe:
        Probe(instance);
        break;
      case InstanceAction::kTerminate:
      case InstanceAction::kKill: {
        // What still runs on it will not end well: its clients hear it now.
        Publish();
        directory_.NotifyDeath(instance.id, instance.generation);
        if (instance.process != nullptr) {
          const absl::Status status = action.kind == InstanceAction::kKill
                                          ? instance.process->SignalGroup(SIGKILL)
                                          : instance.process->Signal(SIGTERM);
          if (!status.ok() && !absl::IsNotFound(status)) {
            base::LogError("supervision", "cannot signal a server",
                           {{"instance", instance.id}, {"error", status}});
          }
        }
        break;
      }
      case InstanceAction::kSetTimer:
        executor_.Cancel(instance.timer);
        instance.timer = executor_.PostAfter(
            action.delay,
            [this, id = instance.id, number = ++instance.timer_number] { OnTimer(id, number); });
        break;
    }
  }
}

absl::Status Supervisor::Command(const Instance& instance, uint16_t port,
                                 std::vector<std::string>* command) const {
  const InstanceConfig& config = instance.config;
  ServerSettings settings;
  RM_ASSIGN_OR_RETURN(settings.model_path, ResolveModel(options_.models_dir, config.model));
  RM_ASSIGN_OR_RETURN(settings.extra_arguments,
                      CheckExtraArguments(config.extra_arguments, options_.models_dir));
  settings.alias = config.roles.empty() ? config.name : config.roles.front();
  settings.slot_count = config.slot_count;
  settings.context_per_slot = config.context_per_slot;
  settings.batch_tokens = config.batch_tokens;
  settings.threads = config.threads;
  settings.host_cache_mib = config.host_cache_mib;
  settings.embeddings = config.embeddings;
  *command = BuildServerArguments(settings, port, instance.KeyPath());
  command->insert(command->begin(), options_.llama_server);
  return absl::OkStatus();
}

void Supervisor::Spawn(Instance& instance) {
  const absl::Status status = TrySpawn(instance);
  const auto now = clock_.SteadyNow();
  if (!status.ok()) {
    base::LogError("supervision", "cannot start a server",
                   {{"instance", instance.id}, {"error", status}});
    Execute(instance, instance.machine.OnSpawnFailed(now, status.message()));
    return;
  }
  base::LogInfo("supervision", "started a server",
                {{"instance", instance.id},
                 {"pid", instance.process->identity().pid},
                 {"port", instance.port},
                 {"generation", instance.generation}});
  Execute(instance, instance.machine.OnSpawned(now));
}

absl::Status Supervisor::TrySpawn(Instance& instance) {
  RM_RETURN_IF_ERROR(Command(instance, 0, &instance.command));
  RM_ASSIGN_OR_RETURN(instance.port, FindFreePort());
  std::vector<std::string> command;
  RM_RETURN_IF_ERROR(Command(instance, instance.port, &command));
  RM_RETURN_IF_ERROR(MakeFolder(instance.folder));
  // A new key for each start: whoever took the old port learns nothing of use.
  instance.key = base::Secret(base::RandomBase32(256));
  RM_RETURN_IF_ERROR(base::WriteFileAtomically(instance.KeyPath(),
                                               absl::StrCat(instance.key.reveal(), "\n"), 0600));
  RM_RETURN_IF_ERROR(instance.log.Rotate());

  ++instance.generation;
  instance.running = std::make_shared<RunningRequests>();
  instance.properties = {};
  ProcessSpec spec;
  spec.executable = command.front();
  spec.arguments.assign(command.begin() + 1, command.end());
  spec.environment = BuildServerEnvironment(options_.environment);
  spec.log_path = instance.log.path();
  // The generation is on disk before it is used, so that it never comes twice.
  RM_RETURN_IF_ERROR(WriteRecord(instance, /*alive=*/false));
  RM_ASSIGN_OR_RETURN(
      instance.process,
      launcher_.Launch(
          spec, [this, id = instance.id, generation = instance.generation](ExitStatus status) {
            executor_.Post([this, id, generation, status] { OnExited(id, generation, status); });
          }));
  const absl::Status recorded = WriteRecord(instance, /*alive=*/true);
  if (!recorded.ok()) {
    // A server that the next agent would not find must not run.
    [[maybe_unused]] const absl::Status killed = instance.process->SignalGroup(SIGKILL);
    instance.process.reset();
    return recorded;
  }
  return absl::OkStatus();
}

absl::Status Supervisor::WriteRecord(const Instance& instance, bool alive) {
  ProcessRecord record;
  record.generation = instance.generation;
  if (alive) {
    record.identity = instance.process->identity();
    record.port = instance.port;
    record.command = instance.command;
  }
  return base::WriteFileAtomically(instance.RecordPath(), FormatProcessRecord(record), 0600);
}

void Supervisor::Probe(Instance& instance) {
  prober_.Probe({.address = LoopbackPort(instance.port),
                 .key = instance.key,
                 .try_embeddings = instance.config.embeddings},
                [this, id = instance.id,
                 generation = instance.generation](absl::StatusOr<ServerProperties> properties) {
                  executor_.Post([this, id, generation, properties = std::move(properties)] {
                    OnProbed(id, generation, properties);
                  });
                });
}

void Supervisor::OnProbed(const std::string& id, uint64_t generation,
                          absl::StatusOr<ServerProperties> properties) {
  owner_.AssertCurrent();
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second->generation != generation) {
    return;
  }
  Instance& instance = *found->second;
  absl::Status verdict = properties.status();
  if (properties.ok()) {
    instance.properties = *properties;
    verdict = JudgeServer(*properties, {.slot_count = instance.config.slot_count,
                                        .min_context = instance.config.min_context,
                                        .embeddings = instance.config.embeddings});
  } else if (absl::IsFailedPrecondition(verdict) || absl::IsDeadlineExceeded(verdict)) {
    // An answer that is no llama-server's, not a verdict on its abilities.
    verdict = absl::InternalError(verdict.message());
  }
  Execute(instance, instance.machine.OnProbed(clock_.SteadyNow(), verdict));
  Settle(instance);
}

void Supervisor::OnExited(const std::string& id, uint64_t generation, ExitStatus status) {
  owner_.AssertCurrent();
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second->generation != generation ||
      found->second->process == nullptr) {
    return;
  }
  Instance& instance = *found->second;
  const int pid = instance.process->identity().pid;
  instance.process.reset();
  instance.port = 0;
  instance.properties = {};
  // First of all: nothing more is sent to it.
  Publish();
  directory_.NotifyDeath(id, generation);

  const absl::StatusOr<std::string> tail = instance.log.Tail(kTailLines, kTailBytes);
  const absl::string_view words = tail.ok() ? absl::string_view(*tail) : absl::string_view();
  std::string reason = status.ToString();
  if (const std::string why = FindExitReason(words); !why.empty()) {
    absl::StrAppend(&reason, ": ", why);
  }
  const bool asked = instance.machine.phase() == InstancePhase::kDraining;
  base::Log(asked ? base::LogLevel::kInfo : base::LogLevel::kWarn, "supervision", "a server ended",
            {{"instance", id}, {"pid", pid}, {"generation", generation}, {"reason", reason}});
  if (const absl::Status written = WriteRecord(instance, /*alive=*/false); !written.ok()) {
    base::LogError("supervision", "cannot write a process record", {{"error", written}});
  }
  Execute(instance, instance.machine.OnExited(clock_.SteadyNow(), reason, IsPortTaken(words)));
  Settle(instance);
}

void Supervisor::OnTimer(const std::string& id, uint64_t timer_number) {
  owner_.AssertCurrent();
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second->timer_number != timer_number) {
    return;
  }
  Instance& instance = *found->second;
  instance.timer = base::kNoTimer;
  Execute(instance, instance.machine.OnTimer(clock_.SteadyNow(), instance.running->count()));
  Settle(instance);
}

void Supervisor::RotateLogs() {
  owner_.AssertCurrent();
  for (const auto& [id, instance] : instances_) {
    if (const absl::Status status = instance->log.RotateIfLarge(); !status.ok()) {
      base::LogWarn("supervision", "cannot rotate a log", {{"instance", id}, {"error", status}});
    }
  }
  executor_.PostAfter(kLogRotationInterval, [this] { RotateLogs(); });
}

void Supervisor::Settle(Instance& instance) {
  Publish();
  InstanceStatus status = instance.told;
  status.id = instance.id;
  status.generation = instance.generation;
  status.phase = instance.machine.phase();
  status.reason = instance.machine.reason().substr(0, kMaxReasonBytes);
  status.slot_count = instance.properties.slot_count;
  status.context_tokens = instance.properties.context_per_slot;
  status.abilities = instance.properties.abilities;
  status.pid = instance.process == nullptr ? 0 : instance.process->identity().pid;
  status.restart_count = instance.machine.restart_count();

  const bool removed = !instance.configured && status.phase == InstancePhase::kStopped;
  if (removed) {
    unlink(instance.RecordPath().c_str());
    unlink(instance.KeyPath().c_str());
    executor_.Cancel(instance.timer);
    {
      const absl::MutexLock lock(&mutex_);
      statuses_.erase(status.id);
    }
    instances_.erase(status.id);  // `instance` is gone
  } else if (status == instance.told) {
    return;
  } else {
    if (status.phase != instance.told.phase) {
      base::LogInfo("supervision", "instance changed",
                    {{"instance", status.id},
                     {"phase", InstancePhaseName(status.phase)},
                     {"reason", status.reason}});
    }
    instance.told = status;
    const absl::MutexLock lock(&mutex_);
    statuses_[status.id] = status;
  }
  if (listener_) {
    listener_(status, removed);
  }
  CheckStopped();
}

void Supervisor::Publish() {
  std::vector<std::shared_ptr<const InstanceEntry>> entries;
  for (const auto& [id, instance] : instances_) {
    if (instance->process == nullptr || !instance->configured) {
      continue;
    }
    auto entry = std::make_shared<InstanceEntry>();
    entry->id = id;
    entry->generation = instance->generation;
    entry->address = LoopbackPort(instance->port);
    entry->key = instance->key;
    entry->ready = instance->machine.proven();
    entry->draining = instance->machine.draining();
    entry->roles = instance->config.roles;
    entry->slot_count = entry->ready ? instance->properties.slot_count : 0;
    entry->running = instance->running;
    entries.push_back(std::move(entry));
  }
  directory_.Publish(InstanceSnapshot(std::move(entries)));
}

void Supervisor::CheckStopped() {
  if (!stopped_) {
    return;
  }
  for (const auto& [id, instance] : instances_) {
    if (instance->machine.phase() != InstancePhase::kStopped) {
      return;
    }
  }
  const std::function<void()> stopped = std::exchange(stopped_, nullptr);
  stopped();
}

}  // namespace rolemesh::agent
