// Who gets into a control plane, and what they may do: a whole one, over real sockets.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/net/socket_address.h"
#include "base/time/clock.h"
#include "base/tls/csr.h"
#include "base/tls/private_key.h"
#include "controlplane/config/controlplane_config.h"
#include "controlplane/controlplane.h"
#include "controlplane/identity/certificate_authority.h"
#include "controlplane/identity/server_certificate.h"
#include "controlplane/rpc/rpc_server.h"
#include "proto/client/channel.h"
#include "proto/client/enrollment.h"
#include "proto/client/renewal.h"
#include "proto/contract/grpc_status.h"
#include "proto/contract/join_token.h"
#include "rolemesh/v1/agent.grpc.pb.h"
#include "rolemesh/v1/enrollment.grpc.pb.h"
#include "rolemesh/v1/operator.grpc.pb.h"

namespace rolemesh::controlplane {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string TemporaryFolder() {
  char pattern[] = "/tmp/rolemesh-cp-XXXXXX";
  return mkdtemp(pattern);
}

// A mesh of its own in a folder of its own.
class TestMesh {
 public:
  explicit TestMesh(const std::string& listen = "127.0.0.1:0") : folder_(TemporaryFolder()) {
    config_ = *ParseConfig(
        absl::StrCat("mesh: home\nstate_dir: ", folder_, "/state\nlisten: ", listen,
                     "\nadmin_listen: \"127.0.0.1:0\"\n", "node_cidrs: [127.0.0.0/8]\n"),
        "cp.yaml");
    root_ = *ControlPlane::Init(config_, *clock_);
  }
  ~TestMesh() {
    Stop();
    std::filesystem::remove_all(folder_);
  }

  void Start() {
    absl::StatusOr<std::unique_ptr<ControlPlane>> built = ControlPlane::Build(config_, *clock_);
    ASSERT_TRUE(built.ok()) << built.status();
    control_plane_ = *std::move(built);
  }
  void Stop() { control_plane_ = nullptr; }

  std::string Address() const { return absl::StrCat("127.0.0.1:", control_plane_->port()); }

  std::unique_ptr<v1::OperatorService::Stub> LocalAdmin() const {
    return v1::OperatorService::NewStub(client::MakeSocketChannel(config_.socket_path));
  }

