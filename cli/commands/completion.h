// meshctl completion: for shells.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `completion bash`, made from the commands of `app`, so add it last.
void AddCompletionCommand(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
