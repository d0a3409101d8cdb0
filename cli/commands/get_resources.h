// meshctl status and meshctl get: what the mesh is like.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `status` and `get KIND [NAME] [-o table|json|yaml] [--watch]`.
void AddGetCommands(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
