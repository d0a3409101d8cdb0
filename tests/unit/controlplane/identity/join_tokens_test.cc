// Join tokens: what a use gives, what it leaves behind, and what is refused.
#include "controlplane/identity/join_tokens.h"

#include <filesystem>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/tls/csr.h"
#include "base/tls/private_key.h"
#include "controlplane/identity/certificate_renewal.h"
#include "controlplane/identity/identity_key.h"
#include "controlplane/identity/record_time.h"
#include "controlplane/identity/revocations.h"
#include "proto/contract/join_token.h"
#include "rolemesh/v1/record.pb.h"
#include "tests/fakes/base/fake_clock.h"
#include "tests/fakes/controlplane/fake_store.h"

namespace rolemesh::controlplane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One for all tests: making a root takes longer than the rest.
class Mesh : public ::testing::Environment {
 public:
  static const CertificateAuthority& authority() { return *authority_; }
  static const std::string& csr() { return csr_; }

  void SetUp() override {
    char pattern[] = "/tmp/rolemesh-ca-XXXXXX";
    folder_ = mkdtemp(pattern);
    authority_ = std::make_unique<CertificateAuthority>(
        *CertificateAuthority::Create(folder_ + "/ca", "home", base::FakeClock().WallNow()));
    csr_ = *base::MakeCsr(*base::PrivateKey::GenerateP256());
  }
  void TearDown() override {
    authority_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

 private:
  static inline std::unique_ptr<CertificateAuthority> authority_;
  static inline std::string csr_;
  std::string folder_;
};
const auto* const kMesh = ::testing::AddGlobalTestEnvironment(new Mesh);

class JoinTokensTest : public ::testing::Test {
 protected:
  v1::CreateTokenRequest Node(const std::string& pattern) {
    v1::CreateTokenRequest request;
    request.set_kind(v1::IDENTITY_KIND_NODE);
    request.set_name_pattern(pattern);
    request.add_roles("planner");
    return request;
  }

  contract::JoinToken Made(const v1::CreateTokenRequest& request) {
    const absl::StatusOr<NewToken> token = tokens_.Create(request, "test");
    EXPECT_TRUE(token.ok()) << token.status();
    return *contract::ParseJoinToken(token->text.reveal());
  }

  absl::StatusOr<Enrollment> Use(const contract::JoinToken& token, const std::string& name) {
    v1::EnrollRequest request;
    request.set_token_id(token.id);
    request.set_token_secret(std::string(token.secret.reveal()));
    request.set_csr_der(Mesh::csr());
    request.set_name(name);
    return tokens_.Redeem(request);
  }

  template <class Record>
  Record Stored(const std::string& key) {
    Record record;
    const RangeResult found = *store_.Get(key);
    EXPECT_EQ(found.key_values.size(), 1U) << key;
    if (!found.key_values.empty()) record.ParseFromString(found.key_values[0].value);
    return record;
  }
  size_t Count(RecordKind kind) { return store_.List(PrefixOf(kind))->key_values.size(); }
  v1::NodeRecord StoredNode(const std::string& name) {
    return Stored<v1::NodeRecord>(IdentityKey(contract::IdentityKind::kNode, name));
  }

  base::FakeClock clock_;
  FakeStore store_{&clock_};
  JoinTokens tokens_{&store_, &Mesh::authority(), &clock_};
};

TEST_F(JoinTokensTest, AUseWritesIdentityGrantRoleAndCertificateAndConsumesTheToken) {
  const absl::StatusOr<Enrollment> got = Use(Made(Node("gpu-*")), "gpu-1");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->kind, contract::IdentityKind::kNode);
  EXPECT_EQ(got->name, "gpu-1");
  EXPECT_FALSE(got->pending);
  const v1::NodeRecord node = StoredNode("gpu-1");
  EXPECT_EQ(node.node_id(), "gpu-1");
  EXPECT_THAT(node.granted_roles(), ElementsAre("planner"));
  EXPECT_EQ(Stored<v1::RoleRecord>("/rolemesh/roles/planner").spec().name(), "planner");
  const auto certificate = Stored<v1::CertificateRecord>(
      RecordKey::Of(RecordKind::kCertificate, got->certificate.serial).ToString());
  EXPECT_EQ(certificate.identity(), "spiffe://home/node/gpu-1");
  EXPECT_EQ(Count(RecordKind::kToken), 0U);
}

