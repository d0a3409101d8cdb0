// Learns a mesh's root certificate from its control plane, checked by a pin.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/time/clock.h"
#include "base/tls/certificate.h"

namespace rolemesh::base {

/// Makes one TLS handshake with `host` (name or IP literal) to see the certificates it presents,
/// and returns the root among them: self-signed, a CA, its SPKI hash is
/// `expected_spki_sha256_hex`, and the server's certificate is verified by it at `clock`'s time.
/// So the server must send its root with its chain.
///
/// Sends nothing but the handshake (ALPN "h2", no client certificate), so whoever answers learns
/// no secret. Blocks for at most `timeout`, resolving `host` not counted; for programs that
/// have nothing else to do.
///
/// Errors:
///   Unauthenticated   "... is not the mesh of this token": stop, nothing was given away
///   Unavailable       no such host, refused, or what answers does not speak TLS 1.3: retry
///   DeadlineExceeded  no answer in time: retry
///   InvalidArgument   `expected_spki_sha256_hex` is not 64 hex digits
absl::StatusOr<Certificate> FetchPinnedRoot(absl::string_view host, uint16_t port,
                                            absl::string_view expected_spki_sha256_hex,
                                            absl::Duration timeout, const Clock& clock);

}  // namespace rolemesh::base
