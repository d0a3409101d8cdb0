// OperatorService: what people and scripts ask for, turned into questions and changes.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "base/async/executor.h"
#include "base/time/clock.h"
#include "controlplane/identity/api_keys.h"
#include "controlplane/identity/join_tokens.h"
#include "controlplane/reconcile/reconciler.h"
#include "controlplane/rpc/caller_authenticator.h"
#include "controlplane/rpc/open_streams.h"
#include "controlplane/store/store.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace rolemesh::controlplane {

/// All outlive the service.
struct OperatorServiceParts {
  const CallerAuthenticator* authenticator = nullptr;
  Reconciler* reconciler = nullptr;
  Store* store = nullptr;
  JoinTokens* tokens = nullptr;
  ApiKeys* keys = nullptr;
  /// Where waiting for the store is allowed.
  base::Executor* work = nullptr;
  /// Where Watch, DrainNode and TailLogs are kept, to be ended before the server.
  OpenStreams* streams = nullptr;
  const base::Clock* clock = nullptr;
  base::SteadyTime started_at;  ///< Of the program, for the uptime.
};

/// One for each server, since each has its own way to tell who calls.
std::shared_ptr<grpc::Service> MakeOperatorService(const OperatorServiceParts& parts);

}  // namespace rolemesh::controlplane
