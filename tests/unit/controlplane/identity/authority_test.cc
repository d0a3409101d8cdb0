// The authority table: complete, and closed for what it does not know.
#include "controlplane/identity/authority.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "rolemesh/v1/agent.pb.h"
#include "rolemesh/v1/enrollment.pb.h"
#include "rolemesh/v1/operator.pb.h"
#include "rolemesh/v1/route.pb.h"

namespace rolemesh::controlplane {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> MethodsOfProtos() {
  std::vector<std::string> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::EnrollRequest::descriptor()->file(), v1::AgentHello::descriptor()->file(),
        v1::EdgeHello::descriptor()->file(), v1::ListRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      const google::protobuf::ServiceDescriptor* service = file->service(i);
      for (int j = 0; j < service->method_count(); ++j) {
        methods.push_back(absl::StrCat("/", service->full_name(), "/", service->method(j)->name()));
      }
    }
  }
  return methods;
}

Caller Named(contract::IdentityKind kind, OperatorScope scope = OperatorScope::kViewer) {
  Caller caller;
  caller.kind = kind;
  caller.name = "x";
  caller.scope = scope;
  return caller;
}

Caller LocalAdmin() {
  Caller caller = Named(contract::IdentityKind::kOperator, OperatorScope::kAdmin);
  caller.local_admin = true;
  return caller;
}

TEST(AuthorityTest, EveryMethodOfTheProtosHasAnEntry) {
  const std::vector<std::string> methods = MethodsOfProtos();
  ASSERT_GE(methods.size(), 15U);
  for (const std::string& method : methods) {
    EXPECT_TRUE(FindAuthority(method).has_value()) << method;
  }
}

TEST(AuthorityTest, EveryEntryIsAMethodOfTheProtosOrOfHealth) {
  const std::vector<std::string> methods = MethodsOfProtos();
  for (const MethodAuthority& entry : AuthorityTable()) {
    if (absl::StartsWith(entry.method, "/grpc.health.v1.Health/")) continue;
    EXPECT_THAT(methods, ::testing::Contains(std::string(entry.method)));
  }
}

TEST(AuthorityTest, OnlyEnrolmentAndHealthAreForAnyone) {
  for (const MethodAuthority& entry : AuthorityTable()) {
    EXPECT_EQ(entry.least == LeastAuthority::kAnyone,
              absl::StartsWith(entry.method, "/grpc.health.v1.Health/") ||
                  entry.method == "/rolemesh.v1.EnrollmentService/Enroll")
        << entry.method;
  }
}

TEST(AuthorityTest, AMethodThatIsNotInTheTableIsDeniedToAll) {
  for (const char* method : {"/rolemesh.v1.OperatorService/Nope", "", "/", "List",
                             "/rolemesh.v1.OperatorService/List/"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(CheckAuthority(LocalAdmin(), method))) << method;
    EXPECT_TRUE(absl::IsPermissionDenied(CheckAuthority(absl::nullopt, method))) << method;
  }
}

TEST(AuthorityTest, WithoutACertificateAllElseIsUnauthenticated) {
  for (const MethodAuthority& entry : AuthorityTable()) {
    const absl::Status status = CheckAuthority(absl::nullopt, entry.method);
    if (entry.least == LeastAuthority::kAnyone) {
      EXPECT_TRUE(status.ok()) << entry.method;
    } else {
      EXPECT_TRUE(absl::IsUnauthenticated(status)) << entry.method;
    }
  }
}

TEST(AuthorityTest, KindsDoNotIncludeEachOther) {
  const Caller node = Named(contract::IdentityKind::kNode);
  const Caller edge = Named(contract::IdentityKind::kEdge);
  const Caller replica = Named(contract::IdentityKind::kControlPlane);
  const Caller admin = Named(contract::IdentityKind::kOperator, OperatorScope::kAdmin);
  const char* connect = "/rolemesh.v1.AgentService/Connect";
  const char* stream = "/rolemesh.v1.RouteService/Stream";
  const char* list = "/rolemesh.v1.OperatorService/List";

  EXPECT_TRUE(CheckAuthority(node, connect).ok());
  EXPECT_TRUE(CheckAuthority(edge, stream).ok());
  EXPECT_TRUE(CheckAuthority(admin, list).ok());
  for (const Caller& other : {edge, replica, admin, LocalAdmin()}) {
    EXPECT_TRUE(absl::IsPermissionDenied(CheckAuthority(other, connect))) << other.ToString();
  }
  for (const Caller& other : {node, replica, admin, LocalAdmin()}) {
    EXPECT_TRUE(absl::IsPermissionDenied(CheckAuthority(other, stream))) << other.ToString();
  }
  for (const Caller& other : {node, edge, replica}) {
    EXPECT_TRUE(absl::IsPermissionDenied(CheckAuthority(other, list))) << other.ToString();
  }
}

TEST(AuthorityTest, AScopeIncludesTheOnesBeforeItAndTheRefusalNamesTheOneNeeded) {
  const Caller viewer = Named(contract::IdentityKind::kOperator, OperatorScope::kViewer);
  const Caller hand = Named(contract::IdentityKind::kOperator, OperatorScope::kOperator);
  const Caller admin = Named(contract::IdentityKind::kOperator, OperatorScope::kAdmin);
  const char* view = "/rolemesh.v1.OperatorService/GetStatus";
  const char* drain = "/rolemesh.v1.OperatorService/DrainNode";
  const char* token = "/rolemesh.v1.OperatorService/CreateToken";

  EXPECT_TRUE(CheckAuthority(viewer, view).ok());
  EXPECT_TRUE(CheckAuthority(hand, view).ok());
  EXPECT_TRUE(CheckAuthority(hand, drain).ok());
  EXPECT_TRUE(CheckAuthority(admin, drain).ok());
  EXPECT_TRUE(CheckAuthority(admin, token).ok());
  EXPECT_TRUE(CheckAuthority(LocalAdmin(), token).ok());
  EXPECT_THAT(CheckAuthority(viewer, drain).message(), HasSubstr("scope operator"));
  EXPECT_THAT(CheckAuthority(hand, token).message(), HasSubstr("scope admin"));
}

}  // namespace
}  // namespace rolemesh::controlplane
