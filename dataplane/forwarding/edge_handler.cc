#include "dataplane/forwarding/edge_handler.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/ids/random_id.h"
#include "base/log/logger.h"
#include "base/net/io_task.h"
#include "dataplane/balancing/choose_endpoint.h"
#include "dataplane/forwarding/forwarded_fields.h"
#include "dataplane/openai/engine_fault.h"

namespace rolemesh::dataplane {
namespace {

constexpr char kComponent[] = "forwarding";
constexpr int kMaxAttempts = 3;
constexpr absl::Duration kProbeInterval = absl::Milliseconds(50);
constexpr absl::Duration kProbeTimeout = absl::Seconds(1);
// Engine errors up to this length are looked at before they are passed on.
constexpr size_t kMaxErrorBytes = 64 * 1024;

Destination DestinationOf(const Endpoint& endpoint) {
  return {endpoint.address, endpoint.host_port, endpoint.spiffe_id};
}

ApiError ServerError(int http_status, absl::string_view code, std::string message,
                     absl::Duration retry_after = absl::ZeroDuration()) {
  ApiError error;
  error.http_status = http_status;
  error.code = code;
  error.message = std::move(message);
  error.retry_after = retry_after;
  return error;
}

ApiError NoEndpoint(const Role& role) {
  return ServerError(503, "no_endpoint",
                     absl::StrCat("No server for the model '", role.name, "' is available now."),
                     absl::Seconds(1));
}

ApiError UpstreamLost() {
  return ServerError(502, "upstream_lost", "The connection to the model was lost.");
}

ApiError BadAnswer() {
  return ServerError(502, "bad_upstream_answer", "The model's server gave an unusable answer.");
}

ApiError ClientError(int http_status, absl::string_view code, std::string message) {
  ApiError error = BadRequest(std::move(message), {}, code);
  error.http_status = http_status;
  return error;
}

// Whether a query carries what looks like a key: it would stand in logs on the way.
bool HasKey(absl::string_view query) {
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    for (const absl::string_view name : {"key", "api_key", "api-key", "apikey", "x-api-key",
                                         "access_token", "token", "authorization"}) {
      if (absl::EqualsIgnoreCase(pair.first, name)) {
        return true;
      }
    }
    if (absl::StartsWith(pair.second, "rm_")) {
      return true;
    }
  }
  return false;
}

// The key that the client shows; empty: none, or two that differ.
absl::string_view ShownKey(const base::RequestHead& head) {
  constexpr absl::string_view kBearer = "Bearer ";
  if (base::CountFields(head.fields, "Authorization") > 1 ||
      base::CountFields(head.fields, "X-Api-Key") > 1) {
    return {};
  }
  absl::string_view bearer = head.Find("Authorization").value_or("");
  if (!bearer.empty()) {
    if (!absl::StartsWithIgnoreCase(bearer, kBearer)) {
      return {};
    }
    bearer.remove_prefix(kBearer.size());
  }
  const absl::string_view api_key = head.Find("X-Api-Key").value_or("");
  if (bearer.empty() || api_key.empty() || bearer == api_key) {
    return bearer.empty() ? api_key : bearer;
  }
  return {};
}

}  // namespace

EdgeHandler::EdgeHandler(base::IoExecutor executor, EdgeShared& shared, bool probes)
    : shared_(shared),
      executor_(executor),
      pool_(executor, shared.clock, shared.options.pool,
            HopSecurity{shared.hop_context,
                        [this](const base::PeerIdentity& peer) {
                          const std::shared_ptr<const RouteTable> table = shared_.tables.Current();
                          return table == nullptr ||
                                 table->IsRevoked(peer.serial_hex, peer.uri_sans[0]);
                        }}),
      metrics_(shared.metrics),
      random_(base::RandomUint64()) {
  if (probes) {
    // Ends with its event loop; Close() keeps it from touching the handler.
    boost::asio::co_spawn(executor, ProbeLoop(), boost::asio::detached);
  }
}

void EdgeHandler::Close() {
  closed_ = true;
  pool_.CloseIdle();
}

