#include "base/tls/certificate_issuer.h"

#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/tls/csr.h"
#include "tests/unit/base/tls/test_authority.h"

namespace rolemesh::base {
namespace {

using ::testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'767'225'600);

TEST(CertificateIssuerTest, ARootIsACaForItsTrustDomain) {
  const Certificate root = TestRoot(kNow).certificate();
  EXPECT_TRUE(root.is_ca());
  EXPECT_EQ(root.subject_cn(), "demo root");
  EXPECT_THAT(root.uri_sans(), ElementsAre("spiffe://demo"));
  EXPECT_EQ(X509_get_pathlen(root.native()), 1);
  EXPECT_EQ(X509_get_key_usage(root.native()), uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_NE(X509_get0_subject_key_id(root.native()), nullptr);
  EXPECT_EQ(root.not_before(), kNow - absl::Minutes(5));
  EXPECT_EQ(root.not_after(), kNow + absl::Hours(24));
}

TEST(CertificateIssuerTest, AnIntermediateHasNoneBelow) {
  const CertificateIssuer root = TestRoot(kNow);
  const CertificateIssuer replica = TestIntermediate(root, kNow);
  EXPECT_EQ(X509_get_pathlen(replica.certificate().native()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      replica
          .IssueIntermediate(
              {.name = "c", .trust_domain = "demo", .now = kNow, .validity = absl::Hours(1)},
              TestKey().public_key())
          .status()));
}

TEST(CertificateIssuerTest, ALeafRefersToItsIssuerAndMayOnlySignHandshakes) {
  const CertificateIssuer root = TestRoot(kNow);
  LeafRequest request = TestLeafRequest("edge/e", kNow);
  request.server_auth = false;
  const Certificate leaf = TestLeaf(root, request).certificate;
  EXPECT_EQ(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(leaf.native()),
                                  X509_get0_subject_key_id(root.certificate().native())),
            0);
  EXPECT_NE(X509_get0_subject_key_id(leaf.native()), nullptr);
  EXPECT_EQ(X509_get_key_usage(leaf.native()), uint32_t{KU_DIGITAL_SIGNATURE});
  EXPECT_EQ(X509_get_extended_key_usage(leaf.native()), uint32_t{XKU_SSL_CLIENT});
}

TEST(CertificateIssuerTest, ALeafForACsrIsForItsKey) {
  const CertificateIssuer root = TestRoot(kNow);
  const PrivateKey key = TestKey();
  const auto public_key = ParseCsr(MakeCsr(key).value());
  ASSERT_TRUE(public_key.ok());
  const auto leaf = root.IssueLeaf(TestLeafRequest("node/a", kNow), *public_key);
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  EXPECT_EQ(leaf->SpkiSha256Hex(), key.public_key().SpkiSha256Hex());
}

TEST(CertificateIssuerTest, SerialsArePositiveLongAndDifferent) {
  const CertificateIssuer root = TestRoot(kNow);
  const PrivateKey key = TestKey();
  std::set<std::string> serials;
  for (int i = 0; i < 100; ++i) {
    const std::string serial =
        root.IssueLeaf(TestLeafRequest("node/a", kNow), key.public_key())->serial_hex();
    EXPECT_LE(serial.size(), 32u);
    EXPECT_GE(serial.size(), 24u) << "127 random bits begin with 32 zeros once in 2^32";
    serials.insert(serial);
  }
  EXPECT_EQ(serials.size(), 100u);
}

TEST(CertificateIssuerTest, NothingOutlivesItsIssuer) {
  const CertificateIssuer root = TestRoot(kNow, absl::Minutes(30));
  const Certificate leaf = TestLeaf(root, TestLeafRequest("node/a", kNow)).certificate;
  EXPECT_EQ(leaf.not_after(), kNow + absl::Minutes(30));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      root.IssueLeaf(TestLeafRequest("node/a", kNow + absl::Minutes(31)), TestKey().public_key())
          .status()));
}

