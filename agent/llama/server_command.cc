#include "agent/llama/server_command.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/status/errno_status.h"
#include "base/status/status_macros.h"

namespace rolemesh::agent {
namespace {

// What may follow an argument.
enum class ValueForm {
  kNone,
  kNumber,
  kWord,  // a-z A-Z 0-9 _ . , : + -; does not begin with "-"
  kFile,  // a file in models_dir
};

struct KnownArgument {
  absl::string_view name;
  ValueForm value;
};

// Of llama-server's own list; what is not here is refused.
constexpr KnownArgument kKnown[] = {
    // Where the work is done.
    {"-ngl", ValueForm::kWord},
    {"--gpu-layers", ValueForm::kWord},
    {"--n-gpu-layers", ValueForm::kWord},
    {"-dev", ValueForm::kWord},
    {"--device", ValueForm::kWord},
    {"-sm", ValueForm::kWord},
    {"--split-mode", ValueForm::kWord},
    {"-ts", ValueForm::kWord},
    {"--tensor-split", ValueForm::kWord},
    {"-mg", ValueForm::kNumber},
    {"--main-gpu", ValueForm::kNumber},
    {"-cmoe", ValueForm::kNone},
    {"--cpu-moe", ValueForm::kNone},
    {"-ncmoe", ValueForm::kNumber},
    {"--n-cpu-moe", ValueForm::kNumber},
    {"-tb", ValueForm::kNumber},
    {"--threads-batch", ValueForm::kNumber},
    {"--threads-http", ValueForm::kNumber},
    {"--numa", ValueForm::kWord},
    {"--prio", ValueForm::kNumber},
    {"--poll", ValueForm::kNumber},
    {"-nkvo", ValueForm::kNone},
    {"--no-kv-offload", ValueForm::kNone},
    {"-nr", ValueForm::kNone},
    {"--no-repack", ValueForm::kNone},
    {"-lm", ValueForm::kWord},
    {"--load-mode", ValueForm::kWord},
    {"-fit", ValueForm::kWord},
    {"--fit", ValueForm::kWord},
    {"-fitt", ValueForm::kWord},
    {"--fit-target", ValueForm::kWord},
    // How the context is kept.
    {"-ub", ValueForm::kNumber},
    {"--ubatch-size", ValueForm::kNumber},
    {"-fa", ValueForm::kWord},
    {"--flash-attn", ValueForm::kWord},
    {"-ctk", ValueForm::kWord},
    {"--cache-type-k", ValueForm::kWord},
    {"-ctv", ValueForm::kWord},
    {"--cache-type-v", ValueForm::kWord},
    {"--cache-reuse", ValueForm::kNumber},
    {"-ctxcp", ValueForm::kNumber},
    {"--ctx-checkpoints", ValueForm::kNumber},
    {"--context-shift", ValueForm::kNone},
    {"--swa-full", ValueForm::kNone},
    {"-sps", ValueForm::kNumber},
    {"--slot-prompt-similarity", ValueForm::kNumber},
    {"--rope-scaling", ValueForm::kWord},
    {"--rope-scale", ValueForm::kNumber},
    {"--rope-freq-base", ValueForm::kNumber},
    {"--rope-freq-scale", ValueForm::kNumber},
    {"--yarn-orig-ctx", ValueForm::kNumber},
    {"--yarn-ext-factor", ValueForm::kNumber},
    {"--yarn-attn-factor", ValueForm::kNumber},
    {"--yarn-beta-slow", ValueForm::kNumber},
    {"--yarn-beta-fast", ValueForm::kNumber},
    // Further model files.
    {"-mm", ValueForm::kFile},
    {"--mmproj", ValueForm::kFile},
    {"--lora", ValueForm::kFile},
    {"-md", ValueForm::kFile},
    {"--spec-draft-model", ValueForm::kFile},
    {"--model-draft", ValueForm::kFile},
    {"--spec-draft-n-max", ValueForm::kNumber},
    {"--spec-draft-n-min", ValueForm::kNumber},
    {"--spec-draft-ngl", ValueForm::kWord},
    {"--image-min-tokens", ValueForm::kNumber},
    {"--image-max-tokens", ValueForm::kNumber},
    // What it says.
    {"--jinja", ValueForm::kNone},
    {"--no-jinja", ValueForm::kNone},
    {"--chat-template", ValueForm::kWord},
    {"--chat-template-file", ValueForm::kFile},
    {"--reasoning-format", ValueForm::kWord},
    {"-rea", ValueForm::kWord},
    {"--reasoning", ValueForm::kWord},
    {"--reasoning-effort", ValueForm::kWord},
    {"--reasoning-budget", ValueForm::kNumber},
    {"--pooling", ValueForm::kWord},
    {"--rerank", ValueForm::kNone},
    {"--reranking", ValueForm::kNone},
    {"--spm-infill", ValueForm::kNone},
    {"--seed", ValueForm::kNumber},
    {"-n", ValueForm::kNumber},
    {"--n-predict", ValueForm::kNumber},
    {"--temp", ValueForm::kNumber},
    {"--top-k", ValueForm::kNumber},
    {"--top-p", ValueForm::kNumber},
    {"--min-p", ValueForm::kNumber},
    {"--repeat-penalty", ValueForm::kNumber},
    {"--presence-penalty", ValueForm::kNumber},
    {"--frequency-penalty", ValueForm::kNumber},
    // How it runs.
    {"--no-warmup", ValueForm::kNone},
    {"--check-tensors", ValueForm::kNone},
    {"--offline", ValueForm::kNone},
    {"-lv", ValueForm::kNumber},
    {"--log-verbosity", ValueForm::kNumber},
    {"--sse-ping-interval", ValueForm::kNumber},
};

struct RefusedArgument {
  absl::string_view name;
  absl::string_view why;
};

constexpr RefusedArgument kRefused[] = {
    {"--host", "the server listens on 127.0.0.1 only; remove it"},
    {"--port", "the agent chooses the port; remove it"},
    {"-m", "use the key \"model\""},
    {"--model", "use the key \"model\""},
    {"-np", "use the key \"slots\""},
    {"--parallel", "use the key \"slots\""},
    {"-c", "use the key \"context_per_slot\""},
    {"--ctx-size", "use the key \"context_per_slot\""},
    {"-b", "use the key \"batch_tokens\""},
    {"--batch-size", "use the key \"batch_tokens\""},
    {"-t", "use the key \"threads\""},
    {"--threads", "use the key \"threads\""},
    {"--embeddings", "use the key \"embeddings\""},
    {"--embedding", "use the key \"embeddings\""},
    {"-cram", "use the key \"host_cache_mib\""},
    {"--cache-ram", "use the key \"host_cache_mib\""},
    {"-a", "the agent sets it; remove it"},
    {"--alias", "the agent sets it; remove it"},
    {"--api-key", "each server gets a key of its own; remove it"},
    {"--api-key-file", "each server gets a key of its own; remove it"},
    {"--tools", "it lets requests run programs on this machine; remove it"},
    {"-ag", "it lets requests run programs on this machine; remove it"},
    {"--agent", "it lets requests run programs on this machine; remove it"},
    {"--mcp-servers-config", "it lets requests run programs on this machine; remove it"},
    {"--mcp-servers-json", "it lets requests run programs on this machine; remove it"},
    {"--ui-mcp-proxy", "it lets requests reach other hosts; remove it"},
    {"--webui-mcp-proxy", "it lets requests reach other hosts; remove it"},
    {"--rpc", "it trusts whoever answers on the network; remove it"},
    {"--media-path", "it lets requests read files of this machine; remove it"},
    {"--slot-save-path", "it lets requests write files of this machine; remove it"},
    {"--props", "it lets requests change the server; remove it"},
    {"--models-dir", "one server runs one model; add another instance instead"},
    {"--models-preset", "one server runs one model; add another instance instead"},
    {"-hf", "models are files in models_dir; fetch it beforehand"},
    {"--hf-repo", "models are files in models_dir; fetch it beforehand"},
    {"-mu", "models are files in models_dir; fetch it beforehand"},
    {"--model-url", "models are files in models_dir; fetch it beforehand"},
    {"--log-file", "the agent keeps the log; remove it"},
};

bool IsWord(absl::string_view value) {
  return !value.empty() && value[0] != '-' &&
         std::all_of(value.begin(), value.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) ||
                  absl::StrContains("_.,:+-",
                                    absl::string_view(reinterpret_cast<const char*>(&c), 1));
         });
}