TEST_F(JoinTokensTest, TheStoreHoldsNoSecret) {
  const contract::JoinToken token = Made(Node("gpu-*"));
  const RangeResult all = *store_.List("");
  for (const KeyValue& kv : all.key_values) {
    EXPECT_THAT(kv.value, ::testing::Not(HasSubstr(std::string(token.secret.reveal()))));
  }
}

TEST_F(JoinTokensTest, UnknownUsedExpiredAndWrongGetTheSameAnswer) {
  const contract::JoinToken used = Made(Node("a"));
  ASSERT_TRUE(Use(used, "a").ok());
  const contract::JoinToken expired = Made(Node("b"));
  clock_.Advance(absl::Minutes(15));
  const contract::JoinToken good = Made(Node("c"));
  contract::JoinToken wrong = good;
  wrong.secret = used.secret;
  contract::JoinToken truncated = good;
  truncated.secret = base::Secret(std::string(good.secret.reveal().substr(0, 20)));
  contract::JoinToken unknown = good;
  unknown.id = "zzzzzzzzzzzz";

  const absl::Status answer = Use(used, "a").status();
  EXPECT_TRUE(absl::IsUnauthenticated(answer)) << answer;
  EXPECT_EQ(Use(expired, "b").status(), answer);
  EXPECT_EQ(Use(wrong, "c").status(), answer);
  EXPECT_EQ(Use(truncated, "c").status(), answer);
  EXPECT_EQ(Use(unknown, "c").status(), answer);
  EXPECT_TRUE(Use(good, "c").ok());
}

