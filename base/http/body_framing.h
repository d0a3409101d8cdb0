// Where a message's body ends.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/http/message_head.h"

namespace rolemesh::base {

/// How a body's end is told.
struct BodyFraming {
  enum Kind { kNone, kLength, kChunked, kUntilClose };
  Kind kind = kNone;
  uint64_t length = 0;  ///< Of kLength.
};

BodyFraming FramingOf(const RequestHead& head);
/// `to_head`: the request was HEAD, so that no body follows whatever the head says.
BodyFraming FramingOf(const ResponseHead& head, bool to_head);

/// Limits on what a chunked body carries beside its payload (security.md H5).
struct ChunkLimits {
  size_t extension_bytes = 256;              ///< Per chunk.
  size_t total_extension_bytes = 16 * 1024;  ///< Per body.
  size_t trailer_fields = 16;                ///< 0: trailers are refused.
  size_t trailer_bytes = 4 * 1024;
};

/// Follows one body through bytes that are passed on or decoded. Strict: CRLF only, hex digits
/// only, at most 15 of them; trailer lines are checked like header fields and never shown.
/// Thread-safety: owned by its caller.
class BodyTracker {
 public:
  /// Receives payload as views into the bytes that were fed, without framing.
  using Sink = absl::FunctionRef<void(absl::string_view payload)>;

  BodyTracker() : BodyTracker(BodyFraming{}) {}
  explicit BodyTracker(BodyFraming framing, const ChunkLimits& limits = {});

  /// How many of `bytes` belong to this body; fewer than all only when it is complete: the rest is
  /// the next message, or nobody's.
  /// Errors: InvalidArgument: bad framing or over a limit; what `sink` saw before stands. Answer
  /// 400 (or cut the stream) and close. Further calls repeat the error.
  absl::StatusOr<size_t> Feed(absl::string_view bytes);
  absl::StatusOr<size_t> Feed(absl::string_view bytes, Sink sink);

  /// The sender has closed in order.
  /// Errors: Unavailable: the body is not complete: it must not look complete to anyone.
  absl::Status OnEof();

  bool complete() const { return state_ == kDone; }
  const BodyFraming& framing() const { return framing_; }
  uint64_t payload_bytes() const { return payload_bytes_; }
  /// kLength: bytes still to come.
  uint64_t remaining() const { return framing_.kind == BodyFraming::kLength ? left_ : 0; }

 private:
  enum State : uint8_t {
    kSize,       // in the hex digits
    kExtension,  // behind ";"
    kSizeLf,     // CR of the size line was seen
    kPayload,    // left_ bytes to come
    kPayloadCr,  // the CRLF behind a chunk
    kPayloadLf,
    kTrailerStart,  // at the start of a line behind the last chunk
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kLastLf,
    kDone,
    kFailed,
  };

  absl::Status Fail(absl::string_view message);
  absl::Status error() const;
  absl::StatusOr<size_t> FeedChunked(absl::string_view bytes, Sink sink);

  BodyFraming framing_;
  ChunkLimits limits_;
  uint64_t left_ = 0;
  uint64_t payload_bytes_ = 0;
  size_t extension_total_ = 0;
  size_t extension_bytes_ = 0;  // of this chunk
  size_t trailer_bytes_ = 0;
  size_t trailer_count_ = 0;
  absl::string_view failure_;  // a literal
  State state_ = kDone;
  uint8_t digits_ = 0;
};

}  // namespace rolemesh::base
