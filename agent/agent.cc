#include "agent/agent.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent/front/front.h"
#include "agent/front/front_trust.h"
#include "agent/link/agent_link.h"
#include "agent/link/grpc_agent_stream.h"
#include "agent/llama/server_command.h"
#include "agent/llama/server_prober.h"
#include "agent/process/posix_process_launcher.h"
#include "agent/process/process_log.h"
#include "agent/resources/inventory.h"
#include "agent/supervision/instance_directory.h"
#include "agent/supervision/supervisor.h"
#include "base/async/serial_loop.h"
#include "base/http/admin_server.h"
#include "base/log/logger.h"
#include "base/metrics/registry.h"
#include "base/status/annotate.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"
#include "base/tls/private_key.h"
#include "base/tls/tls_context.h"
#include "proto/client/enrollment.h"
#include "proto/client/identity_files.h"
#include "proto/contract/join_token.h"

namespace rolemesh::agent {
namespace {

std::vector<std::string> Environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  return environment;
}

absl::Status MakeStateDir(const AgentConfig& config) {
  std::error_code error;
  std::filesystem::create_directories(config.InstancesDir(), error);
  if (error) {
    return base::Annotate(base::ErrnoStatus(error.value(), config.state_dir),
                          config.where_state_dir);
  }
  chmod(config.state_dir.c_str(), 0700);
  if (access(config.state_dir.c_str(), R_OK | W_OK | X_OK) != 0) {
    return base::Annotate(base::ErrnoStatus(errno, config.state_dir), config.where_state_dir);
  }
  return absl::OkStatus();
}

// Held as long as the agent lives: two agents would stop each other's servers.
absl::StatusOr<int> LockStateDir(const AgentConfig& config) {
  const std::string path = absl::StrCat(config.state_dir, "/lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return base::Annotate(base::ErrnoStatus(errno, path), config.where_state_dir);
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(absl::StrCat(config.where_state_dir,
                                                      ": another agent runs on ", config.state_dir,
                                                      "; stop it, or set another state_dir"));
  }
  return fd;
}

absl::Status CheckPort(const base::SocketAddress& address, absl::string_view where) {
  sockaddr_storage storage = {};
  const socklen_t length = address.ToNative(&storage);
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return base::ErrnoStatus(errno, where);
  }
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool bound =
      bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0 && listen(fd, 1) == 0;
  const int error = errno;
  close(fd);
  return bound ? absl::OkStatus()
               : base::Annotate(
                     base::ErrnoStatus(error, absl::StrCat("listen ", address.ToString())), where);
}

absl::StatusOr<base::TlsContext> MakeFrontContext(const client::MeshIdentity& identity) {
  RM_ASSIGN_OR_RETURN(const base::PrivateKey key,
                      base::PrivateKey::FromPem(identity.key_pem.reveal()));
  return base::TlsContext::MakeServer({.certificate_chain_pem = identity.certificate_chain_pem,
                                       .client_ca_pem = identity.roots_pem},
                                      key);
}

absl::StatusOr<contract::JoinToken> FindToken(const std::string& token_file) {
  if (!token_file.empty()) {
    return client::ReadJoinToken(token_file);
  }
  const char* const text = std::getenv("ROLEMESH_TOKEN");
  if (text == nullptr) {
    return absl::InvalidArgumentError(
        "no token; give --token-file FILE, or set ROLEMESH_TOKEN (meshctl token create --kind "
        "node)");
  }
  return contract::ParseJoinToken(text);
}

absl::StatusOr<client::MeshIdentity> LoadOrJoin(const AgentConfig& config,
                                                const base::Clock& clock) {
  absl::StatusOr<client::MeshIdentity> identity = client::LoadIdentity(config.IdentityDir());
  if (identity.ok() || !absl::IsNotFound(identity.status())) {
    return identity;
  }
  if (config.join_token_file.empty() && std::getenv("ROLEMESH_TOKEN") == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        config.IdentityDir(),
        ": this node has not joined a mesh; run rolemesh-agent join with a token, or set "
        "join_token_file"));
  }
  RM_RETURN_IF_ERROR(Agent::Join(config, config.join_token_file, "", clock));
  return client::LoadIdentity(config.IdentityDir());
}

}  // namespace

// In order of construction; everything is stopped in ~Agent() before any of it is destroyed.
struct Agent::State {
  State(AgentConfig config_in, const base::Clock& clock_in, const client::MeshIdentity& identity)
      : config(std::move(config_in)), clock(clock_in), trust(identity.id.mesh) {}
  ~State() {
    if (lock_fd >= 0) {
      close(lock_fd);
    }
  }

