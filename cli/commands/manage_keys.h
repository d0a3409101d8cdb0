// meshctl key: API keys of clients.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `key create`, `key list` and `key revoke`.
void AddKeyCommands(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