base::IoTask<> EdgeHandler::ProbeLoop() {
  while (co_await base::IoSleep(kProbeInterval) && !closed_) {
    for (const EndpointHealth::Probe& probe :
         shared_.health.TakeDueProbes(shared_.clock.SteadyNow())) {
      const absl::StatusOr<std::unique_ptr<base::Connection>> connection =
          co_await Dial(executor_, probe.destination, kProbeTimeout);
      if (connection.ok()) {
        probe.state->OnConnected();
      }
    }
  }
}

base::IoTask<> EdgeHandler::Serve(ClientConnection* client) {
  for (;;) {
    const ClientConnection::HeadResult result = co_await client->ReadHead();
    bool go_on = false;
    if (result == ClientConnection::HeadResult::kClosed) {
      co_return;
    }
    if (result == ClientConnection::HeadResult::kRequest) {
      go_on = co_await Handle(client);
    } else {
      Request request;
      request.client = client;
      request.id = base::RandomBase32(80);
      request.start = shared_.clock.SteadyNow();
      const bool slow = result == ClientConnection::HeadResult::kTooSlow;
      co_await AnswerError(
          &request, slow ? ClientError(408, "timeout", "The request's head did not come in time.")
                         : ClientError(client->refusal().http_status, "bad_request",
                                       std::string(client->refusal().message)));
    }
    if (!go_on) {
      co_await client->Close();
      co_return;
    }
  }
}

base::IoTask<bool> EdgeHandler::Handle(ClientConnection* client) {
  const base::RequestHead& head = client->request();
  Request request;
  request.client = client;
  request.id = base::RandomBase32(80);
  request.start = shared_.clock.SteadyNow();
  request.table = shared_.tables.Current();
  request.path = FindApiPath(head.path);
  request.to_head = head.method == "HEAD";
  if (request.path == nullptr) {
    co_return co_await AnswerError(&request,
                                   ClientError(404, "not_found", "There is no such path."));
  }
  const bool get = request.path->method == "GET";
  const absl::string_view allow = get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
  if (head.method == "OPTIONS") {
    OnAnswered(request, 204, nullptr, 0);
    co_return co_await client->WriteAnswer(
        204, absl::StrCat(AnswerFields(request, nullptr), "Allow: ", allow, "\r\n"), "", false);
  }
  if (head.method != request.path->method && !(get && request.to_head)) {
    co_return co_await AnswerError(
        &request, ClientError(405, "method_not_allowed", "This path takes another method."),
        absl::StrCat("Allow: ", allow, "\r\n"));
  }
  if (HasKey(head.query)) {
    co_return co_await AnswerError(
        &request, BadRequest("API keys belong in the Authorization header, not in the URL.", {},
                             "key_in_url"));
  }
  if (request.path->needs_key) {
    if (absl::optional<ApiError> error = Authenticate(&request)) {
      co_return co_await AnswerError(&request, *std::move(error), "WWW-Authenticate: Bearer\r\n");
    }
  }
  const ClientConnection::BodyResult body =
      co_await client->ReadBody(&request.body, kInspectionPadding);
  switch (body) {
    case ClientConnection::BodyResult::kWhole:
      break;
    case ClientConnection::BodyResult::kTooLarge:
      co_return co_await AnswerError(
          &request, ClientError(413, "body_too_large",
                                absl::StrCat("The body may have at most ",
                                             client->limits().body_bytes, " bytes.")));
    case ClientConnection::BodyResult::kMalformed:
      co_return co_await AnswerError(
          &request, ClientError(400, "bad_request", "The body's framing is malformed."));
    case ClientConnection::BodyResult::kTooSlow:
      co_return co_await AnswerError(&request,
                                     ClientError(408, "timeout", "The body did not come in time."));
    case ClientConnection::BodyResult::kGone:
      co_return false;
  }
  if (!request.path->forwarded()) {
    co_return co_await AnswerItself(&request);
  }
  absl::optional<ApiError> refused =
      request.path->body == BodyKind::kJson
          ? InspectJson(request.body, /*padded=*/true, &request.inspection)
          : InspectMultipart(head.Find("Content-Type").value_or(""), request.body,
                             &request.inspection);
  if (!refused.has_value()) {
    refused = FindRole(&request);
  }
  if (refused.has_value()) {
    co_return co_await AnswerError(&request, *std::move(refused));
  }
  co_return co_await Forward(&request);
}

