#include "dataplane/downstream/connection_server.h"

#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "base/log/logger.h"
#include "base/net/listener.h"
#include "base/status/status_macros.h"

namespace rolemesh::dataplane {

struct ConnectionServer::Thread {
  // Coroutines that are left die with `io`, and refer to what stands before it.
  absl::flat_hash_set<ClientConnection*> clients;  // of this thread only
  std::unique_ptr<Handler> handler;
  base::IoContext io{1};  // 1: run by one thread only
  std::unique_ptr<base::Listener> listener;
  std::thread thread;
};

struct ConnectionServer::Shared {
  Shared(ServerOptions given, const base::Clock& clock_given, base::MetricRegistry& metrics)
      : options(std::move(given)),
        clock(clock_given),
        accepted(metrics.AddCounter(absl::StrCat("rolemesh_", options.name, "_connections_total"),
                                    "Connections accepted.")),
        refused(metrics.AddCounter(
            absl::StrCat("rolemesh_", options.name, "_connections_refused_total"),
            "Connections closed at once because there were too many.")),
        open(metrics.AddGauge(absl::StrCat("rolemesh_", options.name, "_connections"),
                              "Connections that are open.")) {}

  base::IoTask<> AcceptLoop(Thread* thread);
  base::IoTask<> ServeOne(Thread* thread, base::AcceptedSocket socket);
  void OnEnded();
  void PostToAll(const std::function<void(Thread&)>& function);

  const ServerOptions options;
  const base::Clock& clock;
  base::Counter& accepted;
  base::Counter& refused;
  base::Gauge& open;
  base::SocketAddress address;
  std::atomic<size_t> count{0};
  std::atomic<bool> draining{false};

  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool stopped ABSL_GUARDED_BY(mutex) = false;

