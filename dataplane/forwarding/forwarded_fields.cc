#include "dataplane/forwarding/forwarded_fields.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rolemesh::dataplane {
namespace {

// Names in lower case; a name that ends in "-" or "_" stands for all that start so.
constexpr absl::string_view kDroppedFromRequests[] = {
    "host",   "content-length", "expect", "accept-encoding", "authorization", "x-api-key",
    "cookie", "forwarded",      "via",    "x-forwarded-",    "x-real-ip",     "x-rolemesh-",
};
constexpr absl::string_view kDroppedFromAnswers[] = {
    "content-length", "server", "set-cookie", "alt-svc", "access-control-", "x-rolemesh-",
};
constexpr absl::string_view kRewrittenInStreams[] = {"x-accel-buffering", "cache-control"};

template <size_t N>
bool Listed(const absl::string_view (&list)[N], absl::string_view name) {
  return std::any_of(std::begin(list), std::end(list), [&](absl::string_view entry) {
    return absl::EndsWith(entry, "-") ? absl::StartsWithIgnoreCase(name, entry)
                                      : absl::EqualsIgnoreCase(name, entry);
  });
}

bool BelongsToConnection(const base::HeaderFields& fields, absl::string_view name) {
  return base::IsHopByHop(name) || base::ConnectionLists(fields, name);
}

void AppendLine(std::string* out, const base::HeaderField& field) {
  absl::StrAppend(out, field.name, ": ", field.value, "\r\n");
}

}  // namespace

std::string ForwardedRequestFields(const base::RequestHead& head) {
  std::string out;
  for (const base::HeaderField& field : head.fields) {
    if (!BelongsToConnection(head.fields, field.name) &&
        !Listed(kDroppedFromRequests, field.name)) {
      AppendLine(&out, field);
    }
  }
  return out;
}

std::string ForwardedAnswerFields(const base::ResponseHead& head) {
  std::string out;
  const bool stream = IsEventStream(head);
  for (const base::HeaderField& field : head.fields) {
    if (!BelongsToConnection(head.fields, field.name) && !Listed(kDroppedFromAnswers, field.name) &&
        !(stream && Listed(kRewrittenInStreams, field.name))) {
      AppendLine(&out, field);
    }
  }
  return out;
}

bool IsEventStream(const base::ResponseHead& head) {
  constexpr absl::string_view kType = "text/event-stream";
  const absl::string_view value = head.Find("Content-Type").value_or("");
  return absl::StartsWithIgnoreCase(value, kType) &&
         (value.size() == kType.size() || value[kType.size()] == ';' ||
          absl::ascii_isspace(static_cast<unsigned char>(value[kType.size()])));
}

}  // namespace rolemesh::dataplane
