#include "base/tls/csr.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "tests/unit/base/tls/test_authority.h"

namespace rolemesh::base {
namespace {

using ::testing::HasSubstr;

std::string Der(X509_REQ* csr) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(csr, &der);
  std::string bytes(reinterpret_cast<char*>(der), size);
  OPENSSL_free(der);
  return bytes;
}

/// The DER of a request for `key`'s owner signed with `signer` and `digest`; frees the keys.
std::string CsrDer(EVP_PKEY* key, const EVP_MD* digest, EVP_PKEY* signer = nullptr) {
  X509_REQ* const csr = X509_REQ_new();
  X509_REQ_set_pubkey(csr, key);
  EXPECT_GT(X509_REQ_sign(csr, signer != nullptr ? signer : key, digest), 0);
  std::string der = Der(csr);
  X509_REQ_free(csr);
  EVP_PKEY_free(key);
  EVP_PKEY_free(signer);
  return der;
}

absl::Status Refusal(const std::string& csr) {
  return ParseCsr(csr).status();
}

TEST(CsrTest, AMadeRequestGivesItsKey) {
  const PrivateKey key = TestKey();
  const auto csr = MakeCsr(key);
  ASSERT_TRUE(csr.ok()) << csr.status();
  const auto parsed = ParseCsr(*csr);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->SpkiSha256Hex(), key.public_key().SpkiSha256Hex());
}

TEST(CsrTest, AcceptsStrongKeysInDer) {
  for (const std::string& der :
       {CsrDer(EVP_EC_gen("P-256"), EVP_sha256()), CsrDer(EVP_EC_gen("P-384"), EVP_sha384()),
        CsrDer(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), nullptr),
        CsrDer(EVP_RSA_gen(3072), EVP_sha256())}) {
    EXPECT_TRUE(ParseCsr(der).ok()) << Refusal(der);
  }
}

TEST(CsrTest, RefusesWeakKeys) {
  for (const std::string& der :
       {CsrDer(EVP_RSA_gen(512), EVP_sha256()), CsrDer(EVP_RSA_gen(1024), EVP_sha256()),
        CsrDer(EVP_RSA_gen(2048), EVP_sha256()), CsrDer(EVP_EC_gen("P-192"), EVP_sha256()),
        CsrDer(EVP_EC_gen("secp256k1"), EVP_sha256())}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Refusal(der)));
    EXPECT_THAT(std::string(Refusal(der).message()), HasSubstr("use EC P-256"));
  }
}

TEST(CsrTest, RefusesACurveSpelledOutInNumbers) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  EVP_PKEY_set_utf8_string_param(key, "encoding", "explicit");
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(CsrDer(key, EVP_sha256()))));
}

TEST(CsrTest, RefusesWeakDigests) {
  EXPECT_THAT(std::string(Refusal(CsrDer(EVP_EC_gen("P-256"), EVP_sha1())).message()),
              HasSubstr("SHA1"));
  EXPECT_THAT(std::string(Refusal(CsrDer(EVP_RSA_gen(3072), EVP_md5())).message()),
              HasSubstr("MD5"));
}

TEST(CsrTest, RefusesASignatureOfAnotherKey) {
  const std::string der = CsrDer(EVP_EC_gen("P-256"), EVP_sha256(), EVP_EC_gen("P-256"));
  EXPECT_THAT(std::string(Refusal(der).message()), HasSubstr("own key"));
}

TEST(CsrTest, EveryTruncationIsRefused) {
  const std::string der = CsrDer(EVP_EC_gen("P-256"), EVP_sha256());
  for (size_t size = 0; size < der.size(); ++size) {
    ASSERT_TRUE(absl::IsInvalidArgument(Refusal(der.substr(0, size)))) << size;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(der + "x")));
  const std::string pem = MakeCsr(TestKey()).value();
  for (size_t size = 0; size + 1 < pem.size(); ++size) {
    ASSERT_TRUE(absl::IsInvalidArgument(Refusal(pem.substr(0, size)))) << size;
  }
}

TEST(CsrTest, EveryChangedByteIsRefusedOrChangesNothing) {
  const std::string der = CsrDer(EVP_EC_gen("P-256"), EVP_sha256());
  const std::string hash = ParseCsr(der)->SpkiSha256Hex();
  for (size_t i = 0; i < der.size(); ++i) {
    std::string changed = der;
    changed[i] ^= 0x20;
    const auto parsed = ParseCsr(changed);
    ASSERT_TRUE(!parsed.ok() || parsed->SpkiSha256Hex() == hash) << i;
  }
}

TEST(CsrTest, RefusesOtherThings) {
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal("")));
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(std::string(1 << 20, '0'))));
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(std::string(TestKey().ToPem().reveal()))));
}

}  // namespace
}  // namespace rolemesh::base