  std::vector<std::unique_ptr<Thread>> threads;  // last: coroutines use the rest until the end
};

base::IoTask<> ConnectionServer::Shared::AcceptLoop(Thread* thread) {
  for (;;) {
    absl::StatusOr<base::AcceptedSocket> socket = co_await thread->listener->Accept();
    if (!socket.ok()) {
      co_return;  // closed
    }
    if (count.fetch_add(1, std::memory_order_relaxed) >= options.max_connections) {
      OnEnded();
      refused.Increment();
      continue;  // the destructor closes it
    }
    accepted.Increment();
    open.Add(1);
    // Ends with its connection, which `clients` knows and Stop() closes.
    boost::asio::co_spawn(thread->io, ServeOne(thread, *std::move(socket)), boost::asio::detached);
  }
}

base::IoTask<> ConnectionServer::Shared::ServeOne(Thread* thread, base::AcceptedSocket socket) {
  struct Ended {
    Shared* shared;
    ~Ended() {
      shared->open.Add(-1);
      shared->OnEnded();
    }
  } ended{this};
  absl::StatusOr<std::unique_ptr<base::Connection>> connection =
      base::Connection::Adopt(thread->io.get_executor(), std::move(socket));
  if (!connection.ok()) {
    co_return;
  }
  ClientConnection client(*std::move(connection), options.limits, clock);
  struct Listed {
    Thread* thread;
    ClientConnection* client;
    ~Listed() { thread->clients.erase(client); }
  } listed{thread, &client};
  thread->clients.insert(&client);
  if (options.tls != nullptr) {
    const std::shared_ptr<const base::TlsContext> context = options.tls();
    if (context == nullptr) {
      co_return;
    }
    client.connection().SetTimeout(options.handshake_timeout);
    const absl::Status status = co_await client.connection().HandshakeServer(context->native());
    if (!status.ok()) {
      if (!absl::IsCancelled(status)) {
        base::LogInfo(options.name, "refused a connection",
                      {{"peer", client.connection().peer().ToString()}, {"why", status}});
      }
      co_return;
    }
    client.connection().SetDeadline(absl::nullopt);
  }
  co_await thread->handler->Serve(&client);
}

void ConnectionServer::Shared::OnEnded() {
  // The lock makes Drain()'s condition see the last one go.
  if (count.fetch_sub(1, std::memory_order_relaxed) == 1) {
    absl::MutexLock lock(&mutex);
  }
}

void ConnectionServer::Shared::PostToAll(const std::function<void(Thread&)>& function) {
  for (const std::unique_ptr<Thread>& thread : threads) {
    boost::asio::post(thread->io, [function, raw = thread.get()] { function(*raw); });
  }
}

ConnectionServer::ConnectionServer() = default;

ConnectionServer::~ConnectionServer() {
  Stop();
}

absl::StatusOr<std::unique_ptr<ConnectionServer>> ConnectionServer::Build(
    ServerOptions options, const base::Clock& clock, base::MetricRegistry& metrics,
    const MakeHandler& make_handler) {
  std::unique_ptr<ConnectionServer> server(new ConnectionServer());
  server->shared_ = std::make_unique<Shared>(std::move(options), clock, metrics);
  Shared& shared = *server->shared_;
  shared.address = shared.options.address;
  for (int i = 0; i < shared.options.thread_count; ++i) {
    auto thread = std::make_unique<Thread>();
    base::ListenerOptions listener;
    listener.address = shared.address;
    listener.reuse_port = shared.options.thread_count > 1;
    RM_ASSIGN_OR_RETURN(thread->listener,
                        base::Listener::Build(thread->io.get_executor(), listener));
    shared.address = thread->listener->address();  // the others bind the same port
    shared.threads.push_back(std::move(thread));
  }
  for (int i = 0; i < shared.options.thread_count; ++i) {
    Thread& thread = *shared.threads[static_cast<size_t>(i)];
    thread.handler = make_handler(thread.io.get_executor(), i);
  }
  return server;
}

const base::SocketAddress& ConnectionServer::address() const {
  return shared_->address;
}

void ConnectionServer::Start() {
  for (const std::unique_ptr<Thread>& thread : shared_->threads) {
    Thread* const raw = thread.get();
    boost::asio::co_spawn(raw->io, shared_->AcceptLoop(raw), boost::asio::detached);
    raw->thread = std::thread([raw] {
      const auto guard = boost::asio::make_work_guard(raw->io);
      raw->io.run();
    });
  }
}

void ConnectionServer::Drain(absl::Duration delay, absl::Duration cap) {
  Shared& shared = *shared_;
  shared.draining = true;
  const auto wait = [&](absl::Duration limit, bool for_end) {
    const auto done = [&] {
      shared.mutex.AssertReaderHeld();
      return shared.stopping || (for_end && shared.count.load() == 0);
    };
    absl::MutexLock lock(&shared.mutex);
    shared.mutex.AwaitWithTimeout(absl::Condition(&done), limit);
    return shared.stopping;
  };
  if (wait(delay, /*for_end=*/false)) {
    return;
  }
  shared.PostToAll([](Thread& thread) {
    thread.listener->Close();
    for (ClientConnection* client : thread.clients) {
      client->BeginDrain();
    }
  });
  if (wait(cap, /*for_end=*/true) || shared.count.load() == 0) {
    return;
  }
  base::LogWarn(shared.options.name, "cutting what did not finish in time",
                {{"connections", shared.count.load()}});
  shared.PostToAll([](Thread& thread) {
    for (ClientConnection* client : thread.clients) {
      client->Cut();
    }
  });
  wait(absl::Seconds(2), /*for_end=*/true);
}

bool ConnectionServer::draining() const {
  return shared_->draining.load(std::memory_order_relaxed);
}

void ConnectionServer::Stop() {
  if (shared_ == nullptr) {
    return;  // Build() failed
  }
  Shared& shared = *shared_;
  shared.draining = true;
  {
    absl::MutexLock lock(&shared.mutex);
    if (std::exchange(shared.stopping, true)) {
      const auto stopped = [&] {
        shared.mutex.AssertReaderHeld();
        return shared.stopped;
      };
      shared.mutex.Await(absl::Condition(&stopped));
      return;
    }
  }
  const bool running = !shared.threads.empty() && shared.threads.front()->thread.joinable();
  if (running) {
    shared.PostToAll([](Thread& thread) {
      thread.listener->Close();
      for (ClientConnection* client : thread.clients) {
        client->Cut();
        client->connection().CloseNow();
      }
    });
    const auto ended = [&] { return shared.count.load() == 0; };
    absl::MutexLock lock(&shared.mutex);
    shared.mutex.AwaitWithTimeout(absl::Condition(&ended), absl::Seconds(1));
  }
  for (const std::unique_ptr<Thread>& thread : shared.threads) {
    boost::asio::post(thread->io, [raw = thread.get()] {
      raw->handler->Close();
      raw->io.stop();
    });
  }
  for (const std::unique_ptr<Thread>& thread : shared.threads) {
    if (thread->thread.joinable()) {
      thread->thread.join();
    } else {
      thread->handler->Close();
    }
  }
  absl::MutexLock lock(&shared.mutex);
  shared.stopped = true;
}

size_t ConnectionServer::connection_count() const {
  return shared_->count.load(std::memory_order_relaxed);
}

void ConnectionServer::Post(const std::function<void(Handler&)>& function) {
  shared_->PostToAll([function](Thread& thread) { function(*thread.handler); });
}

}  // namespace rolemesh::dataplane