absl::optional<ApiError> EdgeHandler::Authenticate(Request* request) const {
  const absl::string_view shown = ShownKey(request->client->request());
  if (request->table != nullptr && !shown.empty()) {
    const absl::StatusOr<const ApiKey*> key = shared_.verify_key(*request->table, shown);
    if (key.ok()) {
      request->key = *key;
      return absl::nullopt;
    }
  }
  // One answer for every reason.
  return ClientError(401, "invalid_api_key", "A valid API key is required.");
}

absl::optional<ApiError> EdgeHandler::FindRole(Request* request) const {
  const absl::optional<std::string>& model = request->inspection.model;
  const Role* const role =
      model.has_value() ? request->table->FindRole(*model) : request->table->default_role();
  if (role == nullptr && !model.has_value()) {
    return BadRequest("'model' is required: this server has no default.", "model", "missing_model");
  }
  if (role == nullptr ||
      !(request->key->roles.empty() || request->key->roles.contains(role->name))) {
    ApiError error = BadRequest(absl::StrCat("The model '", model.value_or("").substr(0, 128),
                                             "' does not exist or this key may not use it."),
                                "model", "model_not_found");
    error.http_status = 404;
    return error;
  }
  request->role = role;
  return absl::nullopt;
}

std::string EdgeHandler::AnswerFields(const Request& request, const Endpoint* endpoint) const {
  std::string fields = absl::StrCat("X-RoleMesh-Request-Id: ", request.id, "\r\n");
  if (request.role != nullptr) {
    absl::StrAppend(&fields, "X-RoleMesh-Role: ", request.role->name, "\r\n",
                    "X-RoleMesh-Table-Version: ", request.table->version(), "\r\n");
  }
  if (endpoint != nullptr) {
    absl::StrAppend(&fields, "X-RoleMesh-Node: ",
                    endpoint->behind_front() ? endpoint->node_id : endpoint->id, "\r\n");
  }
  return fields;
}

void EdgeHandler::OnAnswered(const Request& request, int http_status, const Endpoint* endpoint,
                             uint64_t bytes) {
  metrics_.OnAnswer(request.role != nullptr ? request.role->name : "", http_status);
  const base::LogLevel level = http_status >= 500 ? base::LogLevel::kWarn : base::LogLevel::kDebug;
  if (!base::LogEnabled(level)) {
    return;
  }
  base::Log(level, kComponent, "request",
            {{"request", request.id},
             {"status", http_status},
             {"path", request.path != nullptr ? request.path->path : "?"},
             {"role", request.role != nullptr ? absl::string_view(request.role->name) : "-"},
             {"key", request.key != nullptr ? absl::string_view(request.key->id) : "-"},
             {"endpoint", endpoint != nullptr ? absl::string_view(endpoint->id) : "-"},
             {"bytes", bytes},
             {"peer", request.client->connection().peer().ToString()},
             {"seconds", absl::FromChrono(shared_.clock.SteadyNow() - request.start)}});
}

base::IoTask<bool> EdgeHandler::AnswerError(Request* request, ApiError error, std::string fields) {
  OnAnswered(*request, error.http_status, nullptr, 0);
  absl::StrAppend(&fields, AnswerFields(*request, nullptr), "Content-Type: application/json\r\n");
  if (error.retry_after > absl::ZeroDuration()) {
    absl::StrAppend(&fields, "Retry-After: ",
                    absl::ToInt64Seconds(absl::Ceil(error.retry_after, absl::Seconds(1))), "\r\n");
  }
  std::string body = ErrorBody(request->errors(), error);
  co_return co_await request->client->WriteAnswer(error.http_status, std::move(fields),
                                                  std::move(body), request->to_head);
}

