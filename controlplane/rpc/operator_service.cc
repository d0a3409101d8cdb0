#include "controlplane/rpc/operator_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "base/log/logger.h"
#include "base/net/socket_address.h"
#include "base/status/annotate.h"
#include "base/status/build_version.h"
#include "base/status/status_macros.h"
#include "controlplane/catalog/catalog_codec.h"
#include "controlplane/identity/record_time.h"
#include "controlplane/rpc/operator_view.h"
#include "controlplane/rpc/reply_stream.h"
#include "controlplane/rpc/unary_call.h"
#include "proto/contract/limits.h"
#include "proto/contract/names.h"
#include "proto/contract/validators.h"
#include "rolemesh/v1/operator.grpc.pb.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::Duration kEdgesWait = absl::Seconds(10);   // RevokeKey with `wait`
constexpr absl::Duration kDrainReport = absl::Seconds(1);  // between messages of DrainNode
constexpr size_t kMaxQueuedReplies = 64;                   // 4 MiB of log at most
constexpr uint32_t kDefaultLogLines = 100;

void Audit(const Caller& caller, absl::string_view what, absl::string_view object) {
  base::LogInfo("rpc", what, {{"caller", caller.ToString()}, {"object", object}});
}

std::vector<std::string> Names(const std::vector<EdgeId>& edges) {
  std::vector<std::string> names;
  for (const EdgeId& edge : edges) names.push_back(edge.value());
  return names;
}

// Names and aliases of all roles as they will be: none may stand for two roles.
absl::Status CheckUnique(const absl::btree_map<std::string, Role>& roles) {
  absl::flat_hash_map<std::string, std::string> owner;
  for (const auto& [name, role] : roles) owner.emplace(name, name);
  for (const auto& [name, role] : roles) {
    for (const std::string& alias : role.aliases) {
      const auto [found, added] = owner.emplace(alias, name);
      if (!added) {
        return absl::InvalidArgumentError(absl::StrCat(
            "role ", name, ": alias ", alias, " stands for role ", found->second, " already"));
      }
    }
  }
  return absl::OkStatus();
}

struct RolePlan {
  Transaction transaction;
  std::vector<std::string> changes;
};

absl::StatusOr<RolePlan> PlanRoles(const View& view, const v1::ApplyRolesRequest& request,
                                   absl::Time now) {
  absl::btree_map<std::string, Role> roles;
  for (const auto& [name, stored] : view.catalog.roles()) {
    if (request.expected_revision() != 0 &&
        stored.revision > static_cast<int64_t>(request.expected_revision())) {
      return absl::AbortedError(absl::StrCat("expected_revision: role ", name,
                                             " was changed at revision ", stored.revision,
                                             "; read again"));
    }
    roles.emplace(name, stored.value);
  }
  RolePlan plan;
  for (const v1::RoleSpec& spec : request.roles()) {
    const Stored<Role>* old = view.catalog.FindRole(spec.name());
    const Role role = FromSpec(spec, old == nullptr ? now : old->value.created_at);
    roles.insert_or_assign(spec.name(), role);
    if (old != nullptr && old->value == role) {
      plan.changes.push_back(absl::StrCat("role ", spec.name(), ": unchanged"));
      continue;
    }
    plan.changes.push_back(
        absl::StrCat("role ", spec.name(), old == nullptr ? ": created" : ": changed"));
    const std::string key = RecordKey::Of(RecordKind::kRole, spec.name()).ToString();
    plan.transaction.compares.push_back(old == nullptr ? Compare::Absent(key)
                                                       : Compare::Unchanged(key, old->revision));
    plan.transaction.then.push_back(Op::Put(key, ToRecord(role).SerializeAsString()));
  }
  RM_RETURN_IF_ERROR(CheckUnique(roles));
  if (roles.size() > contract::kMaxRoles) {
    return absl::InvalidArgumentError(
        absl::StrCat("roles: a mesh has at most ", contract::kMaxRoles));
  }
  if (plan.transaction.then.size() > kMaxTransactionOps) {
    return absl::InvalidArgumentError(absl::StrCat("roles: at most ", kMaxTransactionOps,
                                                   " can be changed at once; apply them in parts"));
  }
  return plan;
}

