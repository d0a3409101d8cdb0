// How a llama-server is started: its arguments and its environment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rolemesh::agent {

/// What the configuration decides about one server.
/// Thread-safety: a value.
struct ServerSettings {
  std::string model_path = {};  ///< From ResolveModel().
  std::string alias = {};       ///< What its answers call the model.
  int slot_count = 1;           ///< Requests at once.
  int context_per_slot = 4096;  ///< Tokens.
  int batch_tokens = 512;       ///< Prompt tokens between two looks at who has left.
  int threads = 0;              ///< 0: llama-server's default.
  int host_cache_mib = 0;       ///< Cache of old conversations in RAM; 0: none.
  bool embeddings = false;
  std::vector<std::string> extra_arguments = {};  ///< From CheckExtraArguments().
};

/// The absolute path of `model` inside `models_dir`, with every link resolved.
/// Errors: NotFound: no such file; PermissionDenied: it lies outside `models_dir`;
/// InvalidArgument: not a regular file. The message begins with the model's name.
absl::StatusOr<std::string> ResolveModel(const std::string& models_dir, const std::string& model);

/// Arguments beyond the settings, as a person wrote them, made safe: each is on a list of known
/// ones, with a value of the right form; files are resolved as ResolveModel() does.
/// Errors: InvalidArgument: the message begins with the argument and says why it is refused and
/// what to do; those of ResolveModel().
absl::StatusOr<std::vector<std::string>> CheckExtraArguments(
    absl::Span<const std::string> arguments, const std::string& models_dir);

/// All arguments without the program's name. The server listens on 127.0.0.1:`port` and asks for
/// the key in `key_file`; the key itself is not among them, where every user could read it. Pure.
std::vector<std::string> BuildServerArguments(const ServerSettings& settings, uint16_t port,
                                              const std::string& key_file);

/// Of `environment` (NAME=VALUE each) what a server may see: PATH, HOME, LANG and CUDA_*, HIP_*,
/// GGML_*. Above all no LLAMA_ARG_*, which would override arguments. Pure.
std::vector<std::string> BuildServerEnvironment(absl::Span<const std::string> environment);

/// A free port on 127.0.0.1. Another program may take it before the server does; the server then
/// ends, see IsPortTaken().
/// Errors: as ErrnoStatus.
absl::StatusOr<uint16_t> FindFreePort();

/// Whether a server's last words say that its port was taken: start again with another. Pure.
bool IsPortTaken(absl::string_view log_tail);

/// The line that best says why a server ended: the first error of its last words, without time
/// and module, at most 300 bytes; empty when there is none. Pure.
std::string FindExitReason(absl::string_view log_tail);

}  // namespace rolemesh::agent
