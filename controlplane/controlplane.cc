#include "controlplane/controlplane.h"

#include <functional>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

#include "base/async/serial_loop.h"
#include "base/http/admin_server.h"
#include "base/log/logger.h"
#include "base/metrics/registry.h"
#include "base/net/io_task.h"
#include "base/net/listener.h"
#include "base/status/annotate.h"
#include "base/status/build_version.h"
#include "base/status/status_macros.h"
#include "controlplane/identity/api_keys.h"
#include "controlplane/identity/certificate_authority.h"
#include "controlplane/identity/certificate_renewal.h"
#include "controlplane/identity/join_tokens.h"
#include "controlplane/identity/mesh_setup.h"
#include "controlplane/identity/revocations.h"
#include "controlplane/identity/server_certificate.h"
#include "controlplane/reconcile/reconciler.h"
#include "controlplane/rpc/agent_service.h"
#include "controlplane/rpc/certificate_authenticator.h"
#include "controlplane/rpc/certificate_renewal_hook.h"
#include "controlplane/rpc/enrollment_service.h"
#include "controlplane/rpc/open_streams.h"
#include "controlplane/rpc/operator_service.h"
#include "controlplane/rpc/route_service.h"
#include "controlplane/rpc/rpc_server.h"
#include "controlplane/store/measured_store.h"
#include "controlplane/store/sqlite_store.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::Duration kShutdownGrace = absl::Seconds(2);
constexpr absl::Duration kRenewalCheck = absl::Minutes(1);
constexpr absl::Duration kCollectInterval = absl::Hours(1);

MeshFacts FactsOf(const ControlPlaneConfig& config) {
  MeshFacts facts{.mesh = config.mesh, .default_role = config.default_role, .node_cidrs = {}};
  for (const base::Cidr& cidr : config.node_cidrs) facts.node_cidrs.push_back(cidr.ToString());
  return facts;
}

absl::StatusOr<CertificateAuthority> LoadAuthority(const ControlPlaneConfig& config) {
  absl::StatusOr<CertificateAuthority> authority =
      CertificateAuthority::Load(config.CaDir(), config.mesh);
  if (absl::IsNotFound(authority.status())) {
    return absl::FailedPreconditionError(absl::StrCat(config.where_state_dir, ": no mesh in ",
                                                      config.state_dir,
                                                      "; run rolemesh-controlplane init first"));
  }
  if (!authority.ok()) return base::Annotate(authority.status(), config.where_state_dir);
  return authority;
}

// Numbers for Prometheus, brought up to date whenever the reconciler's view changes.
struct Gauges {
  explicit Gauges(base::MetricRegistry* registry)
      : agents(registry->AddGauge("rolemesh_controlplane_streams", "Open streams",
                                  {{"kind", "agent"}})),
        edges(registry->AddGauge("rolemesh_controlplane_streams", "Open streams",
                                 {{"kind", "edge"}})),
        edges_current(registry->AddGauge("rolemesh_controlplane_edges_current",
                                         "Connected edges that hold the current table")),
        nodes(registry->AddGauge("rolemesh_controlplane_nodes", "Nodes that have joined")),
        entries(registry->AddGauge("rolemesh_controlplane_table_entries",
                                   "Entries of the route table")),
        table_revision(registry->AddGauge("rolemesh_controlplane_table_revision",
                                          "Revision of the route table")),
        store_revision(registry->AddGauge("rolemesh_controlplane_store_revision",
                                          "Revision of the store that was applied")),
        removals_frozen(
            registry->AddGauge("rolemesh_controlplane_removals_frozen",
                               "1 while too many leases end at once for nodes to be taken out")) {}

  void Update(const View& view) {
    double connected = 0;
    double current = 0;
    for (const auto& [id, edge] : view.edges) {
      if (!edge.connected) continue;
      ++connected;
      if (edge.acked == view.table.version()) ++current;
    }
    agents.Set(static_cast<double>(view.agents.size()));
    edges.Set(connected);
    edges_current.Set(current);
    nodes.Set(static_cast<double>(view.catalog.nodes().size()));
    entries.Set(static_cast<double>(view.table.entries().size()));
    table_revision.Set(static_cast<double>(view.table.version().revision));
    store_revision.Set(static_cast<double>(view.revision));
    removals_frozen.Set(view.removals_frozen ? 1 : 0);
  }

  base::Gauge& agents;
  base::Gauge& edges;
  base::Gauge& edges_current;
  base::Gauge& nodes;
  base::Gauge& entries;
  base::Gauge& table_revision;
  base::Gauge& store_revision;
  base::Gauge& removals_frozen;
};

}  // namespace

// In the order of construction; destroyed from the bottom.
struct ControlPlane::Parts {
  Parts(const base::Clock& c, CertificateAuthority a, std::unique_ptr<SqliteStore> s)
      : clock(c),
        authority(std::move(a)),
        sqlite(std::move(s)),
        store(sqlite.get(), &c, &metrics) {}

