#include "agent/resources/inventory.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include <sys/wait.h>

namespace rolemesh::agent {
namespace {

constexpr size_t kMaxGpus = 64;
constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxOutputBytes = 64 << 10;

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// stdout and stderr of a program that ends within 5 s; what came until then otherwise.
std::string OutputOf(std::vector<std::string> command) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return "";
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
  std::vector<char*> argv;
  for (std::string& argument : command) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/bin:/bin";
  char* const environment[] = {path.data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_fds[1]);
  std::string output;
  if (error == 0) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (output.size() < kMaxOutputBytes) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd readable = {.fd = pipe_fds[0], .events = POLLIN, .revents = 0};
      if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) <= 0) {
        break;
      }
      char buffer[4096];
      const ssize_t count = read(pipe_fds[0], buffer, sizeof(buffer));
      if (count <= 0) {
        break;
      }
      output.append(buffer, static_cast<size_t>(count));
    }
    kill(pid, SIGKILL);  // harmless when it has ended: it is still ours to collect
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  close(pipe_fds[0]);
  return output;
}

std::vector<GpuInventory> ReadAmdGpus() {
  std::vector<GpuInventory> gpus;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/drm", error)) {
    const std::string name = entry.path().filename().string();
    // card0, not card0-HDMI-A-1.
    if (!absl::StartsWith(name, "card") || absl::StrContains(name, "-")) {
      continue;
    }
    const std::string device = entry.path().string() + "/device";
    uint64_t bytes = 0;
    if (absl::StripAsciiWhitespace(ReadText(device + "/vendor")) != "0x1002" ||
        !absl::SimpleAtoi(absl::StripAsciiWhitespace(ReadText(device + "/mem_info_vram_total")),
                          &bytes)) {
      continue;
    }
    std::string product(absl::StripAsciiWhitespace(ReadText(device + "/product_name")));
    gpus.push_back({product.empty() ? "AMD GPU" : product.substr(0, kMaxNameBytes), bytes});
  }
  return gpus;
}

}  // namespace

uint64_t ParseMemoryTotal(absl::string_view meminfo) {
  for (absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    uint64_t kib = 0;
    if (absl::ConsumePrefix(&line, "MemTotal:") && absl::ConsumeSuffix(&line, "kB") &&
        absl::SimpleAtoi(line, &kib)) {
      return kib * 1024;
    }
  }
  return 0;
}

std::vector<GpuInventory> ParseNvidiaSmi(absl::string_view output) {
  std::vector<GpuInventory> gpus;
  for (const absl::string_view line : absl::StrSplit(output, '\n', absl::SkipWhitespace())) {
    const size_t comma = line.rfind(',');
    uint64_t mib = 0;
    if (comma == absl::string_view::npos || comma == 0 ||
        !absl::SimpleAtoi(line.substr(comma + 1), &mib) || gpus.size() >= kMaxGpus) {
      continue;
    }
    const absl::string_view name = absl::StripAsciiWhitespace(line.substr(0, comma));
    gpus.push_back({std::string(name.substr(0, kMaxNameBytes)), mib << 20});
  }
  return gpus;
}

std::string ParseServerVersion(absl::string_view output) {
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::ConsumePrefix(&line, "version:")) {
      return std::string(absl::StripAsciiWhitespace(line).substr(0, 64));
    }
  }
  return "";
}

MachineInventory ReadInventory(const std::string& llama_server) {
  MachineInventory inventory;
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) {
    inventory.cpu_cores = CPU_COUNT(&cores);
  }
  inventory.memory_bytes = ParseMemoryTotal(ReadText("/proc/meminfo"));
  constexpr char kNvidiaSmi[] = "/usr/bin/nvidia-smi";
  if (access(kNvidiaSmi, X_OK) == 0) {
    inventory.gpus = ParseNvidiaSmi(
        OutputOf({kNvidiaSmi, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"}));
  }
  for (GpuInventory& gpu : ReadAmdGpus()) {
    if (inventory.gpus.size() < kMaxGpus) {
      inventory.gpus.push_back(std::move(gpu));
    }
  }
  if (access(llama_server.c_str(), X_OK) == 0) {
    inventory.llama_server_version = ParseServerVersion(OutputOf({llama_server, "--version"}));
  }
  return inventory;
}

}  // namespace rolemesh::agent
