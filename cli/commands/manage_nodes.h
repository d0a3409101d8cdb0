// meshctl node: take machines out of use and back.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `node drain`, `node undrain` and `node address`.
void AddNodeCommands(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