  const base::Clock& clock;
  const CertificateAuthority authority;
  const std::unique_ptr<SqliteStore> sqlite;
  base::MetricRegistry metrics;
  MeasuredStore store;
  std::unique_ptr<Revocations> revocations;
  std::unique_ptr<CertificateAuthenticator> certificates;
  LocalAuthenticator local;
  std::unique_ptr<JoinTokens> tokens;
  std::unique_ptr<ApiKeys> keys;
  std::unique_ptr<CertificateRenewal> renewal;
  std::unique_ptr<ServerCertificate> server_certificate;
  absl::Time renew_at;
  std::unique_ptr<Gauges> gauges;
  std::unique_ptr<base::SerialLoop> reconcile_loop;
  std::unique_ptr<base::SerialLoop> work_loop;  // where waiting for the store is allowed
  std::unique_ptr<Reconciler> reconciler;
  OpenStreams streams;
  std::unique_ptr<RpcServer> rpc;
  std::unique_ptr<base::AdminServer> admin;
  bool stopped = false;

  ~Parts() { Stop(); }
  void Stop();  // also of what was made in part
  void RenewOwnCertificate();
  void CollectExpired();
};

void ControlPlane::Parts::Stop() {
  if (std::exchange(stopped, true)) return;
  if (rpc != nullptr) rpc->SetServing(false);
  if (reconciler != nullptr) reconciler->Shutdown();  // closing, on every stream
  streams.EndAll(absl::UnavailableError("the control plane stops"));
  if (rpc != nullptr) rpc->Shutdown(kShutdownGrace);
  if (work_loop != nullptr) work_loop->Stop();
  if (reconcile_loop != nullptr) reconcile_loop->Stop();
  if (admin != nullptr) admin->Stop();
  base::LogInfo("controlplane", "stopped");
}

void ControlPlane::Parts::RenewOwnCertificate() {
  const absl::Time now = clock.WallNow();
  if (now >= renew_at) {
    const absl::StatusOr<absl::Time> next = server_certificate->Refresh(now);
    if (next.ok()) {
      renew_at = *next;
      base::LogInfo("controlplane", "renewed the server certificate");
    } else {
      base::LogError("controlplane", "cannot renew the server certificate; trying again",
                     {{"status", next.status()}});
    }
  }
  work_loop->PostAfter(kRenewalCheck, [this] { RenewOwnCertificate(); });
}

void ControlPlane::Parts::CollectExpired() {
  const absl::StatusOr<int> count = tokens->CollectExpired();
  if (!count.ok()) {
    base::LogWarn("controlplane", "cannot forget expired tokens and certificates",
                  {{"status", count.status()}});
  } else if (*count > 0) {
    base::LogInfo("controlplane", "forgot expired tokens and certificates", {{"count", *count}});
  }
  work_loop->PostAfter(kCollectInterval, [this] { CollectExpired(); });
}

absl::StatusOr<std::string> ControlPlane::Init(const ControlPlaneConfig& config,
                                               const base::Clock& clock) {
  RM_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteStore> store,
                      SqliteStore::Open(config.StorePath(), {.clock = &clock}));
  RM_ASSIGN_OR_RETURN(const bool exists, HasMeshRecord(store.get()));
  if (exists) {
    return absl::AlreadyExistsError(
        absl::StrCat(config.where_state_dir, ": ", config.state_dir,
                     " holds a mesh already; use another state_dir for a new one"));
  }
  const absl::Time now = clock.WallNow();
  absl::StatusOr<CertificateAuthority> authority =
      CertificateAuthority::Load(config.CaDir(), config.mesh);
  if (absl::IsNotFound(authority.status())) {
    authority = CertificateAuthority::Create(config.CaDir(), config.mesh, now);
  }
  RM_RETURN_IF_ERROR(authority.status());
  RM_RETURN_IF_ERROR(CreateMeshRecord(store.get(), FactsOf(config), now));
  return authority->root_spki_sha256();
}