base::IoTask<bool> EdgeHandler::AnswerJson(Request* request, int http_status, std::string body) {
  OnAnswered(*request, http_status, nullptr, body.size());
  std::string fields =
      absl::StrCat(AnswerFields(*request, nullptr), "Content-Type: application/json\r\n",
                   "Cache-Control: no-store\r\n");
  co_return co_await request->client->WriteAnswer(http_status, std::move(fields), std::move(body),
                                                  request->to_head);
}

base::IoTask<bool> EdgeHandler::AnswerItself(Request* request) {
  const auto may_see = [&](const Role& role) {
    return request->key->roles.empty() || request->key->roles.contains(role.name);
  };
  switch (request->path->kind) {
    case ApiKind::kHealth:
      co_return co_await AnswerJson(request, 200, StatusBody("ok"));
    case ApiKind::kReady: {
      absl::string_view why;
      if (shared_.draining.load(std::memory_order_relaxed)) {
        why = "draining";
      } else if (request->table == nullptr) {
        why = "no route table yet";
      } else if (request->table->names_default_role()) {
        const Role* const role = request->table->default_role();
        why = role != nullptr && IsUsable(*role) ? "" : "the default role has no usable endpoint";
      } else {
        const std::vector<Role>& roles = request->table->roles();
        why = std::any_of(roles.begin(), roles.end(), [&](const Role& r) { return IsUsable(r); })
                  ? ""
                  : "no role has a usable endpoint";
      }
      co_return co_await AnswerJson(request, why.empty() ? 200 : 503,
                                    StatusBody(why.empty() ? "ready" : "not ready", why));
    }
    case ApiKind::kModels: {
      std::vector<ModelListing> listings;
      for (const Role& role : request->table->roles()) {
        if (may_see(role)) {
          listings.push_back(Listing(role));
        }
      }
      co_return co_await AnswerJson(request, 200, ModelListBody(listings));
    }
    default: {
      const absl::optional<std::string> id = ModelIdOf(request->client->request().path);
      const Role* const role = id.has_value() ? request->table->FindRole(*id) : nullptr;
      if (role == nullptr || !may_see(*role)) {
        ApiError error = BadRequest(absl::StrCat("The model '", id.value_or("").substr(0, 128),
                                                 "' does not exist or this key may not use it."),
                                    "model", "model_not_found");
        error.http_status = 404;
        co_return co_await AnswerError(request, std::move(error));
      }
      co_return co_await AnswerJson(request, 200, ModelBody(Listing(*role)));
    }
  }
}

std::shared_ptr<EndpointState> EdgeHandler::StateOf(const Request& request,
                                                    const Endpoint& endpoint) {
  if (states_table_ != request.table) {
    if (request.table != shared_.tables.Current()) {
      return shared_.health.Get(endpoint.HealthKey(), DestinationOf(endpoint));  // an old request
    }
    states_.clear();
    states_table_ = request.table;
  }
  std::shared_ptr<EndpointState>& state = states_[&endpoint];
  if (state == nullptr) {
    state = shared_.health.Get(endpoint.HealthKey(), DestinationOf(endpoint));
  }
  return state;
}

bool EdgeHandler::IsUsable(const Role& role) {
  return std::any_of(role.endpoints.begin(), role.endpoints.end(), [&](const auto& endpoint) {
    return !endpoint->suspect &&
           !shared_.health.Get(endpoint->HealthKey(), DestinationOf(*endpoint))->ejected();
  });
}

