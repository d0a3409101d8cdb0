// Early return on a Status that is not OK.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// Returns from the enclosing function when `expr` (a Status) is not OK.
#define RM_RETURN_IF_ERROR(...)                                      \
  do {                                                               \
    if (::absl::Status rm_status = (__VA_ARGS__); !rm_status.ok()) { \
      return rm_status;                                              \
    }                                                                \
  } while (false)

/// Assigns the value of a StatusOr to `lhs` (which may declare a variable), or
/// returns its status: RM_ASSIGN_OR_RETURN(const Table table, Load(path));
#define RM_ASSIGN_OR_RETURN(lhs, ...) \
  RM_ASSIGN_OR_RETURN_IMPL_(RM_STATUS_CONCAT_(rm_status_or_, __LINE__), lhs, __VA_ARGS__)

#define RM_STATUS_CONCAT_INNER_(a, b) a##b
#define RM_STATUS_CONCAT_(a, b) RM_STATUS_CONCAT_INNER_(a, b)
#define RM_ASSIGN_OR_RETURN_IMPL_(result, lhs, ...) \
  auto result = (__VA_ARGS__);                      \
  if (!result.ok()) {                               \
    return std::move(result).status();              \
  }                                                 \
  lhs = *std::move(result)