  const AgentConfig config;
  const base::Clock& clock;
  int lock_fd = -1;
  base::MetricRegistry metrics;
  InstanceDirectory directory;
  FrontTrust trust;
  // The loops outlive what posts to them.
  std::unique_ptr<base::SerialLoop> supervision_loop;
  std::unique_ptr<base::SerialLoop> link_loop;
  PosixProcessLauncher launcher;
  HttpServerProber prober;
  GrpcAgentStreamDialer dialer;
  absl::BitGen random;  // of the link's loop
  std::unique_ptr<Supervisor> supervisor;
  std::unique_ptr<AgentLink> link;
  std::unique_ptr<Front> front;
  std::unique_ptr<base::AdminServer> admin;
  std::atomic<bool> cut{false};
};

Agent::Agent(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::Status Agent::Check(const AgentConfig& config) {
  RM_RETURN_IF_ERROR(MakeStateDir(config));
  if (access(config.llama_server.c_str(), X_OK) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(config.where_llama_server, ": ",
                                                   config.llama_server,
                                                   ": is not a program that we may run; install "
                                                   "llama.cpp's server or set its path"));
  }
  if (!std::filesystem::is_directory(config.models_dir)) {
    return absl::InvalidArgumentError(absl::StrCat(config.where_models_dir, ": ", config.models_dir,
                                                   ": is not a folder; make it or set another"));
  }
  for (const InstanceConfig& instance : config.instances) {
    RM_RETURN_IF_ERROR(base::Annotate(ResolveModel(config.models_dir, instance.model).status(),
                                      instance.where_model));
    RM_RETURN_IF_ERROR(
        base::Annotate(CheckExtraArguments(instance.extra_arguments, config.models_dir).status(),
                       instance.where_extra_arguments));
  }
  const absl::Status identity = client::LoadIdentity(config.IdentityDir()).status();
  if (absl::IsNotFound(identity)) {
    if (!config.join_token_file.empty()) {
      RM_RETURN_IF_ERROR(base::Annotate(client::ReadJoinToken(config.join_token_file).status(),
                                        config.where_join_token_file));
    }
  } else {
    RM_RETURN_IF_ERROR(base::Annotate(identity, config.where_state_dir));
  }
  RM_RETURN_IF_ERROR(CheckPort(config.front_listen, config.where_front_listen));
  if (config.admin_listen.has_value()) {
    RM_RETURN_IF_ERROR(CheckPort(*config.admin_listen, config.where_admin_listen));
  }
  return absl::OkStatus();
}

