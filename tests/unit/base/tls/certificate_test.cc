#include "base/tls/certificate.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/unit/base/tls/test_authority.h"

namespace rolemesh::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Purpose = Certificate::Purpose;

const absl::Time kNow = absl::FromUnixSeconds(1'767'225'600);

TEST(CertificateTest, SaysWhatWasIssued) {
  const CertificateIssuer root = TestRoot(kNow);
  LeafRequest request = TestLeafRequest("node/gpu-1", kNow);
  request.dns_sans = {"gpu-1.example"};
  request.ip_sans = {"192.0.2.7", "2001:db8::7"};
  const auto read = Certificate::FromPem(TestLeaf(root, request).certificate.ToPem());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->subject_cn(), "node/gpu-1");
  EXPECT_EQ(read->issuer(), "CN=demo root");
  EXPECT_THAT(read->uri_sans(), ElementsAre("spiffe://demo/node/gpu-1"));
  EXPECT_THAT(read->dns_sans(), ElementsAre("gpu-1.example"));
  EXPECT_THAT(read->ip_sans(), ElementsAre("192.0.2.7", "2001:db8::7"));
  EXPECT_EQ(read->not_before(), kNow - absl::Minutes(5));
  EXPECT_EQ(read->not_after(), kNow + absl::Hours(1));
  EXPECT_FALSE(read->is_ca());
  EXPECT_FALSE(read->is_self_signed());
  EXPECT_TRUE(root.certificate().is_self_signed());
}

TEST(CertificateTest, DerAndPemGoThereAndBack) {
  const Certificate root = TestRoot(kNow).certificate();
  EXPECT_EQ(Certificate::FromDer(root.ToDer()).value(), root);
  EXPECT_EQ(Certificate::FromPem(root.ToPem()).value(), root);
  EXPECT_FALSE(TestRoot(kNow).certificate() == root);
}

TEST(CertificateTest, ChainsKeepTheirOrder) {
  const Certificate a = TestRoot(kNow).certificate();
  const Certificate b = TestRoot(kNow).certificate();
  const auto chain = Certificate::ParseChainPem("# roots\n" + ChainToPem({a, b}));
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_THAT(*chain, ElementsAre(a, b));
  EXPECT_TRUE(absl::IsInvalidArgument(Certificate::FromPem(ChainToPem({a, b})).status()));
}

TEST(CertificateTest, EveryTruncationIsRefused) {
  const Certificate root = TestRoot(kNow).certificate();
  const std::string pem = root.ToPem();
  for (size_t size = 0; size + 1 < pem.size(); ++size) {
    ASSERT_TRUE(absl::IsInvalidArgument(Certificate::FromPem(pem.substr(0, size)).status()))
        << size;
  }
  const std::string der = root.ToDer();
  for (size_t size = 0; size < der.size(); ++size) {
    ASSERT_TRUE(absl::IsInvalidArgument(Certificate::FromDer(der.substr(0, size)).status()))
        << size;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Certificate::FromDer(der + "x").status()));
}

TEST(CertificateTest, RefusesOtherThings) {
  const std::string pem = TestRoot(kNow).certificate().ToPem();
  const std::string mebibyte(1 << 20, 'A');
  for (const std::string& text : {std::string(), std::string("hello"), mebibyte, pem + mebibyte}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Certificate::FromPem(text).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(Certificate::ParseChainPem(text).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(Certificate::FromDer(text).status()));
  }
  const auto with_key = Certificate::ParseChainPem(absl::StrCat(pem, TestKey().ToPem().reveal()));
  EXPECT_EQ(with_key.status().message(),
            "certificate 2: expected a CERTIFICATE block, found PRIVATE KEY");
}