TEST_F(JoinTokensTest, AnotherNameIsDeniedAndTheTokenStaysGood) {
  const contract::JoinToken token = Made(Node("gpu-*"));
  EXPECT_TRUE(absl::IsPermissionDenied(Use(token, "cpu-1").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Use(token, "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Use(token, "gpu-../x").status()));
  EXPECT_TRUE(Use(token, "gpu-1").ok());
}

TEST_F(JoinTokensTest, ACsrThatIsNoneDoesNotConsumeTheToken) {
  const contract::JoinToken token = Made(Node("gpu-1"));
  v1::EnrollRequest request;
  request.set_token_id(token.id);
  request.set_token_secret(std::string(token.secret.reveal()));
  request.set_csr_der("nonsense");
  EXPECT_TRUE(absl::IsInvalidArgument(tokens_.Redeem(request).status()));
  EXPECT_TRUE(Use(token, "").ok());
}

TEST_F(JoinTokensTest, TheKindIsTheTokensAndScopeTheOneItStates) {
  v1::CreateTokenRequest request;
  request.set_kind(v1::IDENTITY_KIND_OPERATOR);
  request.set_name_pattern("alice");
  request.set_scope(v1::OPERATOR_SCOPE_VIEWER);
  const absl::StatusOr<Enrollment> got = Use(Made(request), "");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->kind, contract::IdentityKind::kOperator);
  EXPECT_EQ(Stored<v1::OperatorRecord>("/rolemesh/operators/alice").scope(),
            v1::OPERATOR_SCOPE_VIEWER);
  EXPECT_EQ(Count(RecordKind::kNode), 0U);
}

TEST_F(JoinTokensTest, ANameIsReplacedOnlyByATokenForExactlyThatName) {
  ASSERT_TRUE(Use(Made(Node("gpu-1")), "").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Use(Made(Node("gpu-*")), "gpu-1").status()));

  v1::NodeRecord drained = StoredNode("gpu-1");
  drained.set_draining(true);
  drained.set_front_address("10.0.0.1");
  ASSERT_TRUE(
      store_
          .CommitAndWait({.compares = {},
                          .then = {Op::Put("/rolemesh/nodes/gpu-1", drained.SerializeAsString())},
                          .otherwise = {}})
          .ok());
  v1::CreateTokenRequest again = Node("gpu-1");
  again.set_roles(0, "writer");
  ASSERT_TRUE(Use(Made(again), "").ok());
  const v1::NodeRecord node = StoredNode("gpu-1");
  EXPECT_TRUE(node.draining()) << "an operator's wish outlives the key";
  EXPECT_EQ(node.front_address(), "10.0.0.1");
  EXPECT_THAT(node.granted_roles(), ElementsAre("writer"));
}

TEST_F(JoinTokensTest, AReusableTokenAdmitsMaxLivePendingIdentities) {
  v1::CreateTokenRequest request = Node("auto-*");
  request.set_reusable(true);
  request.set_max_live(2);
  const contract::JoinToken token = Made(request);
  EXPECT_TRUE(Use(token, "auto-1")->pending);
  EXPECT_TRUE(Use(token, "auto-2")->pending);
  EXPECT_TRUE(absl::IsResourceExhausted(Use(token, "auto-3").status()));
  EXPECT_TRUE(StoredNode("auto-1").pending());
}

TEST_F(JoinTokensTest, AnAliasCannotBeGranted) {
  v1::RoleRecord writer;
  writer.mutable_spec()->set_name("writer");
  writer.mutable_spec()->add_aliases("planner");
  ASSERT_TRUE(
      store_
          .CommitAndWait({.compares = {},
                          .then = {Op::Put("/rolemesh/roles/writer", writer.SerializeAsString())},
                          .otherwise = {}})
          .ok());
  EXPECT_THAT(std::string(tokens_.Create(Node("x"), "test").status().message()),
              HasSubstr("another name of role writer"));
}

TEST_F(JoinTokensTest, WhatHasExpiredIsForgotten) {
  Made(Node("a"));
  ASSERT_TRUE(Use(Made(Node("b")), "").ok());
  EXPECT_EQ(*tokens_.CollectExpired(), 0);
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(*tokens_.CollectExpired(), 2);
  EXPECT_EQ(Count(RecordKind::kToken), 0U);
  EXPECT_EQ(Count(RecordKind::kCertificate), 0U);
  EXPECT_EQ(Count(RecordKind::kNode), 1U);
}

TEST_F(JoinTokensTest, ARemovedIdentityGetsNoFurtherCertificate) {
  ASSERT_TRUE(Use(Made(Node("gpu-1")), "").ok());
  CertificateRenewal renewal(&store_, &Mesh::authority(), &clock_);
  Caller caller;
  caller.kind = contract::IdentityKind::kNode;
  caller.name = "gpu-1";
  EXPECT_TRUE(renewal.Renew(caller, Mesh::csr()).ok());
  ASSERT_TRUE(
      store_
          .CommitAndWait(
              {.compares = {}, .then = {Op::Delete("/rolemesh/nodes/gpu-1")}, .otherwise = {}})
          .ok());
  EXPECT_TRUE(absl::IsPermissionDenied(renewal.Renew(caller, Mesh::csr()).status()));
}

TEST_F(JoinTokensTest, RevocationsHoldFromTheMomentTheyAreStored) {
  const std::unique_ptr<Revocations> revocations = *Revocations::Build(&store_);
  EXPECT_TRUE(revocations->Check("0a", "spiffe://home/node/x").ok());
  v1::RevocationRecord record;
  record.set_serial("0a");
  const auto put = [&](const std::string& id) {
    return store_
        .CommitAndWait({.compares = {},
                        .then = {Op::Put(RecordKey::Of(RecordKind::kRevocation, id).ToString(),
                                         record.SerializeAsString())},
                        .otherwise = {}})
        .ok();
  };
  ASSERT_TRUE(put("0a"));
  EXPECT_TRUE(absl::IsPermissionDenied(revocations->Check("0a", "spiffe://home/node/y")));
  EXPECT_TRUE(revocations->Check("0b", "spiffe://home/node/x").ok());
  record.Clear();
  record.set_identity("spiffe://home/node/x");
  ASSERT_TRUE(put("x"));
  EXPECT_TRUE(absl::IsPermissionDenied(revocations->Check("0b", "spiffe://home/node/x")));
  ASSERT_TRUE(
      store_
          .CommitAndWait(
              {.compares = {}, .then = {Op::Delete("/rolemesh/revocations/x")}, .otherwise = {}})
          .ok());
  EXPECT_TRUE(revocations->Check("0b", "spiffe://home/node/x").ok());
}

}  // namespace
}  // namespace rolemesh::controlplane
