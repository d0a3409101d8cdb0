// One token, many threads, a real store: the transaction lets one through.
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "base/time/clock.h"
#include "base/tls/csr.h"
#include "base/tls/private_key.h"
#include "controlplane/identity/certificate_authority.h"
#include "controlplane/identity/identity_key.h"
#include "controlplane/identity/join_tokens.h"
#include "controlplane/identity/server_certificate.h"
#include "controlplane/store/sqlite_store.h"
#include "proto/contract/join_token.h"

namespace rolemesh::controlplane {
namespace {

constexpr int kThreads = 64;

class JoinRaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/rolemesh-race-XXXXXX";
    folder_ = mkdtemp(pattern);
    store_ = *SqliteStore::Open(folder_ + "/state/store.db");
    authority_ = std::make_unique<CertificateAuthority>(
        *CertificateAuthority::Create(folder_ + "/ca", "home", clock_->WallNow()));
    tokens_ = std::make_unique<JoinTokens>(store_.get(), authority_.get(), clock_.get());
  }
  void TearDown() override {
    store_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

  contract::JoinToken Token(int max_live) {
    v1::CreateTokenRequest request;
    request.set_kind(v1::IDENTITY_KIND_NODE);
    request.set_name_pattern("gpu-*");
    request.add_roles("planner");
    if (max_live > 0) {
      request.set_reusable(true);
      request.set_max_live(static_cast<uint32_t>(max_live));
      request.set_auto_approve(true);
    }
    return *contract::ParseJoinToken(tokens_->Create(request, "test")->text.reveal());
  }

  // How many of kThreads uses at once, each with a name of its own, get a certificate.
  int Race(const contract::JoinToken& token) {
    const std::string csr = *base::MakeCsr(*base::PrivateKey::GenerateP256());
    std::atomic<int> issued = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        v1::EnrollRequest request;
        request.set_token_id(token.id);
        request.set_token_secret(std::string(token.secret.reveal()));
        request.set_csr_der(csr);
        request.set_name(absl::StrCat("gpu-", i));
        if (tokens_->Redeem(request).ok()) ++issued;
      });
    }
    for (std::thread& thread : threads) thread.join();
    return issued;
  }

  size_t Nodes() { return store_->List(PrefixOf(RecordKind::kNode))->key_values.size(); }

  const std::unique_ptr<base::Clock> clock_ = base::MakeSystemClock();
  std::string folder_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<JoinTokens> tokens_;
};

TEST_F(JoinRaceTest, OneOfSixtyFourGetsTheSingleUse) {
  EXPECT_EQ(Race(Token(0)), 1);
  EXPECT_EQ(Nodes(), 1U);
}

TEST_F(JoinRaceTest, AReusableTokenNeverAdmitsMoreThanItsMaxLive) {
  const int issued = Race(Token(5));
  EXPECT_GE(issued, 1);
  EXPECT_LE(issued, 5);
  EXPECT_EQ(Nodes(), static_cast<size_t>(issued));
}

TEST_F(JoinRaceTest, TheServersCertificateIsRenewedAtTwoThirdsOfItsLife) {
  ServerCertificate certificate(authority_.get(), folder_ + "/tls", "cp-1");
  const absl::Time now = clock_->WallNow();
  const absl::Time due = *certificate.Refresh(now);
  EXPECT_GT(due, now + absl::Hours(15));
  EXPECT_LT(due, now + absl::Hours(17));
  EXPECT_EQ(*certificate.Refresh(now + absl::Hours(1)), due) << "kept";
  EXPECT_GT(*certificate.Refresh(due), due + absl::Hours(15)) << "made anew";
  ServerCertificate other(authority_.get(), folder_ + "/tls", "cp-2");
  EXPECT_NE(*other.Refresh(due + absl::Hours(1)), due) << "of another replica";
}

}  // namespace
}  // namespace rolemesh::controlplane