absl::Status Agent::Join(const AgentConfig& config, const std::string& token_file,
                         const std::string& name, const base::Clock& clock) {
  RM_RETURN_IF_ERROR(MakeStateDir(config));
  const absl::StatusOr<client::MeshIdentity> present = client::LoadIdentity(config.IdentityDir());
  if (present.ok()) {
    if (present->not_after > clock.WallNow()) {
      return absl::AlreadyExistsError(absl::StrCat(config.IdentityDir(), ": this node is ",
                                                   present->id.ToUri(),
                                                   " already; remove the folder to join anew"));
    }
  } else if (!absl::IsNotFound(present.status())) {
    return present.status();
  }
  RM_ASSIGN_OR_RETURN(const contract::JoinToken token, FindToken(token_file));
  RM_ASSIGN_OR_RETURN(const client::MeshIdentity identity,
                      client::Join({.control_planes = config.control_planes,
                                    .token = token,
                                    .kind = contract::IdentityKind::kNode,
                                    .name = name},
                                   clock));
  return client::SaveIdentity(config.IdentityDir(), identity);
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Build(const AgentConfig& config,
                                                    const base::Clock& clock) {
  RM_RETURN_IF_ERROR(MakeStateDir(config));
  RM_ASSIGN_OR_RETURN(const int lock_fd, LockStateDir(config));
  absl::StatusOr<client::MeshIdentity> identity = LoadOrJoin(config, clock);
  if (!identity.ok()) {
    close(lock_fd);
    return identity.status();
  }
  auto state = std::make_unique<State>(config, clock, *identity);
  state->lock_fd = lock_fd;
  State& agent = *state;
  RM_ASSIGN_OR_RETURN(base::TlsContext context, MakeFrontContext(*identity));
  agent.trust.SetContext(std::move(context));
  RM_ASSIGN_OR_RETURN(std::string boot_id, ReadBootId());

  FrontOptions front_options;
  front_options.listen = config.front_listen;
  absl::StatusOr<std::unique_ptr<Front>> front =
      Front::Build(front_options, agent.directory, agent.trust, clock, agent.metrics);
  RM_RETURN_IF_ERROR(base::Annotate(front.status(), config.where_front_listen));
  agent.front = *std::move(front);

  agent.supervision_loop =
      std::make_unique<base::SerialLoop>(clock, base::SerialLoopOptions{.name = "supervision"});
  SupervisorOptions supervisor_options;
  supervisor_options.instances_dir = config.InstancesDir();
  supervisor_options.llama_server = config.llama_server;
  supervisor_options.models_dir = config.models_dir;
  supervisor_options.environment = Environment();
  supervisor_options.timing.drain_cap = config.drain_cap;
  agent.supervisor = std::make_unique<Supervisor>(std::move(supervisor_options), config.instances,
                                                  *agent.supervision_loop, clock, agent.launcher,
                                                  agent.prober, agent.directory, agent.metrics);

  agent.link_loop =
      std::make_unique<base::SerialLoop>(clock, base::SerialLoopOptions{.name = "link"});
  AgentLinkOptions link_options;
  link_options.control_planes = config.control_planes;
  link_options.front_port = agent.front->address().port();
  link_options.boot_id = std::move(boot_id);
  link_options.identity_dir = config.IdentityDir();
  link_options.inventory = ReadInventory(config.llama_server);
  AgentLinkHooks hooks;
  hooks.statuses = [&agent] { return agent.supervisor->statuses(); };
  hooks.log_tail = [&agent](absl::string_view id, int lines,
                            size_t max_bytes) -> absl::StatusOr<std::string> {
    RM_ASSIGN_OR_RETURN(std::string path, agent.supervisor->log_path(id));
    return ProcessLog(std::move(path)).Tail(lines, max_bytes);
  };
  hooks.set_draining = [&agent](bool draining) { agent.supervisor->SetDraining(draining); };
  hooks.on_identity = [&agent](const client::MeshIdentity& renewed) {
    absl::StatusOr<base::TlsContext> renewed_context = MakeFrontContext(renewed);
    if (!renewed_context.ok()) {
      base::LogError("agent", "the front cannot use the renewed certificate",
                     {{"error", renewed_context.status()}});
      return;
    }
    agent.trust.SetContext(*std::move(renewed_context));
  };
  hooks.on_revoked = [&agent](std::vector<std::string> serials,
                              std::vector<std::string> identities) {
    RevokedCertificates revoked;
    revoked.serials.insert(serials.begin(), serials.end());
    revoked.identities.insert(identities.begin(), identities.end());
    agent.trust.SetRevoked(std::move(revoked));
  };
  hooks.random = [&agent] { return absl::Uniform(agent.random, 0.0, 1.0); };
  agent.link = std::make_unique<AgentLink>(std::move(link_options), *std::move(identity),
                                           std::move(hooks), *agent.link_loop, clock, agent.dialer,
                                           agent.directory, agent.metrics);
  agent.supervisor->SetListener([&agent](const InstanceStatus& status, bool removed) {
    agent.link->OnInstanceChanged(status, removed);
  });

  std::unique_ptr<Agent> result(new Agent(std::move(state)));  // from here ~Agent() stops it
  if (config.admin_listen.has_value()) {
    agent.admin = std::make_unique<base::AdminServer>(
        base::AdminServerOptions{.listen = *config.admin_listen});
    agent.admin->SetReadiness([&agent] {
      return agent.link->connected() ? absl::OkStatus()
                                     : absl::UnavailableError("no control plane has welcomed us");
    });
    agent.admin->SetMetrics([&agent] { return agent.metrics.Render(); });
    RM_RETURN_IF_ERROR(base::Annotate(agent.admin->Start(), config.where_admin_listen));
  }
  agent.front->Start();
  agent.supervisor->Start();
  agent.link->Start();
  base::LogInfo(
      "agent", "running",
      {{"front", agent.front->address().ToString()}, {"instances", config.instances.size()}});
  return result;
}

Agent::~Agent() {
  State& agent = *state_;
  if (agent.admin != nullptr) {
    agent.admin->Stop();
  }
  agent.front->Stop();
  agent.link_loop->Stop();
  agent.supervision_loop->Stop();
}

void Agent::Drain() {
  State& agent = *state_;
  std::promise<void> left;
  agent.link->Leave("stopping", [&left] { left.set_value(); });
  left.get_future().wait();
  if (!agent.cut.load()) {
    agent.supervisor->SetDraining(true);
    agent.front->Drain(agent.config.drain_cap);
  }
  std::promise<void> stopped;
  agent.supervisor->Stop([&stopped] { stopped.set_value(); });
  if (agent.cut.load()) {
    agent.supervisor->Kill();
  }
  stopped.get_future().wait();
}

void Agent::Cut() {
  State& agent = *state_;
  agent.cut.store(true);
  agent.front->Stop();
  agent.supervisor->Kill();
}

const base::SocketAddress& Agent::front_address() const {
  return state_->front->address();
}

}  // namespace rolemesh::agent
