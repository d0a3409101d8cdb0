// meshctl apply and delete: roles as a file.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"

namespace rolemesh::cli {

/// Adds `apply -f FILE` and `delete role NAME`.
void AddRoleCommands(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
