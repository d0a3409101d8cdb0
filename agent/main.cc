// rolemesh-agent: runs llama-servers and lets the mesh's edges use them.
#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include <CLI/CLI.hpp>

#include "agent/agent.h"
#include "agent/config/agent_config.h"
#include "base/async/signal_waiter.h"
#include "base/log/logger.h"
#include "base/status/build_version.h"
#include "base/status/exit_code.h"
#include "base/time/clock.h"

namespace rolemesh::agent {
namespace {

constexpr char kDefaultConfig[] = "/etc/rolemesh/agent.yaml";
constexpr int kUsage = static_cast<int>(base::ExitCode::kUsage);
constexpr absl::Duration kJoinPause = absl::Seconds(5);

int Complain(const absl::Status& status, int exit_code) {
  std::cerr << status.message() << "\n";
  return exit_code;
}

bool MayComeLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

int Run(const AgentConfig& config, const base::Clock& clock, base::SignalWaiter& signals) {
  if (const absl::Status status = base::ConfigureLogging(config.log); !status.ok()) {
    return Complain(status, kUsage);
  }
  absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Build(config, clock);
  // A node that boots before its control plane joins when that is there.
  while (!agent.ok() && MayComeLater(agent.status())) {
    base::LogWarn("agent", "cannot join the mesh yet; trying again",
                  {{"error", agent.status()}, {"next_attempt", kJoinPause}});
    if (const absl::optional<int> signal = signals.WaitFor(kJoinPause);
        signal.has_value() && *signal != SIGHUP) {
      return 0;
    }
    agent = Agent::Build(config, clock);
  }
  if (!agent.ok()) {
    return Complain(agent.status(), base::ExitCodeAtStart(agent.status()));
  }
  while (signals.Wait() == SIGHUP) {
    base::LogInfo("agent", "SIGHUP: the configuration is read at start only");
  }
  base::LogInfo("agent", "stopping", {{"drain_cap", config.drain_cap}});
  std::atomic<bool> drained{false};
  std::thread drain([&] {
    (*agent)->Drain();
    drained.store(true);
  });
  bool cut = false;
  while (!drained.load()) {
    const absl::optional<int> signal = signals.WaitFor(absl::Milliseconds(20));
    if (signal.has_value() && *signal != SIGHUP && !cut) {
      cut = true;
      base::LogWarn("agent", "told twice to stop: cutting what runs");
      (*agent)->Cut();
    }
  }
  drain.join();
  agent->reset();
  base::LogInfo("agent", "stopped");
  return 0;
}

int Main(int argc, char** argv) {
  base::SignalWaiter signals;
  CLI::App app("Runs llama-servers on this machine and lets the mesh's edges use them.",
               "rolemesh-agent");
  app.set_version_flag("--version", absl::StrCat("rolemesh-agent ", base::BuildVersion()));
  std::string path = kDefaultConfig;
  bool check = false;
  app.add_option("--config", path, "Configuration file")->capture_default_str();
  app.add_flag("--check", check, "Check the configuration, files and ports, and exit");
  app.fallthrough();
  app.require_subcommand(0, 1);
  CLI::App* join = app.add_subcommand("join", "Become a node of a mesh, once");
  std::string token_file;
  std::string name;
  join->add_option("--token-file", token_file,
                   "File with the token, - for standard input; default: ROLEMESH_TOKEN");
  join->add_option("--name", name, "Name of this node; default: the token's");
  app.add_subcommand("run", "Serve until SIGTERM (the default)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  const absl::StatusOr<AgentConfig> config = LoadConfig(path);
  if (!config.ok()) {
    return Complain(config.status(), kUsage);
  }
  const std::unique_ptr<base::Clock> clock = base::MakeSystemClock();
  if (check) {
    if (const absl::Status status = Agent::Check(*config); !status.ok()) {
      return Complain(status, kUsage);
    }
    std::cout << path << ": ok\n";
    return 0;
  }
  if (join->parsed()) {
    if (const absl::Status status = Agent::Join(*config, token_file, name, *clock); !status.ok()) {
      return Complain(status, base::ExitCodeFor(status));
    }
    std::cout << "joined; identity in " << config->IdentityDir() << "\n";
    return 0;
  }
  return Run(*config, *clock, signals);
}

}  // namespace
}  // namespace rolemesh::agent

int main(int argc, char** argv) {
  return rolemesh::agent::Main(argc, argv);
}
