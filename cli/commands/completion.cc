#include "cli/commands/completion.h"

#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {
namespace {

// One `case` line for a command: what may follow it.
void AppendCommand(const CLI::App& app, const std::string& path, std::string& script) {
  std::vector<std::string> words;
  for (const CLI::App* child : app.get_subcommands({})) words.push_back(child->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  if (path == "get ") {
    for (const char* kind : {"nodes", "instances", "roles", "edges", "routes", "keys"}) {
      words.emplace_back(kind);
    }
  }
  absl::StrAppend(&script, "    \"", path, "\") words=\"", absl::StrJoin(words, " "), "\" ;;\n");
  for (const CLI::App* child : app.get_subcommands({})) {
    AppendCommand(*child, absl::StrCat(path, child->get_name(), " "), script);
  }
}

std::string BashScript(const CLI::App& app) {
  std::string cases;
  AppendCommand(app, "", cases);
  return absl::StrCat(R"(# bash completion for meshctl; source <(meshctl completion bash)
_meshctl() {
  local current=${COMP_WORDS[COMP_CWORD]} path= word words
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) path+="$word " ;; esac
  done
  case $path in
)",
                      cases, R"(    *) words="--help" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _meshctl meshctl
)");
}

}  // namespace

void AddCompletionCommand(CLI::App& app, Session& session) {
  CLI::App* const completion = app.add_subcommand("completion", "Completion script for a shell");
  completion->require_subcommand(1);
  completion->add_subcommand("bash", "source <(meshctl completion bash)")
      ->callback([&app, &session] {
        std::cout << BashScript(app);
        session.status = absl::OkStatus();
      });
}

}  // namespace rolemesh::cli
