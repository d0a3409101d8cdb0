// The strict gate: decides whether bytes are one unambiguous HTTP/1 head.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

#include "base/http/message_head.h"

namespace rolemesh::base {

/// Limits of one head; the defaults are the edge's (security.md H5).
struct HeadLimits {
  size_t line_bytes = 8 * 1024;          ///< Start line without CRLF; beyond: 414.
  size_t field_block_bytes = 16 * 1024;  ///< All fields with their CRLFs; beyond: 431.
  size_t field_count = 100;              ///< Beyond: 431.
  size_t method_bytes = 16;
};

/// Why a head is refused. After one, answer, send `Connection: close` and close: where the
/// next message starts is not known.
struct HeadError {
  int http_status = 0;  ///< 400, 405, 414, 417, 431, 501, 505; for responses 502. 0 = no error.
  absl::string_view message;  ///< A literal; names no part of the input.

  bool ok() const { return http_status == 0; }
};

enum class MessageKind { kRequest, kResponse };

/// Finds the end of a head in a buffer that grows, and refuses as soon as what has come cannot
/// become a good one: nobody has to send an end to be refused.
///
///   HeadScanner scanner(MessageKind::kRequest);
///   while (scanner.Scan(buffer) == HeadScanner::kMore) { read more into buffer }
///   kComplete: head = buffer.substr(scanner.begin(), scanner.end() - scanner.begin());
///              the body starts at scanner.end()
///
/// Total work is linear in the bytes. One scanner per head.
/// Thread-safety: owned by its caller.
class HeadScanner {
 public:
  enum Result { kMore, kComplete, kRefused };

  explicit HeadScanner(MessageKind kind, const HeadLimits& limits = {})
      : kind_(kind), limits_(limits) {}

  /// `raw`: all bytes so far, starting where the head does; it may have moved in memory.
  /// One empty line before a request is skipped.
  Result Scan(absl::string_view raw);

  size_t begin() const { return begin_; }            ///< After kComplete.
  size_t end() const { return end_; }                ///< After kComplete: behind the empty line.
  const HeadError& error() const { return error_; }  ///< After kRefused.
  /// Whether any byte of the head has come (for time-outs: idle or slow).
  bool started() const { return started_; }

 private:
  Result Refuse(HeadError error);

  MessageKind kind_;
  HeadLimits limits_;
  HeadError error_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t line_start_ = 0;   // of the line that has not ended yet
  size_t scanned_ = 0;      // no LF in [line_start_, scanned_)
  size_t checked_ = 0;      // lines before this offset are known to be good
  size_t block_start_ = 0;  // behind the start line; 0 = it has not ended
  size_t field_count_ = 0;
  bool started_ = false;
};

/// Reads one complete head, from the start line up to and including the empty line.
///
/// Refuses everything that two parsers might read differently: bare CR or LF, folded lines, control
/// bytes, names that are no tokens, not exactly one Host, Content-Length other than one field
/// of 1..15 digits, Transfer-Encoding other than one "chunked" on HTTP/1.1, both together, their
/// twins with "_", targets that are not a plain path, Connection naming fields that
/// carry meaning. What passes is parsed again by Beast, and both must agree.
///
/// `*head` is overwritten; unspecified after an error.
HeadError ParseRequestHead(absl::string_view raw, const HeadLimits& limits, RequestHead* head);

/// The same for an answer; every error is 502. 1xx answers are returned like others: the
/// caller skips them, a bounded number of times.
HeadError ParseResponseHead(absl::string_view raw, const HeadLimits& limits, ResponseHead* head);

}  // namespace rolemesh::base
