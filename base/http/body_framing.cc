#include "base/http/body_framing.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

#include "base/http/field_syntax.h"

namespace rolemesh::base {
namespace {

constexpr int kMaxSizeDigits = 15;  // less than 2^60: no overflow

}  // namespace

BodyFraming FramingOf(const RequestHead& head) {
  if (head.chunked) {
    return {BodyFraming::kChunked, 0};
  }
  if (head.content_length.value_or(0) > 0) {
    return {BodyFraming::kLength, *head.content_length};
  }
  return {};
}

BodyFraming FramingOf(const ResponseHead& head, bool to_head) {
  if (to_head || head.status / 100 == 1 || head.status == 204 || head.status == 304) {
    return {};
  }
  if (head.chunked) {
    return {BodyFraming::kChunked, 0};
  }
  if (head.content_length.has_value()) {
    return {*head.content_length > 0 ? BodyFraming::kLength : BodyFraming::kNone,
            *head.content_length};
  }
  return {BodyFraming::kUntilClose, 0};
}

BodyTracker::BodyTracker(BodyFraming framing, const ChunkLimits& limits)
    : framing_(framing), limits_(limits) {
  switch (framing.kind) {
    case BodyFraming::kNone:
      break;
    case BodyFraming::kLength:
      left_ = framing.length;
      state_ = left_ > 0 ? kPayload : kDone;
      break;
    case BodyFraming::kChunked:
      state_ = kSize;
      break;
    case BodyFraming::kUntilClose:
      state_ = kPayload;
      break;
  }
}

absl::Status BodyTracker::Fail(absl::string_view message) {
  state_ = kFailed;
  failure_ = message;
  return error();
}

absl::Status BodyTracker::error() const {
  return absl::InvalidArgumentError(failure_);
}

absl::StatusOr<size_t> BodyTracker::Feed(absl::string_view bytes) {
  return Feed(bytes, [](absl::string_view) {});
}

absl::StatusOr<size_t> BodyTracker::Feed(absl::string_view bytes, Sink sink) {
  if (state_ == kFailed) {
    return error();
  }
  if (state_ == kDone || bytes.empty()) {
    return size_t{0};
  }
  switch (framing_.kind) {
    case BodyFraming::kChunked:
      return FeedChunked(bytes, sink);
    case BodyFraming::kLength:
      bytes = bytes.substr(0, std::min<uint64_t>(bytes.size(), left_));
      left_ -= bytes.size();
      state_ = left_ > 0 ? kPayload : kDone;
      break;
    default:
      break;
  }
  payload_bytes_ += bytes.size();
  sink(bytes);
  return bytes.size();
}

absl::StatusOr<size_t> BodyTracker::FeedChunked(absl::string_view bytes, Sink sink) {
  size_t i = 0;
  while (i < bytes.size() && state_ != kDone) {
    if (state_ == kPayload) {
      const absl::string_view payload =
          bytes.substr(i, std::min<uint64_t>(bytes.size() - i, left_));
      left_ -= payload.size();
      payload_bytes_ += payload.size();
      i += payload.size();
      if (left_ == 0) {
        state_ = kPayloadCr;
      }
      sink(payload);
      continue;
    }
    const char c = bytes[i++];
    const bool in_trailer = state_ >= kTrailerStart && state_ <= kTrailerLf;
    if (in_trailer && !(state_ == kTrailerStart && c == '\r') &&
        ++trailer_bytes_ > limits_.trailer_bytes) {
      return Fail("trailers too large");
    }
    switch (state_) {
      case kSize:
        if (absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
          if (++digits_ > kMaxSizeDigits) {
            return Fail("chunk size too long");
          }
          left_ = left_ * 16 + static_cast<uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        } else if (digits_ > 0 && c == ';') {
          state_ = kExtension;
          extension_bytes_ = 0;
        } else if (digits_ > 0 && c == '\r') {
          state_ = kSizeLf;
        } else {
          return Fail("bad chunk size");
        }
        break;
      case kExtension:
        if (c == '\r') {
          state_ = kSizeLf;
        } else if (!IsValueByte(c)) {
          return Fail("bad chunk extension");
        } else if (++extension_bytes_ > limits_.extension_bytes ||
                   ++extension_total_ > limits_.total_extension_bytes) {
          return Fail("chunk extensions too large");
        }
        break;
      case kSizeLf:
        if (c != '\n') {
          return Fail("bad end of a chunk size line");
        }
        digits_ = 0;
        state_ = left_ > 0 ? kPayload : kTrailerStart;
        break;
      case kPayloadCr:
        if (c != '\r') {
          return Fail("chunk longer than its size");
        }
        state_ = kPayloadLf;
        break;
      case kPayloadLf:
        if (c != '\n') {
          return Fail("chunk longer than its size");
        }
        state_ = kSize;
        break;
      case kTrailerStart:
        if (c == '\r') {
          state_ = kLastLf;
        } else if (++trailer_count_ > limits_.trailer_fields) {
          return Fail("too many trailers");
        } else if (!IsTokenByte(c)) {
          return Fail("bad trailer");
        } else {
          state_ = kTrailerName;
        }
        break;
      case kTrailerName:
        if (c == ':') {
          state_ = kTrailerValue;
        } else if (!IsTokenByte(c)) {
          return Fail("bad trailer");
        }
        break;
      case kTrailerValue:
        if (c == '\r') {
          state_ = kTrailerLf;
        } else if (!IsValueByte(c)) {
          return Fail("bad trailer");
        }
        break;
      case kTrailerLf:
        if (c != '\n') {
          return Fail("bad trailer");
        }
        state_ = kTrailerStart;
        break;
      case kLastLf:
        if (c != '\n') {
          return Fail("bad end of a chunked body");
        }
        state_ = kDone;
        break;
      case kPayload:
      case kDone:
      case kFailed:
        break;
    }
  }
  return i;
}

absl::Status BodyTracker::OnEof() {
  if (state_ == kFailed) {
    return error();
  }
  if (framing_.kind == BodyFraming::kUntilClose) {
    state_ = kDone;
  }
  return state_ == kDone ? absl::OkStatus()
                         : absl::UnavailableError("connection closed within the body");
}

}  // namespace rolemesh::base
