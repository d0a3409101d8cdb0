#include "base/tls/private_key.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "tests/unit/base/tls/test_authority.h"

namespace rolemesh::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Pem(EVP_PKEY* key, const EVP_CIPHER* cipher = nullptr) {
  BIO* const bio = BIO_new(BIO_s_mem());
  char passphrase[] = "pw";
  PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher != nullptr ? passphrase : nullptr,
                                cipher != nullptr ? 2 : 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, size);
  BIO_free(bio);
  EVP_PKEY_free(key);
  return pem;
}

TEST(PrivateKeyTest, PemGoesThereAndBack) {
  const PrivateKey made = TestKey();
  const auto read = PrivateKey::FromPem(made.ToPem().reveal());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->public_key().SpkiSha256Hex(), made.public_key().SpkiSha256Hex());
  EXPECT_EQ(read->public_key().SpkiSha256Hex().size(), 64u);
}

TEST(PrivateKeyTest, TwoKeysDiffer) {
  EXPECT_NE(TestKey().public_key().SpkiSha256Hex(), TestKey().public_key().SpkiSha256Hex());
}

TEST(PrivateKeyTest, AcceptsOnlyStrongKeys) {
  EXPECT_TRUE(PrivateKey::FromPem(Pem(EVP_EC_gen("P-384"))).ok());
  EXPECT_TRUE(PrivateKey::FromPem(Pem(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))).ok());
  EXPECT_TRUE(PrivateKey::FromPem(Pem(EVP_RSA_gen(2048))).ok());
  for (const std::string& pem :
       {Pem(EVP_RSA_gen(1024)), Pem(EVP_EC_gen("P-224")), Pem(EVP_EC_gen("secp256k1")),
        Pem(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"))}) {
    EXPECT_TRUE(absl::IsInvalidArgument(PrivateKey::FromPem(pem).status()));
  }
}

TEST(PrivateKeyTest, EveryTruncationIsRefusedWithoutTheKey) {
  const Secret pem = TestKey().ToPem();
  // The last line may lose its newline.
  for (size_t size = 0; size + 1 < pem.reveal().size(); ++size) {
    const auto read = PrivateKey::FromPem(pem.reveal().substr(0, size));
    ASSERT_TRUE(absl::IsInvalidArgument(read.status())) << size;
    ASSERT_THAT(std::string(read.status().message()),
                Not(HasSubstr(std::string(pem.reveal().substr(40, 20)))));
  }
}

TEST(PrivateKeyTest, EncryptedAndHugeInputIsRefusedAtOnce) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      PrivateKey::FromPem(Pem(EVP_EC_gen("P-256"), EVP_aes_128_cbc())).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PrivateKey::FromPem(std::string(1 << 20, 'A')).status()));
}

}  // namespace
}  // namespace rolemesh::base
