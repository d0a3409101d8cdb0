#include "agent/llama/server_prober.h"

#include <exception>
#include <memory>
#include <pthread.h>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "base/http/http_client.h"
#include "base/net/io_task.h"
#include "base/status/status_macros.h"

namespace rolemesh::agent {
namespace {

// GET or POST with the server's key; Unavailable for 503 and when nobody listens.
base::IoTask<absl::StatusOr<std::string>> Ask(base::IoExecutor executor,
                                              base::SocketAddress address,
                                              base::HttpRequest request,
                                              base::FetchOptions options) {
  const std::string target = request.target;
  absl::StatusOr<base::HttpReply> reply =
      co_await base::Fetch(executor, address, std::move(request), options);
  if (!reply.ok()) {
    co_return absl::Status(reply.status().code(),
                           absl::StrCat(target, ": ", reply.status().message()));
  }
  if (reply->status == 503) {
    co_return absl::UnavailableError(absl::StrCat(target, ": the model is being loaded"));
  }
  if (reply->status != 200) {
    co_return absl::FailedPreconditionError(
        absl::StrCat(target, ": answers status ", reply->status));
  }
  co_return std::move(reply->body);
}

base::IoTask<absl::StatusOr<ServerProperties>> ProbeOne(base::IoExecutor executor,
                                                        ProbeTarget target,
                                                        absl::Duration timeout) {
  base::FetchOptions options;
  options.timeout = timeout;
  base::HttpRequest health;
  health.target = "/health";
  absl::StatusOr<std::string> health_body =
      co_await Ask(executor, target.address, std::move(health), options);
  if (!health_body.ok()) {
    co_return health_body.status();
  }
  const std::string bearer = absl::StrCat("Bearer ", target.key.reveal());
  base::HttpRequest props;
  props.target = "/props";
  props.headers.emplace_back("Authorization", bearer);
  absl::StatusOr<std::string> props_body =
      co_await Ask(executor, target.address, std::move(props), options);
  if (!props_body.ok()) {
    co_return props_body.status();
  }
  absl::StatusOr<ServerProperties> properties = ParseServerProperties(*props_body);
  if (properties.ok() && target.try_embeddings) {
    base::HttpRequest embeddings;
    embeddings.method = "POST";
    embeddings.target = "/v1/embeddings";
    embeddings.headers.emplace_back("Authorization", bearer);
    embeddings.headers.emplace_back("Content-Type", "application/json");
    embeddings.body = R"({"input":"ready?"})";
    absl::StatusOr<std::string> embeddings_body =
        co_await Ask(executor, target.address, std::move(embeddings), options);
    if (absl::IsUnavailable(embeddings_body.status())) {
      co_return embeddings_body.status();
    }
    properties->abilities.embeddings = embeddings_body.ok();
  }
  co_return properties;
}

}  // namespace

struct HttpServerProber::State {
  explicit State(absl::Duration probe_timeout) : timeout(probe_timeout) {}

  const absl::Duration timeout;
  base::IoContext io{1};
  boost::asio::executor_work_guard<base::IoExecutor> work{io.get_executor()};
  std::thread thread;
};

HttpServerProber::HttpServerProber(absl::Duration timeout)
    : state_(std::make_unique<State>(timeout)) {
  state_->thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "prober");
    state_->io.run();
  });
}

HttpServerProber::~HttpServerProber() {
  state_->io.stop();
  state_->thread.join();
}

void HttpServerProber::Probe(ProbeTarget target, Callback done) {
  boost::asio::co_spawn(
      state_->io.get_executor(),
      ProbeOne(state_->io.get_executor(), std::move(target), state_->timeout),
      [done = std::make_shared<Callback>(std::move(done))](
          const std::exception_ptr& failure, absl::StatusOr<ServerProperties> properties) mutable {
        (*done)(failure == nullptr ? std::move(properties)
                                   : absl::InternalError("the probe threw an exception"));
      });
}

}  // namespace rolemesh::agent
