// A small HTTP/1.1 client for cold paths: health probes and the like.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/net/io_task.h"
#include "base/net/socket_address.h"

struct ssl_ctx_st;

namespace rolemesh::base {

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  /// Added to Host, Connection and Content-Length, which the client writes itself.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string host;  ///< For Host and SNI; empty: the address.
};

struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  ///< De-chunked.

  /// The first value of the header `name` (any case), or nullopt.
  absl::optional<absl::string_view> Find(absl::string_view name) const;
};

struct FetchOptions {
  absl::Duration timeout = absl::Seconds(5);  ///< From connecting to the last byte.
  size_t max_body_bytes = 1 << 20;
  ssl_ctx_st* tls = nullptr;  ///< Speak TLS with these rules; outlives the fetch.
};

/// One request on a connection of its own. Follows no redirect, keeps no cookie, and any
/// status is an answer, not an error.
/// Errors: Unavailable: refused, reset or cut short; DeadlineExceeded; ResourceExhausted: the body
/// is over the limit; InvalidArgument: the request has a byte that would break its head; Internal:
/// the answer is not HTTP/1; PermissionDenied, FailedPrecondition: TLS (Connection).
IoTask<absl::StatusOr<HttpReply>> Fetch(IoExecutor executor, SocketAddress address,
                                        HttpRequest request, FetchOptions options = {});

/// The same for a thread that may wait: runs an event loop of its own.
absl::StatusOr<HttpReply> FetchBlocking(const SocketAddress& address, HttpRequest request,
                                        const FetchOptions& options = {});

}  // namespace rolemesh::base
