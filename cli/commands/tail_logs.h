// meshctl logs: what a llama-server wrote.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `logs NODE/INSTANCE`.
void AddLogsCommand(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