ModelListing EdgeHandler::Listing(const Role& role) {
  ModelListing listing;
  listing.role = role.name;
  listing.aliases = role.aliases;
  listing.created = role.created;
  for (const std::shared_ptr<const Endpoint>& endpoint : role.endpoints) {
    if (endpoint->suspect ||
        shared_.health.Get(endpoint->HealthKey(), DestinationOf(*endpoint))->ejected()) {
      continue;
    }
    listing.available = true;
    ++listing.endpoint_count;
    listing.slot_count += endpoint->slot_count;
    if (endpoint->context_tokens != 0) {
      listing.context_tokens = listing.context_tokens == 0
                                   ? endpoint->context_tokens
                                   : std::min(listing.context_tokens, endpoint->context_tokens);
    }
    for (const std::string& capability : endpoint->capabilities) {
      if (std::find(listing.capabilities.begin(), listing.capabilities.end(), capability) ==
          listing.capabilities.end()) {
        listing.capabilities.push_back(capability);
      }
    }
  }
  return listing;
}

absl::optional<size_t> EdgeHandler::Choose(const Request& request, const std::vector<bool>& tried) {
  const Role& role = *request.role;
  std::vector<Candidate> candidates(role.endpoints.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Endpoint& endpoint = *role.endpoints[i];
    const std::shared_ptr<EndpointState> state = StateOf(request, endpoint);
    candidates[i].in_flight = state->in_flight();
    candidates[i].slot_count = endpoint.slot_count;
    candidates[i].suspect = endpoint.suspect;
    candidates[i].ejected = state->ejected();
    candidates[i].tried = tried[i];
  }
  return ChooseEndpoint(candidates, random_());
}

base::IoTask<bool> EdgeHandler::Forward(Request* request) {
  const Role& role = *request->role;
  const RoleMetrics& metrics = metrics_.OfRole(role.name);
  metrics.in_flight->Add(1);
  const auto counted = absl::MakeCleanup([gauge = metrics.in_flight] { gauge->Add(-1); });
  metrics.request_bytes->Increment(request->body.size());

  RelayTimeouts timeouts;
  timeouts.write = shared_.options.upstream_write_timeout;
  timeouts.first_byte = role.first_byte_timeout;
  timeouts.idle = role.idle_timeout;
  HttpRelay relay(request->client, shared_.clock, timeouts);

  std::vector<bool> tried(role.endpoints.size());
  absl::optional<size_t> only_stale;  // the endpoint of the last attempt, if that was its fault
  ApiError error = NoEndpoint(role);
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    absl::optional<size_t> choice = Choose(*request, tried);
    const bool again = !choice.has_value() && only_stale.has_value();
    if (again) {
      choice = only_stale;
    }
    if (!choice.has_value()) {
      break;
    }
    if (attempt > 0) {
      metrics.retries->Increment();
    }
    tried[*choice] = true;
    Attempt result = co_await Try(request, &relay, role.endpoints[*choice], again);
    if (result.kind == Attempt::kAnswered) {
      co_return result.go_on;
    }
    error = std::move(result.error);
    only_stale = result.stale ? choice : absl::nullopt;
    if (result.kind == Attempt::kGivenUp) {
      break;
    }
  }
  if (relay.interruption() == Interruption::kClientGone) {
    OnAnswered(*request, 499, nullptr, 0);
    co_return false;
  }
  if (relay.interruption() == Interruption::kCut) {
    error = ServerError(503, "shutting_down", "The server is shutting down.", absl::Seconds(1));
  }
  co_return co_await AnswerError(request, std::move(error));
}

