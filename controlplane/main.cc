// rolemesh-controlplane: knows the mesh and pushes route tables to edges.
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include <CLI/CLI.hpp>

#include "base/async/signal_waiter.h"
#include "base/log/logger.h"
#include "base/status/build_version.h"
#include "base/status/exit_code.h"
#include "base/time/clock.h"
#include "controlplane/config/controlplane_config.h"
#include "controlplane/controlplane.h"

namespace rolemesh::controlplane {
namespace {

constexpr char kDefaultConfig[] = "/etc/rolemesh/controlplane.yaml";
constexpr int kUsage = static_cast<int>(base::ExitCode::kUsage);

int Complain(const absl::Status& status, int exit_code) {
  std::cerr << status.message() << "\n";
  return exit_code;
}

int Init(const ControlPlaneConfig& config, const base::Clock& clock) {
  const absl::StatusOr<std::string> root = ControlPlane::Init(config, clock);
  if (!root.ok()) return Complain(root.status(), base::ExitCodeFor(root.status()));
  std::cout << "mesh " << config.mesh << " made in " << config.state_dir << "\n"
            << "root public key (SHA-256): " << *root << "\n";
  return 0;
}

int Check(const ControlPlaneConfig& config, const std::string& path, const base::Clock& clock) {
  if (const absl::Status status = ControlPlane::Check(config, clock); !status.ok()) {
    return Complain(status, kUsage);
  }
  std::cout << path << ": ok\n";
  return 0;
}

int Run(const ControlPlaneConfig& config, const base::Clock& clock, base::SignalWaiter& signals) {
  if (const absl::Status status = base::ConfigureLogging(config.log); !status.ok()) {
    return Complain(status, kUsage);
  }
  absl::StatusOr<std::unique_ptr<ControlPlane>> running = ControlPlane::Build(config, clock);
  if (!running.ok()) return Complain(running.status(), base::ExitCodeAtStart(running.status()));
  while (signals.Wait() == SIGHUP) {
    base::LogInfo("controlplane", "SIGHUP: the configuration is read at start only");
  }
  base::LogInfo("controlplane", "stopping");
  std::thread impatience([&signals] {
    while (signals.Wait() == SIGHUP) {
    }
    base::FlushLog();
    _exit(static_cast<int>(base::ExitCode::kFailure));
  });
  impatience.detach();
  running->reset();
  base::FlushLog();
  _exit(0);  // the thread above still waits for a second signal
}

int Main(int argc, char** argv) {
  base::SignalWaiter signals;
  CLI::App app("Knows the nodes, roles and keys of a mesh and pushes route tables to its edges.",
               "rolemesh-controlplane");
  app.set_version_flag("--version", absl::StrCat("rolemesh-controlplane ", base::BuildVersion()));
  std::string path = kDefaultConfig;
  bool check = false;
  app.add_option("--config", path, "Configuration file")->capture_default_str();
  app.add_flag("--check", check, "Check the configuration, files and ports, and exit");
  app.fallthrough();
  app.require_subcommand(0, 1);
  CLI::App* init = app.add_subcommand("init", "Make a new mesh in state_dir, once");
  app.add_subcommand("run", "Serve until SIGTERM (the default)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  const absl::StatusOr<ControlPlaneConfig> config = LoadConfig(path);
  if (!config.ok()) return Complain(config.status(), kUsage);
  const std::unique_ptr<base::Clock> clock = base::MakeSystemClock();
  if (check) return Check(*config, path, *clock);
  if (init->parsed()) return Init(*config, *clock);
  return Run(*config, *clock, signals);
}

}  // namespace
}  // namespace rolemesh::controlplane

int main(int argc, char** argv) {
  return rolemesh::controlplane::Main(argc, argv);
}
