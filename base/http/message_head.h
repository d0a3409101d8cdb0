// The first part of an HTTP/1 message: start line and fields.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace rolemesh::base {

/// One field as it came; the value without white space around it.
struct HeaderField {
  absl::string_view name;
  absl::string_view value;
};

using HeaderFields = absl::InlinedVector<HeaderField, 16>;

/// The first field called `name` (any case), or null.
const HeaderField* FindField(const HeaderFields& fields, absl::string_view name);
/// How many are called `name`.
size_t CountFields(const HeaderFields& fields, absl::string_view name);

/// Whether a field belongs to one connection and is never forwarded: Connection, Keep-Alive,
/// Proxy-Authenticate, Proxy-Authorization, Proxy-Connection, TE, Trailer, Transfer-Encoding,
/// Upgrade, HTTP2-Settings.
bool IsHopByHop(absl::string_view name);
/// Whether a Connection field lists `name`: such a field is not forwarded either.
bool ConnectionLists(const HeaderFields& fields, absl::string_view name);

/// A request that passed ParseRequestHead: everything here can be trusted to be well-formed.
/// Ownership: all views point into the bytes that were parsed. About 700 bytes: keep it
/// out of coroutine frames that live long.
struct RequestHead {
  absl::string_view method;  ///< GET, POST, DELETE, OPTIONS or HEAD.
  absl::string_view target;  ///< As sent; starts with "/".
  absl::string_view path;    ///< Before "?", not decoded; no dot segments.
  absl::string_view query;   ///< Behind "?"; empty without one. Never logged.
  int minor_version = 1;     ///< Of HTTP/1.
  HeaderFields fields;
  absl::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;  ///< What the client asked for.
  bool expect_continue = false;

  /// The value of the first field called `name`, or nullopt.
  absl::optional<absl::string_view> Find(absl::string_view name) const;
};

/// An answer that passed ParseResponseHead.
/// Ownership: as RequestHead.
struct ResponseHead {
  int minor_version = 1;
  int status = 0;  ///< 100..599
  absl::string_view reason;
  HeaderFields fields;
  absl::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;  ///< Whether the server keeps the connection; also needs a framed body.

  absl::optional<absl::string_view> Find(absl::string_view name) const;
};

}  // namespace rolemesh::base
