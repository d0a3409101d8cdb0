// Reads from a request's body what routing needs, once, and changes nothing.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "dataplane/openai/api_error.h"

namespace rolemesh::dataplane {

/// Bytes that must be allocated (not initialised) behind a body that is inspected: the
/// JSON scanner reads whole vectors.
inline constexpr size_t kInspectionPadding = 64;

/// Nesting beyond this is refused: engines parse by recursion.
inline constexpr size_t kMaxJsonDepth = 64;

struct RequestInspection {
  absl::optional<std::string> model;  ///< Decoded; nullopt: the body names none.
  bool stream = false;
  /// Where `model`'s value stands in the body, with its quotes; for SpliceModel.
  size_t model_offset = 0;
  size_t model_length = 0;
};

/// Reads `model` and `stream` of a JSON body. Refuses what the engine and we might read
/// differently: a byte order mark, invalid UTF-8, a key that comes twice, brackets that do not
/// match, anything behind the object. Values that are not looked at are checked for
/// their nesting only; the engine refuses the rest.
///
/// `body` has kInspectionPadding bytes of room behind it; if not (`padded` false) it is copied.
/// Returns the error to answer with, or nullopt.
absl::optional<ApiError> InspectJson(absl::string_view body, bool padded,
                                     RequestInspection* result);

/// Reads the field `model` of multipart/form-data. `content_type` is the header's value.
absl::optional<ApiError> InspectMultipart(absl::string_view content_type, absl::string_view body,
                                          RequestInspection* result);

/// `body` with `model` as the value of the key that InspectJson found, or as a first key when it
/// found none. Every other byte stays.
std::string SpliceModel(absl::string_view body, const RequestInspection& inspection,
                        absl::string_view model);

}  // namespace rolemesh::dataplane
