#include "agent/front/front_handler.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "base/log/logger.h"
#include "dataplane/forwarding/forwarded_fields.h"
#include "dataplane/openai/api_error.h"
#include "dataplane/openai/api_paths.h"

namespace rolemesh::agent {
namespace {

using dataplane::ClientConnection;
using dataplane::HttpRelay;

constexpr char kComponent[] = "front";
constexpr char kDied[] = "X-RoleMesh-Instance-Died: 1\r\n";

dataplane::PoolOptions InstancePool() {
  dataplane::PoolOptions options;
  options.idle_timeout = absl::Seconds(4);  // llama-server closes after 5 s
  return options;
}

std::string NotStarted(absl::string_view why) {
  return absl::StrCat("X-RoleMesh-Not-Started: ", why, "\r\nRetry-After: 1\r\n");
}

}  // namespace

FrontMetrics::FrontMetrics(base::MetricRegistry& given)
    : in_flight(
          given.AddGauge("rolemesh_front_requests_in_flight", "Requests that instances work on.")),
      first_byte_seconds(given.AddHistogram("rolemesh_front_first_byte_seconds",
                                            "From the whole request to the answer's head.",
                                            base::LatencyBounds())),
      payload_bytes(given.AddCounter("rolemesh_front_answer_bytes_total",
                                     "Payload of answers sent to edges.")),
      registry(given) {}

void FrontMetrics::OnAnswer(int http_status) {
  registry
      .AddCounter("rolemesh_front_requests_total", "Requests answered, by status.",
                  {{"status", absl::StrCat(http_status)}})
      .Increment();
}

FrontHandler::FrontHandler(base::IoExecutor executor, const FrontOptions& options,
                           const InstanceDirectory& directory, const FrontTrust& trust,
                           const base::Clock& clock, FrontMetrics& metrics)
    : options_(options),
      directory_(directory),
      trust_(trust),
      clock_(clock),
      metrics_(metrics),
      pool_(executor, clock, InstancePool(), dataplane::HopSecurity()) {}

void FrontHandler::Close() {
  pool_.CloseIdle();
}

void FrontHandler::OnInstanceDeath(const std::string& id, uint64_t generation) {
  for (const auto& [relay, instance] : running_) {
    if (instance->id == id && instance->generation == generation) {
      relay->AbortUpstream();
    }
  }
}

base::IoTask<> FrontHandler::Serve(ClientConnection* client) {
  for (;;) {
    const ClientConnection::HeadResult result = co_await client->ReadHead();
    bool go_on = false;
    switch (result) {
      case ClientConnection::HeadResult::kRequest:
        go_on = co_await Handle(client);
        break;
      case ClientConnection::HeadResult::kRefused:
        co_await Refuse(client, client->refusal().http_status, "",
                        std::string(client->refusal().message), "bad_request");
        break;
      case ClientConnection::HeadResult::kTooSlow:
        co_await Refuse(client, 408, "", "The request's head did not come in time.", "timeout");
        break;
      case ClientConnection::HeadResult::kClosed:
        co_return;
    }
    if (!go_on) {
      co_await client->Close();
      co_return;
    }
  }
}

base::IoTask<bool> FrontHandler::Refuse(ClientConnection* client, int http_status,
                                        std::string fields, std::string message, std::string code) {
  metrics_.OnAnswer(http_status);
  dataplane::ApiError error;
  error.http_status = http_status;
  error.type = http_status < 500 ? "invalid_request_error" : "server_error";
  error.code = code;
  error.message = std::move(message);
  fields += "Content-Type: application/json\r\n";
  co_return co_await client->WriteAnswer(
      http_status, std::move(fields), dataplane::ErrorBody(dataplane::ErrorShape::kOpenAi, error),
      false);
}

base::IoTask<bool> FrontHandler::Handle(ClientConnection* client) {
  // For every request anew: certificates end, and the deny-list grows.
  const absl::StatusOr<base::PeerIdentity> peer =
      base::VerifiedPeer(client->connection().native_tls(), clock_.WallNow());
  const absl::Status allowed = peer.ok() ? trust_.Check(*peer) : peer.status();
  if (!allowed.ok()) {
    base::LogWarn(kComponent, "refused a peer",
                  {{"peer", client->connection().peer().ToString()}, {"why", allowed}});
    co_await Refuse(client, 403, "", "Only edges of this mesh may connect here.", "forbidden");
    co_return false;
  }
  const base::RequestHead& head = client->request();
  const dataplane::ApiPath* const path = dataplane::FindApiPath(head.path);
  if (path == nullptr || !path->forwarded()) {
    co_return co_await Refuse(client, 404, "", "There is no such path.", "not_found");
  }
  if (head.method != path->method) {
    co_return co_await Refuse(client, 405, absl::StrCat("Allow: ", path->method, "\r\n"),
                              "This path takes another method.", "method_not_allowed");
  }
  std::string body;
  const ClientConnection::BodyResult read = co_await client->ReadBody(&body, 0);
  switch (read) {
    case ClientConnection::BodyResult::kWhole:
      break;
    case ClientConnection::BodyResult::kTooLarge:
      co_return co_await Refuse(client, 413, "", "The body is too large.", "body_too_large");
    case ClientConnection::BodyResult::kMalformed:
      co_return co_await Refuse(client, 400, "", "The body's framing is malformed.", "bad_request");
    case ClientConnection::BodyResult::kTooSlow:
      co_return co_await Refuse(client, 408, "", "The body did not come in time.", "timeout");
    case ClientConnection::BodyResult::kGone:
      co_return false;
  }
  const absl::string_view id = head.Find("X-RoleMesh-Instance").value_or("");
  uint64_t generation = 0;
  const bool named = absl::SimpleAtoi(head.Find("X-RoleMesh-Generation").value_or(""), &generation);
  const std::shared_ptr<const InstanceEntry> instance = directory_.snapshot()->Find(id);
  if (!named || instance == nullptr || instance->generation != generation) {
    co_return co_await Refuse(client, 421, "", "That instance is not here.", "wrong_instance");
  }
  if (instance->draining) {
    co_return co_await Refuse(client, 503, NotStarted("draining"), "The instance is draining.",
                              "not_started");
  }
  if (!instance->ready) {
    co_return co_await Refuse(client, 503, NotStarted("not-ready"), "The instance is not ready.",
                              "not_started");
  }
  if (!instance->running->TryStart(instance->slot_count * (1 + options_.queued_per_slot))) {
    co_return co_await Refuse(client, 503, NotStarted("busy"), "The instance is full.",
                              "not_started");
  }
  const auto ended =
      absl::MakeCleanup([running = instance->running] { running->OnRequestEnded(); });
  metrics_.in_flight.Add(1);
  const auto counted = absl::MakeCleanup([this] { metrics_.in_flight.Add(-1); });
  co_return co_await Forward(client, instance, std::move(body));
}

base::IoTask<bool> FrontHandler::Forward(ClientConnection* client,
                                         std::shared_ptr<const InstanceEntry> instance,
                                         std::string body) {
  const base::SteadyTime start = clock_.SteadyNow();
  const std::string request_id(client->request().Find("X-RoleMesh-Request-Id").value_or("-"));
  std::string head =
      absl::StrCat(client->request().method, " ", client->request().target,
                   " HTTP/1.1\r\nHost: ", instance->address.ToString(), "\r\n",
                   dataplane::ForwardedRequestFields(client->request()), "Authorization: Bearer ",
                   instance->key.reveal(), "\r\nContent-Length: ", body.size(), "\r\n\r\n");
  HttpRelay relay(client, clock_, options_.timeouts);
  running_.emplace(&relay, instance);
  const auto listed = absl::MakeCleanup([this, &relay] { running_.erase(&relay); });

  const dataplane::Destination destination{instance->address, "", ""};
  HttpRelay::AskResult asked = HttpRelay::AskResult::kLost;
  for (bool again = true; again;) {
    std::unique_ptr<dataplane::UpstreamConnection> upstream = pool_.TakeIdle(destination);
    const bool reused = upstream != nullptr;
    if (!reused) {
      absl::StatusOr<std::unique_ptr<dataplane::UpstreamConnection>> made =
          co_await pool_.Connect(destination);
      if (relay.interruption() != dataplane::Interruption::kNone) {
        co_return false;
      }
      if (!made.ok()) {
        base::LogWarn(
            kComponent, "cannot connect to an instance",
            {{"instance", instance->id}, {"request", request_id}, {"why", made.status()}});
        co_return co_await Refuse(client, 503, NotStarted("not-ready"),
                                  "The instance does not answer.", "not_started");
      }
      upstream = *std::move(made);
    }
    asked = co_await relay.Ask(std::move(upstream), head, body);
    // llama-server may have closed an idle connection just when we used it.
    again =
        reused && (asked == HttpRelay::AskResult::kLost || asked == HttpRelay::AskResult::kNotSent);
  }
  metrics_.first_byte_seconds.Observe(
      std::chrono::duration<double>(clock_.SteadyNow() - start).count());
  switch (asked) {
    case HttpRelay::AskResult::kAnswer:
      break;
    case HttpRelay::AskResult::kInterrupted:
      co_return false;
    case HttpRelay::AskResult::kTimedOut:
      co_return co_await Refuse(client, 504, "", "The instance did not answer in time.",
                                "upstream_timeout");
    case HttpRelay::AskResult::kMalformed:
      co_return co_await Refuse(client, 502, "", "The instance's answer is not HTTP.",
                                "bad_upstream_answer");
    case HttpRelay::AskResult::kNotSent:
    case HttpRelay::AskResult::kLost:
      co_return co_await Refuse(client, 502, kDied, "The instance died.", "upstream_lost");
  }
  const int http_status = relay.answer().status;
  if (http_status == 401) {
    base::LogError(kComponent, "an instance refused its own key", {{"instance", instance->id}});
    co_return co_await Refuse(client, 502, "", "The instance refused its key.",
                              "bad_upstream_answer");
  }
  body = std::string();
  head = std::string();
  client->ReleaseRequest();
  HttpRelay::RelayOptions relay_options;
  relay_options.reuse_after_stream = false;  // llama-server closes after SSE whatever it says
  const HttpRelay::RelayResult result = co_await relay.RelayAnswer(std::move(relay_options));
  metrics_.payload_bytes.Increment(relay.payload_bytes());
  if (result == HttpRelay::RelayResult::kLostUnseen) {
    co_return co_await Refuse(client, 502, kDied, "The instance died.", "upstream_lost");
  }
  metrics_.OnAnswer(http_status);
  if (result == HttpRelay::RelayResult::kUpstreamLost) {
    base::LogWarn(kComponent, "an instance broke off its answer",
                  {{"instance", instance->id}, {"request", request_id}});
  }
  if (std::unique_ptr<dataplane::UpstreamConnection> reusable = relay.TakeReusable()) {
    pool_.Return(std::move(reusable));
  }
  base::LogDebug(kComponent, "request",
                 {{"request", request_id},
                  {"instance", instance->id},
                  {"status", http_status},
                  {"bytes", relay.payload_bytes()},
                  {"seconds", absl::FromChrono(clock_.SteadyNow() - start)}});
  co_return result == HttpRelay::RelayResult::kComplete&& relay.client_may_continue();
}

}  // namespace rolemesh::agent
