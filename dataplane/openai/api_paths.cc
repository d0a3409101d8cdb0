#include "dataplane/openai/api_paths.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace rolemesh::dataplane {
namespace {

constexpr absl::string_view kModelPrefix = "/v1/models/";

constexpr ErrorShape kOpenAi = ErrorShape::kOpenAi;
constexpr ErrorShape kAnthropic = ErrorShape::kAnthropic;

// kind, method, path, body, streams, errors, needs_key
constexpr ApiPath kPaths[] = {
    {ApiKind::kChatCompletions, "POST", "/v1/chat/completions", BodyKind::kJson, true, kOpenAi,
     true},
    {ApiKind::kChatInputTokens, "POST", "/v1/chat/completions/input_tokens", BodyKind::kJson, false,
     kOpenAi, true},
    {ApiKind::kCompletions, "POST", "/v1/completions", BodyKind::kJson, true, kOpenAi, true},
    {ApiKind::kEmbeddings, "POST", "/v1/embeddings", BodyKind::kJson, false, kOpenAi, true},
    {ApiKind::kRerank, "POST", "/v1/rerank", BodyKind::kJson, false, kOpenAi, true},
    {ApiKind::kResponses, "POST", "/v1/responses", BodyKind::kJson, true, kOpenAi, true},
    {ApiKind::kMessages, "POST", "/v1/messages", BodyKind::kJson, true, kAnthropic, true},
    {ApiKind::kMessagesCountTokens, "POST", "/v1/messages/count_tokens", BodyKind::kJson, false,
     kAnthropic, true},
    {ApiKind::kTranscriptions, "POST", "/v1/audio/transcriptions", BodyKind::kMultipart, false,
     kOpenAi, true},
    {ApiKind::kTokenize, "POST", "/tokenize", BodyKind::kJson, false, kOpenAi, true},
    {ApiKind::kDetokenize, "POST", "/detokenize", BodyKind::kJson, false, kOpenAi, true},
    {ApiKind::kApplyTemplate, "POST", "/apply-template", BodyKind::kJson, false, kOpenAi, true},
    {ApiKind::kInfill, "POST", "/infill", BodyKind::kJson, true, kOpenAi, true},
    {ApiKind::kNativeCompletion, "POST", "/completion", BodyKind::kJson, true, kOpenAi, true},
    {ApiKind::kModels, "GET", "/v1/models", BodyKind::kNone, false, kOpenAi, true},
    {ApiKind::kModel, "GET", kModelPrefix, BodyKind::kNone, false, kOpenAi, true},
    {ApiKind::kHealth, "GET", "/health", BodyKind::kNone, false, kOpenAi, false},
    {ApiKind::kReady, "GET", "/ready", BodyKind::kNone, false, kOpenAi, false},
};

}  // namespace

absl::Span<const ApiPath> AllApiPaths() {
  return kPaths;
}

const ApiPath* FindApiPath(absl::string_view path) {
  for (const ApiPath& entry : kPaths) {
    if (entry.kind == ApiKind::kModel ? absl::StartsWith(path, entry.path) && path != entry.path
                                      : path == entry.path) {
      return &entry;
    }
  }
  return nullptr;
}

absl::optional<std::string> ModelIdOf(absl::string_view path) {
  absl::string_view rest = absl::StripPrefix(path, kModelPrefix);
  std::string id;
  while (!rest.empty()) {
    if (rest[0] != '%') {
      id.push_back(rest[0]);
      rest.remove_prefix(1);
      continue;
    }
    if (rest.size() < 3 || !absl::ascii_isxdigit(rest[1]) || !absl::ascii_isxdigit(rest[2])) {
      return absl::nullopt;
    }
    id += absl::HexStringToBytes(rest.substr(1, 2));
    rest.remove_prefix(3);
  }
  return id;
}

}  // namespace rolemesh::dataplane
