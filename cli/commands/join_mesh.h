// meshctl join: become an operator.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `join`.
void AddJoinCommand(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