bool IsNumber(absl::string_view value) {
  double number;
  return absl::SimpleAtod(value, &number) &&
         std::all_of(value.begin(), value.end(), [](unsigned char c) {
           return absl::ascii_isdigit(c) || c == '-' || c == '.';
         });
}

absl::Status Refuse(absl::string_view argument, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(argument, ": ", why));
}

}  // namespace

absl::StatusOr<std::string> ResolveModel(const std::string& models_dir, const std::string& model) {
  if (model.empty() || model.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("the model's name is empty or holds a zero byte");
  }
  const auto resolve = [](const std::string& path,
                          absl::string_view what) -> absl::StatusOr<std::string> {
    char* const resolved = realpath(path.c_str(), nullptr);
    if (resolved == nullptr) {
      return base::ErrnoStatus(errno, what);
    }
    std::string result(resolved);
    free(resolved);
    return result;
  };
  RM_ASSIGN_OR_RETURN(const std::string folder, resolve(models_dir, models_dir));
  const std::string wanted = model[0] == '/' ? model : absl::StrCat(folder, "/", model);
  RM_ASSIGN_OR_RETURN(std::string path, resolve(wanted, model));
  if (!absl::StartsWith(path, absl::StrCat(folder == "/" ? "" : folder, "/"))) {
    return absl::PermissionDeniedError(
        absl::StrCat(model, ": lies outside ", models_dir, "; move it there"));
  }
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return base::ErrnoStatus(errno, model);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(model, ": is not a regular file"));
  }
  return path;
}

