// A certificate authority for tests.
#pragma once

#include <string>
#include <utility>

#include "absl/time/time.h"

#include "base/tls/certificate.h"
#include "base/tls/certificate_issuer.h"
#include "base/tls/private_key.h"

namespace rolemesh::base {

/// A certificate with its key.
struct TestIdentity {
  Certificate certificate;
  PrivateKey key;
};

inline PrivateKey TestKey() {
  return PrivateKey::GenerateP256().value();
}

/// A root of the mesh "demo" that began at `now`.
inline CertificateIssuer TestRoot(absl::Time now, absl::Duration validity = absl::Hours(24)) {
  PrivateKey key = TestKey();
  Certificate certificate =
      SelfSignedCa({.name = "demo root", .trust_domain = "demo", .now = now, .validity = validity},
                   key)
          .value();
  return CertificateIssuer::Build(std::move(certificate), std::move(key)).value();
}

/// An authority under `root`.
inline CertificateIssuer TestIntermediate(const CertificateIssuer& root, absl::Time now) {
  PrivateKey key = TestKey();
  Certificate certificate = root.IssueIntermediate({.name = "demo replica b",
                                                    .trust_domain = "demo",
                                                    .now = now,
                                                    .validity = absl::Hours(12)},
                                                   key.public_key())
                                .value();
  return CertificateIssuer::Build(std::move(certificate), std::move(key)).value();
}

/// A request for spiffe://demo/`path`, good as client and server for an hour.
inline LeafRequest TestLeafRequest(const std::string& path, absl::Time now) {
  return {.subject_cn = path,
          .uri_sans = {"spiffe://demo/" + path},
          .client_auth = true,
          .server_auth = true,
          .not_before = now,
          .not_after = now + absl::Hours(1)};
}

inline TestIdentity TestLeaf(const CertificateIssuer& issuer, const LeafRequest& request) {
  PrivateKey key = TestKey();
  Certificate certificate = issuer.IssueLeaf(request, key.public_key()).value();
  return {.certificate = std::move(certificate), .key = std::move(key)};
}

}  // namespace rolemesh::base
