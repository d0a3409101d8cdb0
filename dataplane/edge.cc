#include "dataplane/edge.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <future>
#include <string>
#include <unistd.h>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include <sys/file.h>
#include <sys/stat.h>

#include "base/async/serial_loop.h"
#include "base/http/admin_server.h"
#include "base/log/logger.h"
#include "base/metrics/registry.h"
#include "base/net/listener.h"
#include "base/status/annotate.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"
#include "base/tls/private_key.h"
#include "base/tls/tls_context.h"
#include "dataplane/admission/api_key_check.h"
#include "dataplane/forwarding/edge_server.h"
#include "dataplane/routing/grpc_route_stream.h"
#include "dataplane/routing/route_link.h"
#include "dataplane/routing/table_file.h"
#include "proto/client/enrollment.h"
#include "proto/client/membership.h"

namespace rolemesh::dataplane {
namespace {

constexpr absl::Duration kSaveInterval = absl::Seconds(1);

client::MembershipOptions MembershipOf(const EdgeConfig& config) {
  return {.program = "rolemesh-edge",
          .identity_dir = config.IdentityDir(),
          .control_planes = config.control_planes,
          .kind = contract::IdentityKind::kEdge,
          .token_file = config.join_token_file,
          .name = ""};
}

absl::Status MakeStateDir(const EdgeConfig& config) {
  const std::string& path = config.state_dir;
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), slash == std::string::npos ? 0700 : 0755) != 0 && errno != EEXIST) {
      return base::Annotate(base::ErrnoStatus(errno, folder), config.where_state_dir);
    }
    if (slash == std::string::npos) break;
  }
  if (access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return base::Annotate(base::ErrnoStatus(errno, path), config.where_state_dir);
  }
  return absl::OkStatus();
}

// Held as long as the edge lives: two edges would take turns as one member.
absl::StatusOr<int> LockStateDir(const EdgeConfig& config) {
  const std::string path = absl::StrCat(config.state_dir, "/lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return base::Annotate(base::ErrnoStatus(errno, path), config.where_state_dir);
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(absl::StrCat(config.where_state_dir,
                                                      ": another edge runs on ", config.state_dir,
                                                      "; stop it, or set another state_dir"));
  }
  return fd;
}

absl::Status NoKeys(const EdgeConfig& config) {
  return absl::FailedPreconditionError(absl::StrCat(
      config.where_listen, ": ", config.listen.ToString(),
      " is not loopback, and the mesh has no API key; make one with meshctl key create, or listen "
      "on 127.0.0.1"));
}

absl::StatusOr<base::TlsContext> MakeHopContext(const client::MeshIdentity& identity) {
  RM_ASSIGN_OR_RETURN(const base::PrivateKey key,
                      base::PrivateKey::FromPem(identity.key_pem.reveal()));
  return base::TlsContext::MakeClient(
      {.ca_pem = identity.roots_pem, .certificate_chain_pem = identity.certificate_chain_pem},
      &key);
}

EdgeOptions OptionsOf(const EdgeConfig& config) {
  EdgeOptions options;
  options.listen = config.listen;
  options.thread_count = config.thread_count;
  options.max_connections = config.limits.connections;
  ClientLimits& limits = options.limits;
  limits.head.field_block_bytes = config.limits.header_bytes;
  limits.head.field_count = config.limits.header_count;
  limits.body_bytes = config.limits.body_bytes;
  limits.header_timeout = config.limits.header_timeout;
  limits.idle_timeout = config.limits.idle_timeout;
  limits.write_timeout = config.limits.write_timeout;
  limits.requests_per_connection = config.limits.requests_per_connection;
  limits.body_bytes_per_second = config.limits.body_bytes_per_second;
  return options;
}

