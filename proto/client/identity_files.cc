#include "proto/client/identity_files.h"

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include <sys/stat.h>

#include "base/status/annotate.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"
#include "base/tls/certificate.h"
#include "base/tls/secret.h"
#include "base/tls/secret_file.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::client {

absl::StatusOr<MeshIdentity> MakeIdentity(base::Secret key_pem, std::string certificate_chain_pem,
                                          std::string roots_pem) {
  RM_ASSIGN_OR_RETURN(const std::vector<base::Certificate> chain,
                      base::Certificate::ParseChainPem(certificate_chain_pem));
  RM_RETURN_IF_ERROR(base::Annotate(base::Certificate::ParseChainPem(roots_pem).status(), "roots"));
  const base::Certificate& leaf = chain.front();
  if (leaf.uri_sans().size() != 1) {
    return absl::InvalidArgumentError("the certificate does not name exactly one member");
  }
  RM_ASSIGN_OR_RETURN(contract::SpiffeId id, contract::ParseSpiffeId(leaf.uri_sans()[0]));
  return MeshIdentity{.key_pem = std::move(key_pem),
                      .certificate_chain_pem = std::move(certificate_chain_pem),
                      .roots_pem = std::move(roots_pem),
                      .id = std::move(id),
                      .serial = leaf.serial_hex(),
                      .not_before = leaf.not_before(),
                      .not_after = leaf.not_after()};
}

absl::StatusOr<MeshIdentity> LoadIdentity(const std::string& folder) {
  RM_ASSIGN_OR_RETURN(base::Secret key, base::ReadSecretFile(absl::StrCat(folder, "/key.pem")));
  RM_ASSIGN_OR_RETURN(std::string chain,
                      base::ReadSmallFile(absl::StrCat(folder, "/certificate.pem")));
  RM_ASSIGN_OR_RETURN(std::string roots, base::ReadSmallFile(absl::StrCat(folder, "/roots.pem")));
  absl::StatusOr<MeshIdentity> identity =
      MakeIdentity(std::move(key), std::move(chain), std::move(roots));
  if (!identity.ok()) return base::Annotate(identity.status(), folder);
  return identity;
}

absl::Status SaveIdentity(const std::string& folder, const MeshIdentity& identity) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::ErrnoStatus(errno, folder);
  }
  RM_RETURN_IF_ERROR(
      base::WriteFileAtomically(absl::StrCat(folder, "/roots.pem"), identity.roots_pem, 0644));
  RM_RETURN_IF_ERROR(base::WriteFileAtomically(absl::StrCat(folder, "/certificate.pem"),
                                               identity.certificate_chain_pem, 0644));
  return base::WriteFileAtomically(absl::StrCat(folder, "/key.pem"), identity.key_pem.reveal(),
                                   0600);
}

}  // namespace rolemesh::client
