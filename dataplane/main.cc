// rolemesh-edge: the one endpoint that OpenAI clients talk to.
#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include <CLI/CLI.hpp>

#include "base/async/signal_waiter.h"
#include "base/log/logger.h"
#include "base/status/build_version.h"
#include "base/status/exit_code.h"
#include "base/time/clock.h"
#include "dataplane/config/edge_config.h"
#include "dataplane/edge.h"

namespace rolemesh::dataplane {
namespace {

constexpr char kDefaultConfig[] = "/etc/rolemesh/edge.yaml";
constexpr int kUsage = static_cast<int>(base::ExitCode::kUsage);
constexpr absl::Duration kJoinPause = absl::Seconds(5);
constexpr absl::Duration kOpenPause = absl::Milliseconds(50);

int Complain(const absl::Status& status, int exit_code) {
  std::cerr << status.message() << "\n";
  return exit_code;
}

bool MayComeLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// True: told to stop.
bool StoppedWithin(base::SignalWaiter& signals, absl::Duration pause) {
  const absl::optional<int> signal = signals.WaitFor(pause);
  return signal.has_value() && *signal != SIGHUP;
}

void DrainAndStop(Edge& edge, base::SignalWaiter& signals) {
  std::atomic<bool> drained{false};
  std::thread drain([&] {
    edge.Drain();
    drained.store(true);
  });
  bool cut = false;
  while (!drained.load()) {
    if (StoppedWithin(signals, absl::Milliseconds(20)) && !cut) {
      cut = true;
      base::LogWarn("edge", "told twice to stop: cutting what runs");
      edge.Cut();
    }
  }
  drain.join();
}

int Run(const EdgeConfig& config, const base::Clock& clock, base::SignalWaiter& signals) {
  if (const absl::Status status = base::ConfigureLogging(config.log); !status.ok()) {
    return Complain(status, kUsage);
  }
  absl::StatusOr<std::unique_ptr<Edge>> edge = Edge::Build(config, clock);
  // An edge that boots before its control plane joins when that is there.
  while (!edge.ok() && MayComeLater(edge.status())) {
    base::LogWarn("edge", "cannot join the mesh yet; trying again",
                  {{"error", edge.status()}, {"next_attempt", kJoinPause}});
    if (StoppedWithin(signals, kJoinPause)) return 0;
    edge = Edge::Build(config, clock);
  }
  if (!edge.ok()) {
    return Complain(edge.status(), base::ExitCodeAtStart(edge.status()));
  }
  absl::Status open = (*edge)->Open();
  if (MayComeLater(open)) {
    base::LogInfo("edge", "waiting for the first route table before serving on this address",
                  {{"address", config.listen.ToString()}});
  }
  while (MayComeLater(open)) {
    if (StoppedWithin(signals, kOpenPause)) return 0;
    open = (*edge)->Open();
  }
  if (!open.ok()) {
    return Complain(open, base::ExitCodeAtStart(open));
  }
  while (signals.Wait() == SIGHUP) {
    base::LogInfo("edge", "SIGHUP: the configuration is read at start only");
  }
  base::LogInfo("edge", "draining",
                {{"drain_delay", config.drain_delay}, {"drain_cap", config.drain_cap}});
  DrainAndStop(**edge, signals);
  edge->reset();
  base::LogInfo("edge", "stopped");
  return 0;
}

int Main(int argc, char** argv) {
  base::SignalWaiter signals;
  CLI::App app("One OpenAI-compatible endpoint for every model of the mesh.", "rolemesh-edge");
  app.set_version_flag("--version", absl::StrCat("rolemesh-edge ", base::BuildVersion()));
  std::string path = kDefaultConfig;
  bool check = false;
  app.add_option("--config", path, "Configuration file")->capture_default_str();
  app.add_flag("--check", check, "Check the configuration, files and ports, and exit");
  app.fallthrough();
  app.require_subcommand(0, 1);
  CLI::App* join = app.add_subcommand("join", "Become an edge of a mesh, once");
  std::string token_file;
  std::string name;
  join->add_option("--token-file", token_file,
                   "File with the token, - for standard input; default: ROLEMESH_TOKEN");
  join->add_option("--name", name, "Name of this edge; default: the token's");
  app.add_subcommand("run", "Serve until SIGTERM (the default)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  const absl::StatusOr<EdgeConfig> config = LoadConfig(path);
  if (!config.ok()) {
    return Complain(config.status(), kUsage);
  }
  const std::unique_ptr<base::Clock> clock = base::MakeSystemClock();
  if (check) {
    if (const absl::Status status = Edge::Check(*config); !status.ok()) {
      return Complain(status, kUsage);
    }
    std::cout << path << ": ok\n";
    return 0;
  }
  if (join->parsed()) {
    if (const absl::Status status = Edge::Join(*config, token_file, name, *clock); !status.ok()) {
      return Complain(status, base::ExitCodeFor(status));
    }
    std::cout << "joined; identity in " << config->IdentityDir() << "\n";
    return 0;
  }
  return Run(*config, *clock, signals);
}

}  // namespace
}  // namespace rolemesh::dataplane

int main(int argc, char** argv) {
  return rolemesh::dataplane::Main(argc, argv);
}