absl::Status ControlPlane::Check(const ControlPlaneConfig& config, const base::Clock& /*clock*/) {
  RM_RETURN_IF_ERROR(LoadAuthority(config).status());
  RM_RETURN_IF_ERROR(base::Annotate(base::CheckCanListen(config.listen), config.where_listen));
  if (config.admin_listen.has_value()) {
    RM_RETURN_IF_ERROR(
        base::Annotate(base::CheckCanListen(*config.admin_listen), config.where_admin_listen));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ControlPlane>> ControlPlane::Build(const ControlPlaneConfig& config,
                                                                  const base::Clock& clock) {
  // Before gRPC, whose own words for a taken port are many lines.
  RM_RETURN_IF_ERROR(Check(config, clock));
  RM_ASSIGN_OR_RETURN(CertificateAuthority authority, LoadAuthority(config));
  absl::StatusOr<std::unique_ptr<SqliteStore>> store =
      SqliteStore::Open(config.StorePath(), {.clock = &clock});
  if (!store.ok()) return base::Annotate(store.status(), config.where_state_dir);
  RM_RETURN_IF_ERROR(
      base::Annotate(UpdateMeshRecord(store->get(), FactsOf(config)), config.where_state_dir));

  auto parts = std::make_unique<Parts>(clock, std::move(authority), *std::move(store));
  Store* const kept = &parts->store;
  RM_ASSIGN_OR_RETURN(parts->revocations, Revocations::Build(kept));
  parts->certificates =
      std::make_unique<CertificateAuthenticator>(config.mesh, kept, parts->revocations.get());
  parts->tokens = std::make_unique<JoinTokens>(kept, &parts->authority, &clock);
  parts->keys = std::make_unique<ApiKeys>(kept, &clock);
  parts->renewal = std::make_unique<CertificateRenewal>(kept, &parts->authority, &clock);
  parts->server_certificate =
      std::make_unique<ServerCertificate>(&parts->authority, config.TlsDir(), config.replica);
  RM_ASSIGN_OR_RETURN(parts->renew_at, parts->server_certificate->Refresh(clock.WallNow()));

  parts->gauges = std::make_unique<Gauges>(&parts->metrics);
  parts->reconcile_loop =
      std::make_unique<base::SerialLoop>(clock, base::SerialLoopOptions{.name = "reconcile"});
  parts->work_loop = std::make_unique<base::SerialLoop>(
      clock, base::SerialLoopOptions{.name = "work", .max_queued = 1000});
  parts->reconciler = std::make_unique<Reconciler>(
      parts->reconcile_loop.get(), kept, &clock,
      ReconcilerOptions{.replica = config.replica,
                        .lease = config.lease_duration,
                        .heartbeat_interval = config.heartbeat_interval,
                        .removal_grace = config.removal_grace});
  RM_RETURN_IF_ERROR(parts->reconciler->Start());
  const auto update_gauges = [reconciler = parts->reconciler.get(), gauges = parts->gauges.get()] {
    reconciler->Query([gauges](const View& view) { gauges->Update(view); });
  };
  parts->reconciler->Subscribe(update_gauges);
  update_gauges();

  const auto operators = [&](const CallerAuthenticator* authenticator) {
    return MakeOperatorService({.authenticator = authenticator,
                                .reconciler = parts->reconciler.get(),
                                .store = kept,
                                .tokens = parts->tokens.get(),
                                .keys = parts->keys.get(),
                                .work = parts->work_loop.get(),
                                .streams = &parts->streams,
                                .clock = &clock,
                                .started_at = clock.SteadyNow()});
  };
  const CertificateHook renew = MakeCertificateHook(parts->renewal.get(), parts->work_loop.get());
  RpcServer::Services services = {
      MakeAgentService(parts->reconciler.get(), parts->certificates.get(), renew),
      MakeRouteService(parts->reconciler.get(), parts->certificates.get(), renew),
      MakeEnrollmentService(parts->work_loop.get(), parts->tokens.get(), &parts->authority),
      operators(parts->certificates.get())};
  absl::StatusOr<std::unique_ptr<RpcServer>> rpc =
      RpcServer::Build({.listen = config.listen,
                        .socket_path = config.socket_path,
                        .server_pem_path = parts->server_certificate->PemPath(),
                        .roots_pem_path = parts->server_certificate->RootsPath()},
                       parts->certificates.get(), std::move(services), {operators(&parts->local)});
  if (!rpc.ok()) return base::Annotate(rpc.status(), config.where_socket);
  parts->rpc = *std::move(rpc);

  if (config.admin_listen.has_value()) {
    parts->admin = std::make_unique<base::AdminServer>(
        base::AdminServerOptions{.listen = *config.admin_listen});
    parts->admin->SetReadiness([kept] { return kept->health(); });
    parts->admin->SetMetrics([metrics = &parts->metrics] { return metrics->Render(); });
    RM_RETURN_IF_ERROR(base::Annotate(parts->admin->Start(), config.where_admin_listen));
  }
  Parts* const running = parts.get();
  running->work_loop->Post([running] {
    running->RenewOwnCertificate();
    running->CollectExpired();
  });
  base::LogInfo(
      "controlplane", "serving",
      {{"mesh", config.mesh},
       {"replica", config.replica},
       {"version", base::BuildVersion()},
       {"listen", base::SocketAddress(config.listen.ip(), running->rpc->port()).ToString()},
       {"socket", config.socket_path},
       {"root_spki_sha256", running->authority.root_spki_sha256()}});
  return absl::WrapUnique(new ControlPlane(std::move(parts)));
}

ControlPlane::ControlPlane(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ControlPlane::~ControlPlane() = default;

void ControlPlane::Stop() {
  parts_->Stop();
}

uint16_t ControlPlane::port() const {
  return parts_->rpc->port();
}

std::string ControlPlane::admin_address() const {
  return parts_->admin == nullptr ? "" : parts_->admin->address().ToString();
}

}  // namespace rolemesh::controlplane