absl::StatusOr<Transaction> PlanNode(const View& view, const NodeId& node,
                                     absl::FunctionRef<void(NodeGrant&)> change) {
  const Stored<NodeGrant>* stored = view.catalog.FindNode(node);
  if (stored == nullptr)
    return absl::NotFoundError(absl::StrCat("there is no node ", node.value()));
  NodeGrant grant = stored->value;
  change(grant);
  Transaction transaction;
  if (grant == stored->value) return transaction;
  const std::string key = RecordKey::Node(node).ToString();
  transaction.compares = {Compare::Unchanged(key, stored->revision)};
  transaction.then = {Op::Put(key, ToRecord(grant).SerializeAsString())};
  return transaction;
}

using WatchStream = ReplyStream<v1::ListReply>;
using DrainStream = ReplyStream<v1::DrainNodeReply>;
using LogStream = ReplyStream<v1::TailLogsReply>;

class OperatorService final : public v1::OperatorService::CallbackService {
 public:
  explicit OperatorService(const OperatorServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* /*request*/,
                                      v1::GetStatusReply* reply) override {
    return Serve(context, "GetStatus", [this, reply](UnaryCall call, const Caller&) {
      parts_.reconciler->Query([this, reply, call = std::move(call)](const View& view) mutable {
        FillStatus(view, reply);
        reply->set_version(std::string(base::BuildVersion()));
        const absl::Duration uptime =
            absl::FromChrono(parts_.clock->SteadyNow() - parts_.started_at);
        reply->mutable_uptime()->set_seconds(absl::ToInt64Seconds(uptime));
        reply->set_store_read_only(!parts_.store->health().ok());
        call.Finish(absl::OkStatus());
      });
    });
  }

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListRequest* request, v1::ListReply* reply) override {
    return Serve(context, "List", [this, request, reply](UnaryCall call, const Caller&) {
      parts_.reconciler->Query(
          [this, request, reply, call = std::move(call)](const View& view) mutable {
            call.Finish(FillList(view, *request, parts_.clock->WallNow(), reply));
          });
    });
  }

  grpc::ServerWriteReactor<v1::ListReply>* Watch(grpc::CallbackServerContext* context,
                                                 const v1::ListRequest* request) override {
    std::shared_ptr<WatchStream> stream = WatchStream::Make(kMaxQueuedReplies, parts_.streams);
    if (absl::Status status = Admit(*context, "Watch").status(); !status.ok()) {
      stream->End(status);
      return stream.get();
    }
    const auto send = [parts = parts_, request = *request,
                       weak = std::weak_ptr<WatchStream>(stream)] {
      parts.reconciler->Query([parts, request, weak](const View& view) {
        const std::shared_ptr<WatchStream> stream = weak.lock();
        if (stream == nullptr) return;
        v1::ListReply reply;
        const absl::Status status = FillList(view, request, parts.clock->WallNow(), &reply);
        // What is named may come later.
        if (!status.ok() && !absl::IsNotFound(status)) return stream->End(status);
        stream->PushNewest(std::move(reply));
      });
    };
    const uint64_t subscription = parts_.reconciler->Subscribe(send);
    stream->OnClosed(
        [reconciler = parts_.reconciler, subscription] { reconciler->Unsubscribe(subscription); });
    send();
    return stream.get();
  }

  grpc::ServerUnaryReactor* CreateToken(grpc::CallbackServerContext* context,
                                        const v1::CreateTokenRequest* request,
                                        v1::CreateTokenReply* reply) override {
    return Serve(context, "CreateToken", [=, this](UnaryCall call, const Caller& caller) {
      if (absl::Status status = contract::Validate(*request); !status.ok()) {
        return call.Finish(status);
      }
      parts_.reconciler->Query([=, this, call = std::move(call)](const View& view) mutable {
        if (!request->front_address().empty() &&
            !view.catalog.AllowsNodeAddress(request->front_address())) {
          return call.Finish(absl::InvalidArgumentError(absl::StrCat(
              "front_address: ", request->front_address(), " is not inside node_cidrs")));
        }
        Work(std::move(call), [=, this]() -> absl::Status {
          RM_ASSIGN_OR_RETURN(const NewToken token,
                              parts_.tokens->Create(*request, caller.ToString()));
          Audit(caller, "created a join token", token.id);
          reply->set_token(std::string(token.text.reveal()));
          reply->set_token_id(token.id);
          *reply->mutable_expires_at() = ToTimestamp(token.expires_at);
          return absl::OkStatus();
        });
      });
    });
  }

  grpc::ServerUnaryReactor* CreateKey(grpc::CallbackServerContext* context,
                                      const v1::CreateKeyRequest* request,
                                      v1::CreateKeyReply* reply) override {
    return Serve(context, "CreateKey", [=, this](UnaryCall call, const Caller& caller) {
      if (absl::Status status = contract::Validate(*request); !status.ok()) {
        return call.Finish(status);
      }
      Work(std::move(call), [=, this]() -> absl::Status {
        RM_ASSIGN_OR_RETURN(const CreatedApiKey key, parts_.keys->Create(*request));
        Audit(caller, "created an API key", key.id);
        reply->set_key(std::string(key.text.reveal()));
        reply->set_key_id(key.id);
        return absl::OkStatus();
      });
    });
  }

  grpc::ServerUnaryReactor* RevokeKey(grpc::CallbackServerContext* context,
                                      const v1::RevokeKeyRequest* request,
                                      v1::RevokeKeyReply* reply) override {
    return Serve(context, "RevokeKey", [=, this](UnaryCall call, const Caller& caller) {
      parts_.work
          ->TryPost([=, this, call = std::move(call)]() mutable {
            const absl::StatusOr<int64_t> revision = parts_.keys->Revoke(request->key_id());
            if (!revision.ok()) return call.Finish(revision.status());
            Audit(caller, "revoked an API key", request->key_id());
            reply->set_revision(static_cast<uint64_t>(*revision));
            if (!request->wait()) return call.Finish(absl::OkStatus());
            parts_.reconciler->WaitForEdges(
                *revision, kEdgesWait,
                [reply, call = std::move(call)](std::vector<EdgeId> waiting) mutable {
                  for (std::string& edge : Names(waiting)) reply->add_edges_waiting(edge);
                  call.Finish(absl::OkStatus());
                });
          })
          .IgnoreError();  // the call was dropped, and so answered
    });
  }

  grpc::ServerUnaryReactor* ApplyRoles(grpc::CallbackServerContext* context,
                                       const v1::ApplyRolesRequest* request,
                                       v1::ApplyRolesReply* reply) override {
    return Serve(context, "ApplyRoles", [=, this](UnaryCall call, const Caller& caller) {
      if (absl::Status status = contract::Validate(*request); !status.ok()) {
        return call.Finish(status);
      }
      const absl::Time now = parts_.clock->WallNow();
      const auto build = [=](const View& view) -> absl::StatusOr<Transaction> {
        RM_ASSIGN_OR_RETURN(RolePlan plan, PlanRoles(view, *request, now));
        reply->mutable_changes()->Assign(plan.changes.begin(), plan.changes.end());
        reply->set_revision(static_cast<uint64_t>(view.revision));
        return std::move(plan.transaction);
      };
      if (request->dry_run()) {
        parts_.reconciler->Query([build, call = std::move(call)](const View& view) mutable {
          call.Finish(build(view).status());
        });
        return;
      }
      parts_.reconciler->CommitChange(
          build, [=, call = std::move(call)](absl::StatusOr<int64_t> revision) mutable {
            if (revision.ok()) {
              Audit(caller, "applied roles", absl::StrCat(request->roles_size()));
              reply->set_revision(static_cast<uint64_t>(*revision));
            }
            call.Finish(revision.status());
          });
    });
  }

  grpc::ServerUnaryReactor* DeleteRole(grpc::CallbackServerContext* context,
                                       const v1::DeleteRoleRequest* request,
                                       v1::DeleteRoleReply* reply) override {
    return Serve(context, "DeleteRole", [=, this](UnaryCall call, const Caller& caller) {
      parts_.reconciler->CommitChange(
          [request](const View& view) -> absl::StatusOr<Transaction> {
            const Stored<Role>* role = view.catalog.FindRole(request->name());
            if (role == nullptr) {
              return absl::NotFoundError(absl::StrCat("there is no role ", request->name()));
            }
            const std::string key = RecordKey::Of(RecordKind::kRole, request->name()).ToString();
            return Transaction{.compares = {Compare::Unchanged(key, role->revision)},
                               .then = {Op::Delete(key)},
                               .otherwise = {}};
          },
          [=, call = std::move(call)](absl::StatusOr<int64_t> revision) mutable {
            if (revision.ok()) {
              Audit(caller, "deleted a role", request->name());
              reply->set_revision(static_cast<uint64_t>(*revision));
            }
            call.Finish(revision.status());
          });
    });
  }

  grpc::ServerWriteReactor<v1::DrainNodeReply>* DrainNode(
      grpc::CallbackServerContext* context, const v1::DrainNodeRequest* request) override {
    std::shared_ptr<DrainStream> stream = DrainStream::Make(kMaxQueuedReplies, parts_.streams);
    const absl::StatusOr<Caller> caller = Admit(*context, "DrainNode");
    if (!caller.ok()) {
      stream->End(caller.status());
      return stream.get();
    }
    const NodeId node(request->node_id());
    const bool draining = request->draining();
    const bool wait = request->wait();
    parts_.reconciler->CommitChange(
        [node, draining](const View& view) {
          return PlanNode(view, node, [draining](NodeGrant& grant) { grant.draining = draining; });
        },
        [=, this, caller = *caller](absl::StatusOr<int64_t> revision) {
          if (!revision.ok()) return stream->End(revision.status());
          Audit(caller, draining ? "drains a node" : "undrains a node", node.value());
          ReportDrain(stream, {node, *revision, draining && wait, absl::ZeroDuration()});
        });
    return stream.get();
  }

  grpc::ServerUnaryReactor* SetNodeAddress(grpc::CallbackServerContext* context,
                                           const v1::SetNodeAddressRequest* request,
                                           v1::SetNodeAddressReply* reply) override {
    return Serve(context, "SetNodeAddress", [=, this](UnaryCall call, const Caller& caller) {
      parts_.reconciler->CommitChange(
          [request](const View& view) -> absl::StatusOr<Transaction> {
            const std::string& address = request->address();
            if (!address.empty() && !view.catalog.AllowsNodeAddress(address)) {
              return absl::InvalidArgumentError(
                  absl::StrCat("address: ", address, " is not an IP address inside node_cidrs"));
            }
            return PlanNode(view, NodeId(request->node_id()),
                            [&](NodeGrant& grant) { grant.front_address = address; });
          },
          [=, call = std::move(call)](absl::StatusOr<int64_t> revision) mutable {
            if (revision.ok()) {
              Audit(caller, "set a node's address", request->node_id());
              reply->set_revision(static_cast<uint64_t>(*revision));
            }
            call.Finish(revision.status());
          });
    });
  }

  grpc::ServerWriteReactor<v1::TailLogsReply>* TailLogs(
      grpc::CallbackServerContext* context, const v1::TailLogsRequest* request) override {
    std::shared_ptr<LogStream> stream = LogStream::Make(kMaxQueuedReplies, parts_.streams);
    const absl::StatusOr<Caller> caller = Admit(*context, "TailLogs");
    if (!caller.ok()) {
      stream->End(caller.status());
      return stream.get();
    }
    const uint32_t lines = request->line_count() == 0 ? kDefaultLogLines : request->line_count();
    if (lines > contract::kMaxLogLines) {
      stream->End(
          absl::InvalidArgumentError(absl::StrCat("line_count: at most ", contract::kMaxLogLines)));
      return stream.get();
    }
    Audit(*caller, "reads logs", absl::StrCat(request->node_id(), "/", request->instance_id()));
    const LogQuery query{.instance = InstanceId(request->instance_id()),
                         .line_count = lines,
                         .follow = request->follow()};
    const uint64_t logs = parts_.reconciler->RequestLogs(
        NodeId(request->node_id()), query,
        [weak = std::weak_ptr<LogStream>(stream)](absl::StatusOr<LogChunk> chunk) {
          const std::shared_ptr<LogStream> stream = weak.lock();
          if (stream == nullptr) return;
          if (!chunk.ok()) return stream->End(chunk.status());
          v1::TailLogsReply reply;
          reply.set_data(std::move(chunk->data));
          if (!reply.data().empty()) stream->Push(std::move(reply));
          if (chunk->last) stream->End(absl::OkStatus());
        });
    stream->OnClosed([reconciler = parts_.reconciler, logs] { reconciler->CancelLogs(logs); });
    return stream.get();
  }

 private:
  struct Drain {
    NodeId node;
    int64_t revision = 0;
    bool wait = false;  // go on until done
    absl::Duration patience;
  };

  absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context,
                               absl::string_view method) const {
    return parts_.authenticator->Authenticate(
        context, absl::StrCat("/rolemesh.v1.OperatorService/", method));
  }

  // Runs `serve(call, caller)` when the caller may call `method`.
  template <class Function>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, absl::string_view method,
                                  Function serve) {
    UnaryCall call(context);
    grpc::ServerUnaryReactor* reactor = call.reactor();
    const absl::StatusOr<Caller> caller = Admit(*context, method);
    if (caller.ok()) {
      serve(std::move(call), *caller);
    } else {
      call.Finish(caller.status());
    }
    return reactor;
  }

  // Answers `call` with what `job` returns, where it may wait for the store.
  template <class Job>
  void Work(UnaryCall call, Job job) {
    parts_.work
        ->TryPost([call = std::move(call), job = std::move(job)]() mutable { call.Finish(job()); })
        .IgnoreError();  // the call was dropped, and so answered
  }

  // Says what is still awaited, and with `wait` again until nothing is.
  void ReportDrain(std::shared_ptr<DrainStream> stream, Drain drain) {
    if (stream->ended()) return;
    parts_.reconciler->WaitForEdges(
        drain.revision, drain.patience, [this, stream, drain](std::vector<EdgeId> waiting) {
          parts_.reconciler->Query([this, stream, drain, waiting](const View& view) {
            v1::DrainNodeReply reply;
            reply.set_revision(static_cast<uint64_t>(drain.revision));
            for (std::string& edge : Names(waiting)) reply.add_edges_waiting(edge);
            const auto agent = view.agents.find(drain.node);
            const bool connected = agent != view.agents.end();
            if (connected && agent->second.drain_running.has_value()) {
              reply.set_running(*agent->second.drain_running);
            }
            // A connected agent has the last word: what it has not said is not zero.
            const bool idle = !connected || (reply.has_running() && reply.running() == 0);
            reply.set_done(waiting.empty() && (!drain.wait || idle));
            const bool again = drain.wait && !reply.done();
            stream->PushNewest(std::move(reply));
            if (!again) return stream->End(absl::OkStatus());
            parts_.work->PostAfter(kDrainReport, [this, stream, drain]() mutable {
              drain.patience = kDrainReport;
              ReportDrain(stream, drain);
            });
          });
        });
  }

  const OperatorServiceParts parts_;
};

}  // namespace

std::shared_ptr<grpc::Service> MakeOperatorService(const OperatorServiceParts& parts) {
  return std::make_shared<OperatorService>(parts);
}

}  // namespace rolemesh::controlplane
