// meshctl token: who may join.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `token create`.
void AddTokenCommands(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