TEST(CertificateTest, EveryChangedByteIsRefusedOrFailsToVerify) {
  const CertificateIssuer root = TestRoot(kNow);
  const Certificate leaf = TestLeaf(root, TestLeafRequest("node/a", kNow)).certificate;
  const std::string der = leaf.ToDer();
  for (size_t i = 0; i < der.size(); ++i) {
    std::string changed = der;
    changed[i] ^= 0x01;
    const auto read = Certificate::FromDer(changed);
    ASSERT_FALSE(read.ok() && read->VerifiedBy({root.certificate()}, {}, kNow).ok()) << i;
  }
}

TEST(CertificateTest, AChainVerifiesToItsRootOnly) {
  const CertificateIssuer root = TestRoot(kNow);
  const CertificateIssuer replica = TestIntermediate(root, kNow);
  const CertificateIssuer foreign = TestRoot(kNow);  // the same subject, another key
  ASSERT_EQ(foreign.certificate().subject(), root.certificate().subject());
  const Certificate leaf = TestLeaf(replica, TestLeafRequest("node/a", kNow)).certificate;

  EXPECT_TRUE(leaf.VerifiedBy({root.certificate()}, {replica.certificate()}, kNow).ok());
  // A root among the intermediates is trusted no more than they are.
  const struct {
    const char* what;
    std::vector<Certificate> roots, intermediates;
  } kCases[] = {
      {"no root", {}, {replica.certificate(), root.certificate()}},
      {"intermediate missing", {root.certificate()}, {}},
      {"wrong root", {foreign.certificate()}, {replica.certificate()}},
      {"wrong root, right one presented",
       {foreign.certificate()},
       {replica.certificate(), root.certificate()}},
      {"an intermediate is no root", {replica.certificate()}, {}},
      {"the leaf is no root", {leaf}, {}},
  };
  for (const auto& test : kCases) {
    EXPECT_TRUE(absl::IsUnauthenticated(leaf.VerifiedBy(test.roots, test.intermediates, kNow)))
        << test.what;
  }
}

TEST(CertificateTest, TimeAndPurposeAreChecked) {
  const CertificateIssuer root = TestRoot(kNow);
  LeafRequest request = TestLeafRequest("edge/e", kNow);
  request.server_auth = false;
  const Certificate leaf = TestLeaf(root, request).certificate;
  const struct {
    absl::Duration after;
    Purpose purpose;
    const char* refused;
  } kCases[] = {
      {absl::ZeroDuration(), Purpose::kAny, ""},
      {absl::ZeroDuration(), Purpose::kClient, ""},
      {absl::ZeroDuration(), Purpose::kServer, "unsuitable certificate purpose"},
      {-absl::Minutes(4), Purpose::kClient, ""},
      {-absl::Minutes(6), Purpose::kClient, "not yet valid"},
      {absl::Minutes(59), Purpose::kClient, ""},
      {absl::Minutes(61), Purpose::kClient, "has expired"},
  };
  for (const auto& test : kCases) {
    const absl::Status status =
        leaf.VerifiedBy({root.certificate()}, {}, kNow + test.after, test.purpose);
    if (*test.refused == '\0') {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_TRUE(absl::IsUnauthenticated(status));
      EXPECT_THAT(std::string(status.message()), HasSubstr(test.refused));
    }
  }
}

TEST(CertificateTest, ALeafCannotSign) {
  const CertificateIssuer root = TestRoot(kNow);
  TestIdentity leaf = TestLeaf(root, TestLeafRequest("node/a", kNow));
  EXPECT_TRUE(absl::IsInvalidArgument(
      CertificateIssuer::Build(leaf.certificate, std::move(leaf.key)).status()));
}

TEST(CertificateTest, TheRootsHashIsThatOfItsKey) {
  const CertificateIssuer root = TestRoot(kNow);
  EXPECT_EQ(root.certificate().SpkiSha256Hex(), root.key().public_key().SpkiSha256Hex());
  EXPECT_EQ(root.certificate().SpkiSha256Hex(),
            absl::AsciiStrToLower(root.certificate().SpkiSha256Hex()));
}

}  // namespace
}  // namespace rolemesh::base
