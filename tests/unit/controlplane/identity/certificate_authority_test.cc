// The CA writes who somebody is, whatever the CSR says.
#include "controlplane/identity/certificate_authority.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/tls/certificate.h"
#include "base/tls/csr.h"
#include "base/tls/private_key.h"

namespace rolemesh::controlplane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=admin/O=root
//   -addext subjectAltName=URI:spiffe://home/operator/root,DNS:controlplane,IP:10.0.0.1
//   -addext basicConstraints=critical,CA:TRUE -addext extendedKeyUsage=serverAuth
constexpr char kGreedyCsr[] = R"(-----BEGIN CERTIFICATE REQUEST-----
MIIBTjCB9AIBADAfMQ4wDAYDVQQDDAVhZG1pbjENMAsGA1UECgwEcm9vdDBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABFnlY2ZQ/Fi27vUME0DDzqiFPxUd67lPnsuu
5E62FGAGCUldwtyaAHYIrZrVbuUQnqXUS/bPHJmuFMwDCb4Fwx+gczBxBgkqhkiG
9w0BCQ4xZDBiMDoGA1UdEQQzMDGGG3NwaWZmZTovL2hvbWUvb3BlcmF0b3Ivcm9v
dIIMY29udHJvbHBsYW5lhwQKAAABMA8GA1UdEwEB/wQFMAMBAf8wEwYDVR0lBAww
CgYIKwYBBQUHAwEwCgYIKoZIzj0EAwIDSQAwRgIhAJ0tnHH+DcYPly+mJp1UkZ6l
Jzbgi9Wf4cF8viW/X6TIAiEAgZKxRaowaZTlzGq5RXOfYGUm4LjWkzc2GudM6dYx
tpE=
-----END CERTIFICATE REQUEST-----
)";

const absl::Time kNow = absl::FromUnixSeconds(1767225600);

class CertificateAuthorityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/rolemesh-ca-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  CertificateAuthority Create() {
    absl::StatusOr<CertificateAuthority> authority =
        CertificateAuthority::Create(Dir(), "home", kNow);
    EXPECT_TRUE(authority.ok()) << authority.status();
    return *std::move(authority);
  }
  std::string Dir() const { return folder_ + "/ca"; }

  std::string folder_;
};

TEST_F(CertificateAuthorityTest, NamesAndUsagesOfTheCsrAreIgnored) {
  const CertificateAuthority authority = Create();
  const absl::StatusOr<IssuedCertificate> issued =
      authority.Issue(kGreedyCsr, contract::IdentityKind::kEdge, "edge-1", kNow);
  ASSERT_TRUE(issued.ok()) << issued.status();
  const absl::StatusOr<std::vector<base::Certificate>> chain =
      base::Certificate::ParseChainPem(issued->chain_pem);
  ASSERT_TRUE(chain.ok()) << chain.status();
  ASSERT_EQ(chain->size(), 1U);
  const base::Certificate& leaf = chain->front();
  EXPECT_THAT(leaf.uri_sans(), ElementsAre("spiffe://home/edge/edge-1"));
  EXPECT_THAT(leaf.dns_sans(), IsEmpty());
  EXPECT_THAT(leaf.ip_sans(), IsEmpty());
  EXPECT_EQ(leaf.subject_cn(), "edge-1");
  EXPECT_FALSE(leaf.is_ca());
  EXPECT_EQ(leaf.not_after(), kNow + absl::Hours(24));
  EXPECT_EQ(leaf.serial_hex(), issued->serial);

  const base::Certificate root = *base::Certificate::FromPem(authority.roots_pem());
  EXPECT_TRUE(leaf.VerifiedBy({root}, {}, kNow, base::Certificate::Purpose::kClient).ok());
  EXPECT_FALSE(leaf.VerifiedBy({root}, {}, kNow, base::Certificate::Purpose::kServer).ok());
}

TEST_F(CertificateAuthorityTest, OnlyNodesAndControlPlanesMayServe) {
  const CertificateAuthority authority = Create();
  const base::Certificate root = *base::Certificate::FromPem(authority.roots_pem());
  for (const auto& [kind, serves] : std::vector<std::pair<contract::IdentityKind, bool>>{
           {contract::IdentityKind::kNode, true},
           {contract::IdentityKind::kControlPlane, true},
           {contract::IdentityKind::kEdge, false},
           {contract::IdentityKind::kOperator, false}}) {
    const IssuedCertificate issued = *authority.Issue(kGreedyCsr, kind, "x", kNow);
    const base::Certificate leaf = base::Certificate::ParseChainPem(issued.chain_pem)->front();
    EXPECT_EQ(leaf.VerifiedBy({root}, {}, kNow, base::Certificate::Purpose::kServer).ok(), serves)
        << contract::IdentityKindName(kind);
    EXPECT_TRUE(leaf.VerifiedBy({root}, {}, kNow, base::Certificate::Purpose::kClient).ok());
  }
}

TEST_F(CertificateAuthorityTest, AControlPlanesChainEndsWithTheRootForPinning) {
  const CertificateAuthority authority = Create();
  const IssuedCertificate issued =
      *authority.Issue(kGreedyCsr, contract::IdentityKind::kControlPlane, "cp-1", kNow);
  const std::vector<base::Certificate> chain = *base::Certificate::ParseChainPem(issued.chain_pem);
  ASSERT_EQ(chain.size(), 2U);
  EXPECT_EQ(chain[1].SpkiSha256Hex(), authority.root_spki_sha256());
}

TEST_F(CertificateAuthorityTest, ASecondOneIsRefusedAndTheFirstUnharmed) {
  const std::string pin = Create().root_spki_sha256();
  EXPECT_TRUE(absl::IsAlreadyExists(CertificateAuthority::Create(Dir(), "home", kNow).status()));
  EXPECT_EQ(CertificateAuthority::Load(Dir(), "home")->root_spki_sha256(), pin);
}

TEST_F(CertificateAuthorityTest, TheKeyIsForItsOwnerOnly) {
  Create();
  struct stat found;
  ASSERT_EQ(stat((Dir() + "/root.key").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  ASSERT_EQ(stat(Dir().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
  ASSERT_EQ(chmod((Dir() + "/root.key").c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(CertificateAuthority::Load(Dir(), "home").status()));
}

TEST_F(CertificateAuthorityTest, AnotherMeshsRootIsRefused) {
  Create();
  EXPECT_TRUE(absl::IsInvalidArgument(CertificateAuthority::Load(Dir(), "work").status()));
}

TEST_F(CertificateAuthorityTest, ACsrThatIsNoneIsInvalid) {
  const CertificateAuthority authority = Create();
  EXPECT_TRUE(absl::IsInvalidArgument(
      authority.Issue("nonsense", contract::IdentityKind::kNode, "x", kNow).status()));
}

}  // namespace
}  // namespace rolemesh::controlplane