TEST(CertificateIssuerTest, DatesBeyond2050AreRight) {
  const absl::Duration kCentury = absl::Hours(24 * 36'500);
  EXPECT_EQ(TestRoot(kNow, kCentury).certificate().not_after(), kNow + kCentury);
}

TEST(CertificateIssuerTest, TextIsTakenLiterally) {
  const CertificateIssuer root = TestRoot(kNow);
  LeafRequest request = TestLeafRequest("x", kNow);
  request.subject_cn = "a,CN=admin,DNS:b";
  request.uri_sans = {"spiffe://demo/node/a,URI:spiffe://demo/operator/admin"};
  const Certificate leaf = TestLeaf(root, request).certificate;
  EXPECT_EQ(leaf.subject_cn(), "a,CN=admin,DNS:b");
  EXPECT_THAT(leaf.uri_sans(), ElementsAre(request.uri_sans[0]));
  EXPECT_THAT(leaf.dns_sans(), ElementsAre());
}

TEST(CertificateIssuerTest, BadLeafRequestsAreRefused) {
  const CertificateIssuer root = TestRoot(kNow);
  const LeafRequest good = TestLeafRequest("node/a", kNow);
  const struct {
    const char* what;
    void (*spoil)(LeafRequest&);
  } kCases[] = {
      {"no SAN", [](LeafRequest& r) { r.uri_sans.clear(); }},
      {"1,000 SANs", [](LeafRequest& r) { r.uri_sans.resize(1'000, "spiffe://demo/node/a"); }},
      {"NUL in a URI", [](LeafRequest& r) { r.uri_sans = {std::string("a:\0b", 4)}; }},
      {"line end in a URI", [](LeafRequest& r) { r.uri_sans = {"a:b\r\n"}; }},
      {"no scheme", [](LeafRequest& r) { r.uri_sans = {"demo"}; }},
      {"umlaut in DNS", [](LeafRequest& r) { r.dns_sans = {"\xc3\xbc.example"}; }},
      {"bad IP", [](LeafRequest& r) { r.ip_sans = {"192.0.2"}; }},
      {"long CN", [](LeafRequest& r) { r.subject_cn = std::string(65, 'a'); }},
      {"broken UTF-8", [](LeafRequest& r) { r.subject_cn = "\xff"; }},
      {"no usage", [](LeafRequest& r) { r.client_auth = r.server_auth = false; }},
      {"ends first", [](LeafRequest& r) { r.not_after = r.not_before; }},
  };
  for (const auto& test : kCases) {
    LeafRequest request = good;
    test.spoil(request);
    EXPECT_TRUE(absl::IsInvalidArgument(root.IssueLeaf(request, TestKey().public_key()).status()))
        << test.what;
  }
}

TEST(CertificateIssuerTest, BadCaRequestsAreRefused) {
  const CaRequest good = {
      .name = "r", .trust_domain = "demo", .now = kNow, .validity = absl::Hours(1)};
  const PrivateKey key = TestKey();
  ASSERT_TRUE(SelfSignedCa(good, key).ok());
  CaRequest bad = good;
  bad.name = "";
  EXPECT_TRUE(absl::IsInvalidArgument(SelfSignedCa(bad, key).status()));
  bad = good;
  bad.trust_domain = "demo/node/a";
  EXPECT_TRUE(absl::IsInvalidArgument(SelfSignedCa(bad, key).status()));
  bad = good;
  bad.validity = absl::InfiniteDuration();
  EXPECT_TRUE(absl::IsInvalidArgument(SelfSignedCa(bad, key).status()));
}

TEST(CertificateIssuerTest, AnotherKeyIsNotTheAuthoritys) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      CertificateIssuer::Build(TestRoot(kNow).certificate(), TestKey()).status()));
}

}  // namespace
}  // namespace rolemesh::base
