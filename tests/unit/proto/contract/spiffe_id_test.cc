// SPIFFE ids: one strict form.
#include "proto/contract/spiffe_id.h"

#include <gtest/gtest.h>

namespace rolemesh::contract {
namespace {

TEST(SpiffeIdTest, SurvivesTheTripThroughItsUri) {
  for (IdentityKind kind : {IdentityKind::kNode, IdentityKind::kEdge, IdentityKind::kOperator,
                            IdentityKind::kControlPlane}) {
    const SpiffeId id{.mesh = "home.lab", .kind = kind, .name = "gpu-1"};
    EXPECT_EQ(ParseSpiffeId(id.ToUri()).value(), id);
    EXPECT_EQ(FromProto(ToProto(kind)).value(), kind);
  }
}

TEST(SpiffeIdTest, OtherFormsAreRefused) {
  for (const char* uri :
       {"", "spiffe://", "spiffe://home/node", "spiffe://home/node/", "spiffe://home/node/a/b",
        "spiffe://home/admin/a", "https://home/node/a", "spiffe://home/node/a?x=1",
        "spiffe://home/node/A", "spiffe:///node/a", "spiffe://home/node/a ", "SPIFFE://home/node/a",
        "spiffe://home:1/node/a"}) {
    EXPECT_FALSE(ParseSpiffeId(uri).ok()) << uri;
  }
}

TEST(SpiffeIdTest, ACertificateMustHaveExactlyOneIdentityOfThisMesh) {
  EXPECT_TRUE(IdentityFromUriSans({"spiffe://home/edge/e"}, "home").ok());
  EXPECT_FALSE(IdentityFromUriSans({}, "home").ok());
  EXPECT_FALSE(IdentityFromUriSans({"spiffe://home/edge/e", "spiffe://home/node/n"}, "home").ok());
  EXPECT_EQ(IdentityFromUriSans({"spiffe://away/edge/e"}, "home").status().code(),
            absl::StatusCode::kUnauthenticated);
}

}  // namespace
}  // namespace rolemesh::contract