  contract::JoinToken Token(v1::IdentityKind kind, const std::string& pattern,
                            v1::OperatorScope scope = v1::OPERATOR_SCOPE_UNSPECIFIED) const {
    v1::CreateTokenRequest request;
    request.set_kind(kind);
    request.set_name_pattern(pattern);
    request.set_scope(scope);
    v1::CreateTokenReply reply;
    grpc::ClientContext context;
    const grpc::Status status = LocalAdmin()->CreateToken(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return *contract::ParseJoinToken(reply.token());
  }

  absl::StatusOr<client::MeshIdentity> Join(const contract::JoinToken& token,
                                            contract::IdentityKind kind,
                                            const std::string& address = "") const {
    return client::Join({.control_planes = {address.empty() ? Address() : address},
                         .token = token,
                         .kind = kind,
                         .name = "",
                         .timeout = absl::Seconds(5)},
                        *clock_);
  }

  const ControlPlaneConfig& config() const { return config_; }
  const std::string& root() const { return root_; }
  const base::Clock& clock() const { return *clock_; }
  std::string RootPem() const {
    return CertificateAuthority::Load(config_.CaDir(), "home")->roots_pem();
  }

 private:
  const std::unique_ptr<base::Clock> clock_ = base::MakeSystemClock();
  const std::string folder_;
  ControlPlaneConfig config_;
  std::string root_;
  std::unique_ptr<ControlPlane> control_plane_;
};

grpc::StatusCode ConnectAsAgent(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = v1::AgentService::NewStub(channel);
  grpc::ClientContext context;
  auto stream = stub->Connect(&context);
  v1::ControlMessage message;
  stream->Read(&message);
  return stream->Finish().error_code();
}

grpc::Status GetStatus(v1::OperatorService::Stub& stub, v1::GetStatusReply* reply) {
  grpc::ClientContext context;
  return stub.GetStatus(&context, v1::GetStatusRequest(), reply);
}

TEST(ControlPlaneAccessTest, TheUnixSocketIsTheFirstAdmin) {
  TestMesh mesh;
  mesh.Start();
  v1::GetStatusReply reply;
  const grpc::Status status = GetStatus(*mesh.LocalAdmin(), &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.mesh(), "home");
  EXPECT_EQ(reply.replica(), "cp-1");
  EXPECT_EQ(reply.table_hash().size(), 32U);
  EXPECT_FALSE(reply.store_read_only());
}

TEST(ControlPlaneAccessTest, ANodeJoinsOverThePinnedRootOnce) {
  TestMesh mesh;
  mesh.Start();
  const contract::JoinToken token = mesh.Token(v1::IDENTITY_KIND_NODE, "gpu-1");
  EXPECT_EQ(token.root_spki_sha256, mesh.root());
  const absl::StatusOr<client::MeshIdentity> node = mesh.Join(token, contract::IdentityKind::kNode);
  ASSERT_TRUE(node.ok()) << node.status();
  EXPECT_EQ(node->id.ToUri(), "spiffe://home/node/gpu-1");

  // What it is does not let it do what it is not.
  v1::GetStatusReply reply;
  auto operators = v1::OperatorService::NewStub(client::MakeChannel(mesh.Address(), *node));
  EXPECT_EQ(GetStatus(*operators, &reply).error_code(), grpc::StatusCode::PERMISSION_DENIED);

  EXPECT_TRUE(absl::IsUnauthenticated(mesh.Join(token, contract::IdentityKind::kNode).status()));
}

TEST(ControlPlaneAccessTest, WithoutACertificateTheAgentServiceIsUnauthenticated) {
  TestMesh mesh;
  mesh.Start();
  EXPECT_EQ(ConnectAsAgent(client::MakeAnonymousChannel(mesh.Address(), mesh.RootPem())),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST(ControlPlaneAccessTest, OverTheUnixSocketThereAreNoStreamsOfAgents) {
  TestMesh mesh;
  mesh.Start();
  EXPECT_NE(ConnectAsAgent(client::MakeSocketChannel(mesh.config().socket_path)),
            grpc::StatusCode::OK);
}

TEST(ControlPlaneAccessTest, SixtyFourUsesOfOneTokenAtOnceGiveOneCertificate) {
  TestMesh mesh;
  mesh.Start();
  const contract::JoinToken token = mesh.Token(v1::IDENTITY_KIND_EDGE, "edge-*");
  const std::string csr = *base::MakeCsr(*base::PrivateKey::GenerateP256());
  const auto stub =
      v1::EnrollmentService::NewStub(client::MakeAnonymousChannel(mesh.Address(), mesh.RootPem()));
  std::atomic<int> issued = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&, i] {
      v1::EnrollRequest request;
      request.set_token_id(token.id);
      request.set_token_secret(std::string(token.secret.reveal()));
      request.set_csr_der(csr);
      request.set_name(absl::StrCat("edge-", i));
      v1::EnrollReply reply;
      grpc::ClientContext context;
      const grpc::Status status = stub->Enroll(&context, request, &reply);
      if (status.ok() && !reply.certificate_chain_pem().empty()) ++issued;
      if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED) ++refused;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(issued, 1);
  EXPECT_EQ(refused, 63);
  v1::ListRequest list;
  list.set_kind(v1::RESOURCE_KIND_EDGE);
  v1::ListReply reply;
  grpc::ClientContext context;
  ASSERT_TRUE(mesh.LocalAdmin()->List(&context, list, &reply).ok());
  EXPECT_EQ(reply.edges_size(), 1);
}

// Poses as a control plane and keeps what it is told.
class EavesdroppingEnrollment final : public v1::EnrollmentService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Enroll(grpc::CallbackServerContext* context,
                                   const v1::EnrollRequest* /*request*/,
                                   v1::EnrollReply* /*reply*/) override {
    ++calls;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  std::atomic<int> calls = 0;
};

TEST(ControlPlaneAccessTest, ToAnotherMeshTheTokenIsNeverSent) {
  TestMesh mesh;
  mesh.Start();
  TestMesh impostor;  // with a root of its own, of the same name
  const CertificateAuthority authority =
      *CertificateAuthority::Load(impostor.config().CaDir(), "home");
  ServerCertificate certificate(&authority, impostor.config().TlsDir(), "cp-1");
  ASSERT_TRUE(certificate.Refresh(mesh.clock().WallNow()).ok());
  const CertificateAuthenticator authenticator("home", nullptr, nullptr);
  const auto service = std::make_shared<EavesdroppingEnrollment>();
  const auto server =
      RpcServer::Build({.listen = impostor.config().listen,
                        .socket_path = impostor.config().socket_path,
                        .server_pem_path = certificate.PemPath(),
                        .roots_pem_path = certificate.RootsPath()},
                       &authenticator, {service}, {std::make_shared<EavesdroppingEnrollment>()});
  ASSERT_TRUE(server.ok()) << server.status();

  const contract::JoinToken token = mesh.Token(v1::IDENTITY_KIND_NODE, "gpu-1");
  const absl::Status refused =
      mesh.Join(token, contract::IdentityKind::kNode, absl::StrCat("127.0.0.1:", (*server)->port()))
          .status();
  EXPECT_TRUE(absl::IsUnauthenticated(refused)) << refused;
  EXPECT_EQ(service->calls, 0);
  EXPECT_TRUE(mesh.Join(token, contract::IdentityKind::kNode).ok());
}

TEST(ControlPlaneAccessTest, ACertificateOfAnotherRootIsRefusedInTheHandshake) {
  TestMesh mesh;
  mesh.Start();
  TestMesh other;
  other.Start();
  client::MeshIdentity foreign = *other.Join(other.Token(v1::IDENTITY_KIND_OPERATOR, "eve"),
                                             contract::IdentityKind::kOperator);
  foreign.roots_pem = mesh.RootPem();  // it trusts us, we do not trust it
  auto stub = v1::OperatorService::NewStub(client::MakeChannel(mesh.Address(), foreign));
  v1::GetStatusReply reply;
  EXPECT_EQ(GetStatus(*stub, &reply).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(ControlPlaneAccessTest, AViewerSeesButMakesNoTokens) {
  TestMesh mesh;
  mesh.Start();
  const absl::StatusOr<client::MeshIdentity> viewer =
      mesh.Join(mesh.Token(v1::IDENTITY_KIND_OPERATOR, "bob", v1::OPERATOR_SCOPE_VIEWER),
                contract::IdentityKind::kOperator);
  ASSERT_TRUE(viewer.ok()) << viewer.status();
  auto stub = v1::OperatorService::NewStub(client::MakeChannel(mesh.Address(), *viewer));
  v1::GetStatusReply seen;
  EXPECT_TRUE(GetStatus(*stub, &seen).ok());

  v1::CreateTokenRequest request;
  request.set_kind(v1::IDENTITY_KIND_OPERATOR);
  request.set_name_pattern("bob-too");
  v1::CreateTokenReply reply;
  grpc::ClientContext context;
  const grpc::Status refused = stub->CreateToken(&context, request, &reply);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(refused.error_message(), HasSubstr("scope admin"));
}

TEST(ControlPlaneAccessTest, KeysAndRolesAreMadeListedAndEnded) {
  TestMesh mesh;
  mesh.Start();
  const auto admin = mesh.LocalAdmin();
  v1::CreateKeyReply key;
  {
    v1::CreateKeyRequest request;
    request.set_note("laptop");
    grpc::ClientContext context;
    ASSERT_TRUE(admin->CreateKey(&context, request, &key).ok());
    EXPECT_THAT(key.key(), StartsWith(absl::StrCat("rm_", key.key_id(), "_")));
  }
  {
    v1::ApplyRolesRequest request;
    v1::RoleSpec* role = request.add_roles();
    role->set_name("writer");
    role->add_aliases("author");
    v1::ApplyRolesReply reply;
    grpc::ClientContext context;
    const grpc::Status status = admin->ApplyRoles(&context, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_THAT(reply.changes(), ::testing::ElementsAre("role writer: created"));
    EXPECT_GT(reply.revision(), 0U);
  }
  {
    v1::ApplyRolesRequest request;
    request.add_roles()->set_name("author");
    v1::ApplyRolesReply reply;
    grpc::ClientContext context;
    EXPECT_THAT(admin->ApplyRoles(&context, request, &reply).error_message(),
                HasSubstr("alias author"));
  }
  {
    v1::RevokeKeyRequest request;
    request.set_key_id(key.key_id());
    request.set_wait(true);
    v1::RevokeKeyReply reply;
    grpc::ClientContext context;
    ASSERT_TRUE(admin->RevokeKey(&context, request, &reply).ok());
    EXPECT_EQ(reply.edges_waiting_size(), 0);
    grpc::ClientContext again;
    EXPECT_EQ(admin->RevokeKey(&again, request, &reply).error_code(), grpc::StatusCode::NOT_FOUND);
  }
}

TEST(ControlPlaneAccessTest, AWatchShowsChangesAndEndsWhenTheControlPlaneStops) {
  TestMesh mesh;
  mesh.Start();
  const auto admin = mesh.LocalAdmin();
  v1::ListRequest list;
  list.set_kind(v1::RESOURCE_KIND_ROLE);
  grpc::ClientContext context;
  const auto watch = admin->Watch(&context, list);
  v1::ListReply reply;
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.roles_size(), 0);

  v1::ApplyRolesRequest apply;
  apply.add_roles()->set_name("planner");
  v1::ApplyRolesReply applied;
  grpc::ClientContext apply_context;
  ASSERT_TRUE(admin->ApplyRoles(&apply_context, apply, &applied).ok());
  do {
    ASSERT_TRUE(watch->Read(&reply));
  } while (reply.roles_size() == 0);
  EXPECT_EQ(reply.roles(0).spec().name(), "planner");

  const base::SteadyTime stopping = mesh.clock().SteadyNow();
  std::thread stop([&] { mesh.Stop(); });
  while (watch->Read(&reply)) {
  }
  EXPECT_FALSE(watch->Finish().ok());
  stop.join();
  EXPECT_LT(mesh.clock().SteadyNow() - stopping, std::chrono::seconds(1));
}

TEST(ControlPlaneAccessTest, DrainingAnUnknownNodeIsNotFoundAndAKnownOneIsDone) {
  TestMesh mesh;
  mesh.Start();
  ASSERT_TRUE(
      mesh.Join(mesh.Token(v1::IDENTITY_KIND_NODE, "gpu-1"), contract::IdentityKind::kNode).ok());
  const auto admin = mesh.LocalAdmin();
  v1::DrainNodeRequest request;
  request.set_node_id("gpu-2");
  request.set_draining(true);
  request.set_wait(true);
  v1::DrainNodeReply reply;
  grpc::ClientContext unknown;
  auto stream = admin->DrainNode(&unknown, request);
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);

  request.set_node_id("gpu-1");
  grpc::ClientContext known;
  stream = admin->DrainNode(&known, request);
  while (stream->Read(&reply)) {
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(reply.done());
}

v1::AgentMessage Hello(const std::string& node) {
  v1::AgentMessage message;
  v1::AgentHello* hello = message.mutable_hello();
  hello->set_node_id(node);
  hello->set_version("0.1.0");
  hello->set_boot_id("boot");
  hello->set_front_port(8091);
  return message;
}

TEST(ControlPlaneAccessTest, ANodesStreamIsItsOwnAndRenewsItsCertificate) {
  TestMesh mesh;
  mesh.Start();
  const client::MeshIdentity node =
      *mesh.Join(mesh.Token(v1::IDENTITY_KIND_NODE, "gpu-1"), contract::IdentityKind::kNode);
  const auto stub = v1::AgentService::NewStub(client::MakeChannel(mesh.Address(), node));
  {
    grpc::ClientContext context;
    const auto stream = stub->Connect(&context);
    stream->Write(Hello("gpu-2"));
    v1::ControlMessage message;
    while (stream->Read(&message)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  grpc::ClientContext context;
  const auto stream = stub->Connect(&context);
  v1::ControlMessage message;
  stream->Write(Hello("gpu-1"));
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_GT(message.welcome().session_epoch(), 0U) << message.DebugString();

  absl::StatusOr<client::Renewal> renewal = client::MakeRenewal();
  ASSERT_TRUE(renewal.ok()) << renewal.status();
  v1::AgentMessage request;
  request.mutable_certificate_request()->set_csr_der(renewal->csr_der);
  stream->Write(request);
  while (stream->Read(&message) && !message.has_certificate_reply()) {
  }
  const absl::StatusOr<client::MeshIdentity> renewed =
      client::FinishRenewal(*renewal, node, message.certificate_reply());
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(renewed->id, node.id);
  EXPECT_NE(renewed->serial, node.serial);

  // The old stream goes on, and a new one with the new certificate is let in.
  v1::AgentMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_sequence(1);
  EXPECT_TRUE(stream->Write(heartbeat));
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.heartbeat_ack().sequence(), 1U) << message.DebugString();
  grpc::ClientContext second_context;
  const auto second = v1::AgentService::NewStub(client::MakeChannel(mesh.Address(), *renewed))
                          ->Connect(&second_context);
  second->Write(Hello("gpu-1"));
  ASSERT_TRUE(second->Read(&message));
  EXPECT_TRUE(message.has_welcome());

  mesh.Stop();
  while (second->Read(&message)) {
  }
  EXPECT_TRUE(message.has_closing()) << message.DebugString();
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(ControlPlaneAccessTest, AStateDirHoldsOneMesh) {
  TestMesh mesh;
  const absl::Status again = ControlPlane::Init(mesh.config(), mesh.clock()).status();
  EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
}

TEST(ControlPlaneAccessTest, ATakenPortIsOneLineWithFileLineAndKey) {
  TestMesh first;
  first.Start();
  TestMesh second(first.Address());
  const absl::Status status = ControlPlane::Build(second.config(), second.clock()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), StartsWith("cp.yaml:3: listen"));
  EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("\n")));
}

TEST(ControlPlaneAccessTest, BelowTls13NobodyIsServed) {
  TestMesh mesh;
  mesh.Start();
  const auto handshake = [&](int version) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_storage address;
    const socklen_t length = base::SocketAddress::Parse(mesh.Address())->ToNative(&address);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, version);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    const unsigned char alpn[] = "\x02h2";
    SSL_set_alpn_protos(ssl, alpn, 3);
    const bool ok = SSL_connect(ssl) == 1;
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    return ok;
  };
  EXPECT_TRUE(handshake(TLS1_3_VERSION));
  EXPECT_FALSE(handshake(TLS1_2_VERSION));
}

TEST(ControlPlaneAccessTest, ARestartHasLostNothing) {
  TestMesh mesh;
  mesh.Start();
  const client::MeshIdentity admin = *mesh.Join(mesh.Token(v1::IDENTITY_KIND_OPERATOR, "alice"),
                                                contract::IdentityKind::kOperator);
  mesh.Stop();
  mesh.Start();
  auto stub = v1::OperatorService::NewStub(client::MakeChannel(mesh.Address(), admin));
  v1::GetStatusReply reply;
  const grpc::Status status = GetStatus(*stub, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace rolemesh::controlplane