base::IoTask<EdgeHandler::Attempt> EdgeHandler::Try(Request* request, HttpRelay* relay,
                                                    std::shared_ptr<const Endpoint> endpoint,
                                                    bool fresh_connection) {
  Attempt attempt;
  attempt.error = NoEndpoint(*request->role);
  const std::shared_ptr<EndpointState> state = StateOf(*request, *endpoint);
  const InFlightPermit permit(state);
  if (endpoint->behind_front() && !request->table->NodeMayBeAt(endpoint->address.ip())) {
    base::LogWarn(kComponent, "a front is outside the mesh's node_cidrs",
                  {{"endpoint", endpoint->id}, {"address", endpoint->address.ToString()}});
    co_return attempt;
  }
  const Destination destination = DestinationOf(*endpoint);
  std::unique_ptr<UpstreamConnection> upstream =
      fresh_connection ? nullptr : pool_.TakeIdle(destination);
  const bool reused = upstream != nullptr;
  if (!reused) {
    absl::StatusOr<std::unique_ptr<UpstreamConnection>> made = co_await pool_.Connect(destination);
    if (relay->interruption() != Interruption::kNone) {
      attempt.kind = Attempt::kGivenUp;
      co_return attempt;
    }
    if (!made.ok()) {
      state->OnConnectFailed();
      base::LogWarn(kComponent, "cannot connect",
                    {{"endpoint", endpoint->id}, {"request", request->id}, {"why", made.status()}});
      co_return attempt;
    }
    state->OnConnected();
    upstream = *std::move(made);
  }
  std::string spliced;
  if (!endpoint->upstream_model.empty()) {
    spliced =
        request->path->body == BodyKind::kJson
            ? SpliceModel(request->body, request->inspection, endpoint->upstream_model)
            : absl::StrCat(
                  absl::string_view(request->body).substr(0, request->inspection.model_offset),
                  endpoint->upstream_model,
                  absl::string_view(request->body)
                      .substr(request->inspection.model_offset + request->inspection.model_length));
  }
  const std::string& body = endpoint->upstream_model.empty() ? request->body : spliced;
  const std::string head = UpstreamHead(*request, *endpoint, body.size());
  const HttpRelay::AskResult asked = co_await relay->Ask(std::move(upstream), head, body);
  spliced = std::string();
  switch (asked) {
    case HttpRelay::AskResult::kAnswer:
      co_return co_await Deliver(request, relay, endpoint);
    case HttpRelay::AskResult::kInterrupted:
      attempt.kind = Attempt::kGivenUp;
      break;
    case HttpRelay::AskResult::kNotSent:
    case HttpRelay::AskResult::kLost:
      attempt.stale = reused;
      attempt.error = UpstreamLost();
      if (!reused) {
        state->OnConnectFailed();
        base::LogWarn(kComponent, "lost before an answer",
                      {{"endpoint", endpoint->id}, {"request", request->id}});
      }
      break;
    case HttpRelay::AskResult::kTimedOut:
      attempt.kind = Attempt::kGivenUp;
      attempt.error =
          ServerError(504, "upstream_timeout", "The model did not begin to answer in time.");
      break;
    case HttpRelay::AskResult::kMalformed:
      attempt.kind = Attempt::kGivenUp;
      attempt.error = BadAnswer();
      break;
  }
  co_return attempt;
}