absl::StatusOr<std::vector<std::string>> CheckExtraArguments(
    absl::Span<const std::string> arguments, const std::string& models_dir) {
  std::vector<std::string> checked;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    const absl::string_view bare = absl::string_view(name).substr(0, name.find('='));
    const auto* const refused =
        std::find_if(std::begin(kRefused), std::end(kRefused),
                     [&](const RefusedArgument& argument) { return argument.name == bare; });
    if (refused != std::end(kRefused)) {
      return Refuse(bare, refused->why);
    }
    const auto* const known =
        std::find_if(std::begin(kKnown), std::end(kKnown),
                     [&](const KnownArgument& argument) { return argument.name == name; });
    if (known == std::end(kKnown)) {
      return Refuse(name,
                    "is not on the list of allowed arguments; write name and value as two "
                    "items, or remove it");
    }
    checked.push_back(name);
    if (known->value == ValueForm::kNone) {
      continue;
    }
    if (i + 1 == arguments.size()) {
      return Refuse(name, "its value is missing; add it as the next item");
    }
    const std::string& value = arguments[++i];
    switch (known->value) {
      case ValueForm::kNumber:
        if (!IsNumber(value)) {
          return Refuse(name, "its value must be a number");
        }
        checked.push_back(value);
        break;
      case ValueForm::kWord:
        if (!IsWord(value) && !IsNumber(value)) {
          return Refuse(name, "its value must be one word of letters, digits and _.,:+-");
        }
        checked.push_back(value);
        break;
      case ValueForm::kFile: {
        RM_ASSIGN_OR_RETURN(std::string path, ResolveModel(models_dir, value));
        if (path.find(',') != std::string::npos) {
          return Refuse(name, "a comma in the file's name would name two files; rename it");
        }
        checked.push_back(std::move(path));
        break;
      }
      case ValueForm::kNone:
        break;
    }
  }
  return checked;
}

std::vector<std::string> BuildServerArguments(const ServerSettings& settings, uint16_t port,
                                              const std::string& key_file) {
  const int64_t context = int64_t{settings.slot_count} * settings.context_per_slot;
  std::vector<std::string> arguments = {
      "--host",
      "127.0.0.1",  //
      "--port",
      absl::StrCat(port),  //
      "--api-key-file",
      key_file,   //
      "--no-ui",  //
      "-m",
      settings.model_path,  //
      "--alias",
      settings.alias,  //
      "-np",
      absl::StrCat(settings.slot_count),  //
      "-c",
      absl::StrCat(context),  //
      "-b",
      absl::StrCat(settings.batch_tokens),  //
      "--cache-ram",
      absl::StrCat(settings.host_cache_mib)  //
  };
  if (settings.threads > 0) {
    arguments.insert(arguments.end(), {"-t", absl::StrCat(settings.threads)});
  }
  if (settings.embeddings) {
    arguments.push_back("--embeddings");
  }
  arguments.insert(arguments.end(), settings.extra_arguments.begin(),
                   settings.extra_arguments.end());
  return arguments;
}

std::vector<std::string> BuildServerEnvironment(absl::Span<const std::string> environment) {
  std::vector<std::string> kept;
  for (const std::string& entry : environment) {
    const absl::string_view name = absl::string_view(entry).substr(0, entry.find('='));
    if (name == "PATH" || name == "HOME" || name == "LANG" || absl::StartsWith(name, "CUDA_") ||
        absl::StartsWith(name, "HIP_") || absl::StartsWith(name, "GGML_")) {
      kept.push_back(entry);
    }
  }
  return kept;
}

absl::StatusOr<uint16_t> FindFreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return base::ErrnoStatus(errno, "a free port");
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      bind(fd, generic, sizeof(address)) == 0 && getsockname(fd, generic, &length) == 0;
  const int error = errno;
  close(fd);
  if (!found) {
    return base::ErrnoStatus(error, "a free port");
  }
  return ntohs(address.sin_port);
}

bool IsPortTaken(absl::string_view log_tail) {
  return absl::StrContains(log_tail, "couldn't bind HTTP server socket");
}

std::string FindExitReason(absl::string_view log_tail) {
  absl::string_view plain;
  for (absl::string_view line : absl::StrSplit(log_tail, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    // "0.00.023.134 E cmn  common_init_: failed to load model '/x.gguf'"
    const size_t mark = line.find(" E ");
    if (mark != absl::string_view::npos && mark < 32) {
      const size_t colon = line.find(": ", mark);
      line = absl::StripAsciiWhitespace(
          line.substr(colon == absl::string_view::npos ? mark + 3 : colon + 2));
      return std::string(line.substr(0, 300));
    }
    if (absl::StartsWith(line, "error") || absl::StartsWith(line, "terminate called") ||
        absl::StrContains(line, "GGML_ASSERT") || absl::StrContains(line, "cannot ")) {
      plain = plain.empty() ? line : plain;
    }
  }
  return std::string(plain.substr(0, 300));
}

}  // namespace rolemesh::agent
