// Which paths clients may use, and what each of them is.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace rolemesh::dataplane {

enum class ApiKind {
  // Answered by an endpoint of the role.
  kChatCompletions,
  kChatInputTokens,
  kCompletions,
  kEmbeddings,
  kRerank,
  kResponses,
  kMessages,
  kMessagesCountTokens,
  kTranscriptions,
  kTokenize,
  kDetokenize,
  kApplyTemplate,
  kInfill,
  kNativeCompletion,
  // Answered by the edge itself.
  kModels,
  kModel,
  kHealth,
  kReady,
};

/// How errors look on a path.
enum class ErrorShape {
  kOpenAi,     ///< {"error":{"message","type","param","code"}}
  kAnthropic,  ///< {"type":"error","error":{"type","message"}}
};

enum class BodyKind {
  kNone,       ///< GET; a body is read and ignored.
  kJson,       ///< An object with `model` and perhaps `stream`.
  kMultipart,  ///< multipart/form-data with a field `model`.
};

struct ApiPath {
  ApiKind kind;
  absl::string_view method;  ///< GET (HEAD is allowed with it) or POST.
  absl::string_view path;    ///< A trailing "/" stands for "and one more segment".
  BodyKind body;
  bool streams;  ///< Answers with SSE when asked by `stream`.
  ErrorShape errors;
  bool needs_key;  ///< Clients must show an API key.

  /// An endpoint answers, not the edge.
  bool forwarded() const { return body != BodyKind::kNone; }
};

/// The whole API; nothing else is reachable, on edges as on fronts.
absl::Span<const ApiPath> AllApiPaths();

/// The entry for a path without its query, or null. "/v1/models/x" is kModel.
const ApiPath* FindApiPath(absl::string_view path);

/// What follows the prefix of kModel, percent-decoded; nullopt when that is malformed.
absl::optional<std::string> ModelIdOf(absl::string_view path);

}  // namespace rolemesh::dataplane