base::IoTask<EdgeHandler::Attempt> EdgeHandler::Deliver(Request* request, HttpRelay* relay,
                                                        std::shared_ptr<const Endpoint> endpoint) {
  Attempt attempt;
  attempt.error = NoEndpoint(*request->role);
  const base::ResponseHead& answer = relay->answer();
  const int http_status = answer.status;
  const RoleMetrics& metrics = metrics_.OfRole(request->role->name);
  if (endpoint->behind_front()) {
    // Only a front's word that nothing was begun, or that the instance died, is believed.
    const bool not_started = answer.Find("X-RoleMesh-Not-Started").has_value();
    const bool died = answer.Find("X-RoleMesh-Instance-Died").has_value();
    if (http_status == 421 || (http_status == 503 && not_started) || (http_status == 502 && died)) {
      if (died) {
        attempt.error = UpstreamLost();
      }
      // The front is well: its connection can serve the next request.
      const absl::optional<std::string> ignored = co_await relay->ReadAnswerBody(kMaxErrorBytes);
      if (std::unique_ptr<UpstreamConnection> upstream = relay->TakeReusable()) {
        pool_.Return(std::move(upstream));
      }
      co_return attempt;
    }
  }
  metrics.first_byte_seconds->Observe(
      std::chrono::duration<double>(shared_.clock.SteadyNow() - request->start).count());
  if ((http_status >= 300 && http_status < 400) || http_status == 401 || http_status == 403 ||
      http_status == 407) {
    // Redirects are not followed, and the client's key was good: this is between us and the server.
    base::LogWarn(kComponent, "unusable answer",
                  {{"endpoint", endpoint->id}, {"request", request->id}, {"status", http_status}});
    attempt.kind = Attempt::kGivenUp;
    attempt.error = BadAnswer();
    co_return attempt;
  }
  if ((http_status == 500 || http_status == 501) && !IsEventStream(answer) &&
      answer.content_length.value_or(kMaxErrorBytes + 1) <= kMaxErrorBytes) {
    std::string fields = ForwardedAnswerFields(answer) + AnswerFields(*request, endpoint.get());
    absl::optional<std::string> body = co_await relay->ReadAnswerBody(kMaxErrorBytes);
    if (!body.has_value()) {
      attempt.kind =
          relay->interruption() == Interruption::kNone ? Attempt::kFailed : Attempt::kGivenUp;
      attempt.error = UpstreamLost();
      co_return attempt;
    }
    if (std::unique_ptr<UpstreamConnection> upstream = relay->TakeReusable()) {
      pool_.Return(std::move(upstream));
    }
    if (absl::optional<ApiError> fault = ClientFaultOf(http_status, *body)) {
      attempt.kind = Attempt::kGivenUp;
      attempt.error = *std::move(fault);
      co_return attempt;
    }
    OnAnswered(*request, http_status, endpoint.get(), body->size());
    attempt.kind = Attempt::kAnswered;
    attempt.go_on = co_await request->client->WriteAnswer(http_status, std::move(fields),
                                                          *std::move(body), false);
    co_return attempt;
  }
  if (IsEventStream(answer)) {
    // Its head goes out at once, so the request is not needed for another attempt.
    request->body = std::string();
    request->client->ReleaseRequest();
  }
  HttpRelay::RelayOptions options;
  options.fields = AnswerFields(*request, endpoint.get());
  options.announce_loss = request->errors();
  options.reuse_after_stream = endpoint->behind_front();
  const HttpRelay::RelayResult result = co_await relay->RelayAnswer(std::move(options));
  metrics.answer_bytes->Increment(relay->payload_bytes());
  if (std::unique_ptr<UpstreamConnection> upstream = relay->TakeReusable()) {
    pool_.Return(std::move(upstream));
  }
  switch (result) {
    case HttpRelay::RelayResult::kComplete:
      attempt.go_on = relay->client_may_continue();
      break;
    case HttpRelay::RelayResult::kLostUnseen:
      attempt.error = UpstreamLost();
      co_return attempt;
    case HttpRelay::RelayResult::kUpstreamLost:
      base::LogWarn(kComponent, "an answer broke off",
                    {{"endpoint", endpoint->id}, {"request", request->id}});
      break;
    case HttpRelay::RelayResult::kClientStalled:
      base::LogInfo(kComponent, "cut a client that does not read", {{"request", request->id}});
      break;
    case HttpRelay::RelayResult::kInterrupted:
      break;
  }
  OnAnswered(*request, http_status, endpoint.get(), relay->payload_bytes());
  attempt.kind = Attempt::kAnswered;
  co_return attempt;
}

std::string EdgeHandler::UpstreamHead(const Request& request, const Endpoint& endpoint,
                                      size_t body_bytes) const {
  const base::RequestHead& head = request.client->request();
  std::string out = absl::StrCat(head.method, " ", head.target,
                                 " HTTP/1.1\r\nHost: ", DestinationOf(endpoint).ToString(), "\r\n",
                                 ForwardedRequestFields(head));
  if (endpoint.behind_front()) {
    absl::StrAppend(&out, "X-RoleMesh-Request-Id: ", request.id,
                    "\r\nX-RoleMesh-Instance: ", endpoint.instance_id,
                    "\r\nX-RoleMesh-Generation: ", endpoint.generation,
                    "\r\nX-RoleMesh-Role: ", request.role->name, "\r\n");
  }
  absl::StrAppend(&out, "Content-Length: ", body_bytes, "\r\n\r\n");
  return out;
}

}  // namespace rolemesh::dataplane
