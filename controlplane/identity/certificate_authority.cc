#include "controlplane/identity/certificate_authority.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/stat.h>

#include "base/status/annotate.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"
#include "base/tls/csr.h"
#include "base/tls/private_key.h"
#include "base/tls/secret_file.h"

namespace rolemesh::controlplane {
namespace {

std::string KeyPath(absl::string_view dir) {
  return absl::StrCat(dir, "/root.key");
}
std::string RootPath(absl::string_view dir) {
  return absl::StrCat(dir, "/root.pem");
}

}  // namespace

CertificateAuthority::CertificateAuthority(std::string mesh, base::CertificateIssuer issuer)
    : mesh_(std::move(mesh)),
      issuer_(std::move(issuer)),
      roots_pem_(issuer_.certificate().ToPem()),
      root_spki_sha256_(issuer_.certificate().SpkiSha256Hex()) {}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Create(const std::string& dir,
                                                                  absl::string_view mesh,
                                                                  absl::Time now) {
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return base::ErrnoStatus(errno, dir);
  struct stat found;
  if (stat(KeyPath(dir).c_str(), &found) == 0 || stat(RootPath(dir).c_str(), &found) == 0) {
    return absl::AlreadyExistsError(absl::StrCat(dir, ": holds a certificate authority already"));
  }
  RM_ASSIGN_OR_RETURN(base::PrivateKey key, base::PrivateKey::GenerateP256());
  RM_ASSIGN_OR_RETURN(base::Certificate root,
                      base::SelfSignedCa({.name = absl::StrCat(mesh.substr(0, 40), " mesh root"),
                                          .trust_domain = std::string(mesh),
                                          .now = now,
                                          .validity = kRootLife},
                                         key));
  RM_RETURN_IF_ERROR(base::WriteFileAtomically(KeyPath(dir), key.ToPem().reveal(), 0600));
  RM_RETURN_IF_ERROR(base::WriteFileAtomically(RootPath(dir), root.ToPem(), 0644));
  return Load(dir, mesh);
}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Load(const std::string& dir,
                                                                absl::string_view mesh) {
  RM_ASSIGN_OR_RETURN(const base::Secret key_pem, base::ReadSecretFile(KeyPath(dir)));
  absl::StatusOr<base::PrivateKey> key = base::PrivateKey::FromPem(key_pem.reveal());
  if (!key.ok()) return base::Annotate(key.status(), KeyPath(dir));
  RM_ASSIGN_OR_RETURN(const std::string root_pem, base::ReadSmallFile(RootPath(dir)));
  absl::StatusOr<base::Certificate> root = base::Certificate::FromPem(root_pem);
  if (!root.ok()) return base::Annotate(root.status(), RootPath(dir));
  const std::string uri = absl::StrCat("spiffe://", mesh);
  if (root->uri_sans() != std::vector<std::string>{uri}) {
    return absl::InvalidArgumentError(absl::StrCat(RootPath(dir), ": is not the root of ", uri));
  }
  absl::StatusOr<base::CertificateIssuer> issuer =
      base::CertificateIssuer::Build(*std::move(root), *std::move(key));
  if (!issuer.ok()) return base::Annotate(issuer.status(), dir);
  return CertificateAuthority(std::string(mesh), *std::move(issuer));
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::Issue(absl::string_view csr,
                                                              contract::IdentityKind kind,
                                                              absl::string_view name,
                                                              absl::Time now) const {
  RM_ASSIGN_OR_RETURN(const base::PublicKey key, base::ParseCsr(csr));
  const contract::SpiffeId id{.mesh = mesh_, .kind = kind, .name = std::string(name)};
  const bool serves =
      kind == contract::IdentityKind::kNode || kind == contract::IdentityKind::kControlPlane;
  RM_ASSIGN_OR_RETURN(
      const base::Certificate leaf,
      issuer_.IssueLeaf({.subject_cn = std::string(name.substr(0, 64)),
                         .uri_sans = {id.ToUri()},
                         .dns_sans = {},
                         .ip_sans = {},
                         .client_auth = true,
                         .server_auth = serves,
                         .not_before = now,
                         .not_after = std::min(now + kLeafLife, issuer_.certificate().not_after())},
                        key));
  IssuedCertificate issued{.chain_pem = leaf.ToPem(),
                           .serial = leaf.serial_hex(),
                           .not_before = leaf.not_before(),
                           .not_after = leaf.not_after()};
  // A joining client compares the root with its token's pin, so the server presents it.
  if (kind == contract::IdentityKind::kControlPlane) issued.chain_pem += roots_pem_;
  return issued;
}

}  // namespace rolemesh::controlplane
