#include "controlplane/identity/server_certificate.h"

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <sys/stat.h>

#include "base/status/errno_status.h"
#include "base/status/status_macros.h"
#include "base/tls/csr.h"
#include "base/tls/private_key.h"
#include "base/tls/secret_file.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::string_view kCertificateBegin = "-----BEGIN CERTIFICATE-----";

absl::Time TwoThirds(absl::Time begin, absl::Time end) {
  return begin + (end - begin) * 2 / 3;
}

}  // namespace

ServerCertificate::ServerCertificate(const CertificateAuthority* authority, std::string dir,
                                     std::string replica)
    : authority_(authority), dir_(std::move(dir)), replica_(std::move(replica)) {}

std::string ServerCertificate::PemPath() const {
  return absl::StrCat(dir_, "/server.pem");
}
std::string ServerCertificate::RootsPath() const {
  return absl::StrCat(dir_, "/roots.pem");
}

absl::StatusOr<absl::Time> ServerCertificate::RenewalOfFiles(absl::Time now) const {
  RM_ASSIGN_OR_RETURN(const std::string roots, base::ReadSmallFile(RootsPath()));
  RM_ASSIGN_OR_RETURN(const base::Secret pem, base::ReadSecretFile(PemPath()));
  const size_t begin = pem.reveal().find(kCertificateBegin);
  if (begin == absl::string_view::npos) return absl::InvalidArgumentError("no certificate");
  RM_ASSIGN_OR_RETURN(const std::vector<base::Certificate> chain,
                      base::Certificate::ParseChainPem(pem.reveal().substr(begin)));
  const contract::SpiffeId id{
      .mesh = authority_->mesh(), .kind = contract::IdentityKind::kControlPlane, .name = replica_};
  const base::Certificate& leaf = chain.front();
  if (roots != authority_->roots_pem() || leaf.uri_sans() != std::vector{id.ToUri()}) {
    return absl::FailedPreconditionError("another root or replica");
  }
  RM_RETURN_IF_ERROR(leaf.VerifiedBy({chain.back()}, {}, now, base::Certificate::Purpose::kServer));
  return TwoThirds(leaf.not_before(), leaf.not_after());
}

absl::StatusOr<absl::Time> ServerCertificate::Refresh(absl::Time now) {
  if (mkdir(dir_.c_str(), 0700) != 0 && errno != EEXIST) return base::ErrnoStatus(errno, dir_);
  const absl::StatusOr<absl::Time> renewal = RenewalOfFiles(now);
  if (renewal.ok() && *renewal > now) return *renewal;
  RM_ASSIGN_OR_RETURN(const base::PrivateKey key, base::PrivateKey::GenerateP256());
  RM_ASSIGN_OR_RETURN(const std::string csr, base::MakeCsr(key));
  RM_ASSIGN_OR_RETURN(const IssuedCertificate issued,
                      authority_->Issue(csr, contract::IdentityKind::kControlPlane, replica_, now));
  const base::Secret pem(absl::StrCat(key.ToPem().reveal(), issued.chain_pem));
  RM_RETURN_IF_ERROR(base::WriteFileAtomically(RootsPath(), authority_->roots_pem(), 0644));
  RM_RETURN_IF_ERROR(base::WriteFileAtomically(PemPath(), pem.reveal(), 0600));
  return TwoThirds(issued.not_before, issued.not_after);
}

}  // namespace rolemesh::controlplane