// Our certificate on the hop to fronts, which renewal changes.
class HopIdentity {
 public:
  void Set(base::TlsContext context) {
    auto shared = std::make_shared<const base::TlsContext>(std::move(context));
    const absl::MutexLock lock(&mutex_);
    context_ = std::move(shared);
  }
  std::shared_ptr<const base::TlsContext> Get() const {
    const absl::MutexLock lock(&mutex_);
    return context_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const base::TlsContext> context_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

// In order of construction; everything is stopped in ~Edge() before any of it is destroyed.
struct Edge::State {
  State(EdgeConfig config_in, const base::Clock& clock_in)
      : config(std::move(config_in)), clock(clock_in) {}
  ~State() {
    if (lock_fd >= 0) {
      close(lock_fd);
    }
  }

  const EdgeConfig config;
  const base::Clock& clock;
  int lock_fd = -1;
  base::MetricRegistry metrics;
  RouteTableHolder tables;
  HopIdentity hop;
  absl::BitGen random;  // of the link's loop
  GrpcRouteStreamDialer dialer;
  std::unique_ptr<base::SerialLoop> file_loop;  // what waits for the disk
  std::unique_ptr<TableSaver> saver;
  std::unique_ptr<EdgeServer> server;
  std::unique_ptr<base::SerialLoop> link_loop;
  std::unique_ptr<RouteLink> link;
  std::unique_ptr<base::AdminServer> admin;
  std::atomic<bool> open{false};
  std::atomic<bool> draining{false};

  absl::Status Readiness() const {
    if (draining.load()) return absl::UnavailableError("draining");
    if (tables.Current() == nullptr) return absl::UnavailableError("no route table yet");
    if (!open.load()) return absl::UnavailableError("not serving yet");
    return absl::OkStatus();
  }
};

Edge::Edge(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::Status Edge::Check(const EdgeConfig& config) {
  RM_RETURN_IF_ERROR(MakeStateDir(config));
  const absl::Status identity = client::LoadIdentity(config.IdentityDir()).status();
  if (absl::IsNotFound(identity)) {
    if (!config.join_token_file.empty()) {
      RM_RETURN_IF_ERROR(base::Annotate(client::ReadJoinToken(config.join_token_file).status(),
                                        config.where_join_token_file));
    }
  } else {
    RM_RETURN_IF_ERROR(base::Annotate(identity, config.where_state_dir));
  }
  RM_RETURN_IF_ERROR(base::Annotate(base::CheckCanListen(config.listen), config.where_listen));
  if (config.admin_listen.has_value()) {
    RM_RETURN_IF_ERROR(
        base::Annotate(base::CheckCanListen(*config.admin_listen), config.where_admin_listen));
  }
  TableReplica replica;
  const auto table = ReadTableFile(config.TablePath(), &replica);
  if (!config.listen.IsLoopback() && table.ok() && !(*table)->has_keys()) {
    return NoKeys(config);
  }
  return absl::OkStatus();
}

absl::Status Edge::Join(const EdgeConfig& config, const std::string& token_file,
                        const std::string& name, const base::Clock& clock) {
  RM_RETURN_IF_ERROR(MakeStateDir(config));
  client::MembershipOptions membership = MembershipOf(config);
  membership.token_file = token_file;
  membership.name = name;
  return client::JoinMesh(membership, clock).status();
}

absl::StatusOr<std::unique_ptr<Edge>> Edge::Build(const EdgeConfig& config,
                                                  const base::Clock& clock) {
  RM_RETURN_IF_ERROR(MakeStateDir(config));
  auto state = std::make_unique<State>(config, clock);
  State& edge = *state;
  RM_ASSIGN_OR_RETURN(edge.lock_fd, LockStateDir(config));
  RM_ASSIGN_OR_RETURN(client::MeshIdentity identity,
                      client::LoadOrJoinMesh(MembershipOf(config), clock));
  RM_ASSIGN_OR_RETURN(base::TlsContext context, MakeHopContext(identity));
  edge.hop.Set(std::move(context));

  TableReplica replica;
  absl::StatusOr<std::shared_ptr<const RouteTable>> table =
      ReadTableFile(config.TablePath(), &replica);
  if (table.ok()) {
    base::LogInfo("edge", "serving from the last table until the control plane sends a newer one",
                  {{"version", (*table)->version()}});
    edge.tables.Publish(*std::move(table));
  } else if (!absl::IsNotFound(table.status())) {
    base::LogError("edge", "the route table on disk cannot be used; waiting for the control plane",
                   {{"error", table.status()}});
    replica = TableReplica();
  }

  // Our threads share the port by SO_REUSEPORT, which would also let a second edge in.
  RM_RETURN_IF_ERROR(base::Annotate(base::CheckCanListen(config.listen), config.where_listen));
  absl::StatusOr<std::unique_ptr<EdgeServer>> server = EdgeServer::Build(
      OptionsOf(config), edge.tables,
      [&clock](const RouteTable& in, absl::string_view text) {
        return CheckApiKey(in, text, clock.WallNow());
      },
      [&edge] { return edge.hop.Get(); }, clock, edge.metrics);
  RM_RETURN_IF_ERROR(base::Annotate(server.status(), config.where_listen));
  edge.server = *std::move(server);

  edge.file_loop =
      std::make_unique<base::SerialLoop>(clock, base::SerialLoopOptions{.name = "table-file"});
  edge.saver = std::make_unique<TableSaver>(config.TablePath(), kSaveInterval, *edge.file_loop);
  edge.link_loop =
      std::make_unique<base::SerialLoop>(clock, base::SerialLoopOptions{.name = "link"});
  RouteLinkOptions link_options;
  link_options.control_planes = config.control_planes;
  link_options.identity_dir = config.IdentityDir();
  link_options.listen_address = edge.server->address().ToString();
  RouteLinkHooks hooks;
  hooks.on_table = [&edge](std::shared_ptr<const RouteTable> newer,
                           const TableReplica::Contents& contents) {
    base::LogDebug("edge", "a newer route table", {{"version", newer->version()}});
    edge.tables.Publish(std::move(newer));
    edge.saver->Save(contents);
  };
  hooks.on_identity = [&edge](const client::MeshIdentity& renewed) {
    absl::StatusOr<base::TlsContext> hop = MakeHopContext(renewed);
    if (!hop.ok()) {
      base::LogError("edge", "the renewed certificate cannot be used", {{"error", hop.status()}});
      return;
    }
    edge.hop.Set(*std::move(hop));
    edge.server->OnHopContextChanged();
  };
  hooks.unreachable = [&edge] { return edge.server->health().EjectedEndpoints(); };
  hooks.random = [&edge] { return absl::Uniform(edge.random, 0.0, 1.0); };
  edge.link = std::make_unique<RouteLink>(std::move(link_options), std::move(identity),
                                          std::move(replica), std::move(hooks), *edge.link_loop,
                                          clock, edge.dialer, edge.metrics);

  std::unique_ptr<Edge> result(new Edge(std::move(state)));  // from here ~Edge() stops it
  if (config.admin_listen.has_value()) {
    edge.admin = std::make_unique<base::AdminServer>(
        base::AdminServerOptions{.listen = *config.admin_listen});
    edge.admin->SetReadiness([&edge] { return edge.Readiness(); });
    edge.admin->SetMetrics([&edge] { return edge.metrics.Render(); });
    RM_RETURN_IF_ERROR(base::Annotate(edge.admin->Start(), config.where_admin_listen));
  }
  edge.link->Start();
  return result;
}

absl::Status Edge::Open() {
  State& edge = *state_;
  if (!edge.config.listen.IsLoopback()) {
    const std::shared_ptr<const RouteTable> table = edge.tables.Current();
    if (table == nullptr) return absl::UnavailableError("no route table yet");
    if (!table->has_keys()) return NoKeys(edge.config);
  }
  edge.server->Start();
  edge.open.store(true);
  base::LogInfo("edge", "serving", {{"address", edge.server->address().ToString()}});
  return absl::OkStatus();
}

Edge::~Edge() {
  State& edge = *state_;
  if (edge.admin != nullptr) {
    edge.admin->Stop();
  }
  edge.server->Stop();
  edge.link_loop->Stop();
  edge.file_loop->Stop();
}

void Edge::Drain() {
  State& edge = *state_;
  edge.draining.store(true);
  if (edge.open.load()) {
    edge.server->Drain(edge.config.drain_delay, edge.config.drain_cap);
  }
  std::promise<void> left;
  edge.link->Leave("stopping", [&left] { left.set_value(); });
  left.get_future().wait();
}

void Edge::Cut() {
  state_->server->Stop();
}

const base::SocketAddress& Edge::address() const {
  return state_->server->address();
}

}  // namespace rolemesh::dataplane
