// TlsContext: real handshakes over a socketpair, both ends driven by one thread.
#include "base/tls/tls_context.h"

#include <csignal>
#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "tests/unit/base/tls/test_authority.h"

namespace rolemesh::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using SslHandle = std::unique_ptr<SSL, decltype(&SSL_free)>;

/// Both ends of one connection.
class TlsPair {
 public:
  TlsPair(const TlsContext& server, const TlsContext& client, SSL_SESSION* session = nullptr)
      : server_(SSL_new(server.native()), SSL_free), client_(SSL_new(client.native()), SSL_free) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_), 0);
    SSL_set_fd(server_.get(), fds_[0]);
    SSL_set_fd(client_.get(), fds_[1]);
    if (session != nullptr) {
      SSL_set_session(client_.get(), session);
    }
  }
  ~TlsPair() {
    close(fds_[0]);
    close(fds_[1]);
  }

  /// Runs both ends until both are done or one has failed. In TLS 1.3 a client is done before the
  /// server has seen its certificate, so it reads once more.
  bool Shake() {
    int server = -1, client = -1;
    for (int round = 0; round < 20 && (server != 1 || client != 1); ++round) {
      client = client == 1 ? 1 : SSL_connect(client_.get());
      if (client != 1 && Failed(client_.get(), client)) {
        return false;
      }
      server = server == 1 ? 1 : SSL_accept(server_.get());
      if (server != 1 && Failed(server_.get(), server)) {
        return false;
      }
    }
    char byte = 0;
    const int got = SSL_read(client_.get(), &byte, 1);
    return server == 1 && client == 1 && !Failed(client_.get(), got);
  }

  SSL* server() { return server_.get(); }
  SSL* client() { return client_.get(); }

 private:
  static bool Failed(SSL* ssl, int result) {
    const int error = SSL_get_error(ssl, result);
    ERR_clear_error();
    return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
  }

  int fds_[2] = {-1, -1};
  SslHandle server_;
  SslHandle client_;
};

class TlsContextTest : public testing::Test {
 protected:
  TlsContextTest()
      : now_(absl::Now()),
        root_(TestRoot(now_)),
        edge_(TestLeaf(root_, TestLeafRequest("edge/e", now_))),
        node_(TestLeaf(root_, TestLeafRequest("node/a", now_))) {
    signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to its sockets with write()
  }

  TlsContext Server(const TestIdentity& who, const std::string& client_ca_pem,
                    TlsVersion min_version = TlsVersion::k1_3) {
    return TlsContext::MakeServer({.certificate_chain_pem = who.certificate.ToPem(),
                                   .client_ca_pem = client_ca_pem,
                                   .min_version = min_version},
                                  who.key)
        .value();
  }
  TlsContext Client(const TestIdentity& who, const std::string& ca_pem) {
    return TlsContext::MakeClient(
               {.ca_pem = ca_pem, .certificate_chain_pem = who.certificate.ToPem()}, &who.key)
        .value();
  }
  TlsContext AnonymousClient(const std::string& ca_pem) {
    return TlsContext::MakeClient({.ca_pem = ca_pem}, nullptr).value();
  }

  std::string root_pem() { return root_.certificate().ToPem(); }

  const absl::Time now_;
  const CertificateIssuer root_;
  const TestIdentity edge_;
  const TestIdentity node_;
};

TEST_F(TlsContextTest, BothEndsLearnWhoTheOtherIs) {
  TlsPair pair(Server(node_, root_pem()), Client(edge_, root_pem()));
  ASSERT_TRUE(pair.Shake());
  const auto client = VerifiedPeer(pair.server(), now_);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_THAT(client->uri_sans, ElementsAre("spiffe://demo/edge/e"));
  EXPECT_EQ(client->serial_hex, edge_.certificate.serial_hex());
  EXPECT_EQ(client->not_after, edge_.certificate.not_after());
  const auto server = VerifiedPeer(pair.client(), now_);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(server->uri_sans, ElementsAre("spiffe://demo/node/a"));
  EXPECT_STREQ(SSL_get_version(pair.client()), "TLSv1.3");
  EXPECT_EQ(SSL_get_current_compression(pair.client()), nullptr);
}

TEST_F(TlsContextTest, AnIntermediateInTheChainIsAccepted) {
  const CertificateIssuer replica = TestIntermediate(root_, now_);
  const TestIdentity leaf = TestLeaf(replica, TestLeafRequest("node/b", now_));
  const TlsContext server =
      TlsContext::MakeServer(
          {.certificate_chain_pem = ChainToPem({leaf.certificate, replica.certificate()}),
           .client_ca_pem = root_pem()},
          leaf.key)
          .value();
  TlsPair pair(server, Client(edge_, root_pem()));
  ASSERT_TRUE(pair.Shake());
  EXPECT_THAT(VerifiedPeer(pair.client(), now_)->uri_sans, ElementsAre("spiffe://demo/node/b"));
}

TEST_F(TlsContextTest, ForeignExpiredAndMissingCertificatesAreRefused) {
  const CertificateIssuer foreign = TestRoot(now_);  // the same subject, another key
  const std::string foreign_pem = foreign.certificate().ToPem();
  const TestIdentity foreign_edge = TestLeaf(foreign, TestLeafRequest("edge/e", now_));
  LeafRequest past = TestLeafRequest("edge/e", now_ - absl::Hours(2));
  const TestIdentity expired = TestLeaf(root_, past);
  const TestIdentity future = TestLeaf(root_, TestLeafRequest("edge/e", now_ + absl::Hours(2)));
  LeafRequest client_only = TestLeafRequest("node/a", now_);
  client_only.server_auth = false;
  const TestIdentity no_server = TestLeaf(root_, client_only);
  LeafRequest server_only = TestLeafRequest("edge/e", now_);
  server_only.client_auth = false;
  const TestIdentity no_client = TestLeaf(root_, server_only);

  const struct {
    const char* what;
    TlsContext server, client;
  } kCases[] = {
      {"foreign client", Server(node_, root_pem()), Client(foreign_edge, root_pem())},
      {"foreign server", Server(foreign_edge, root_pem()), Client(edge_, root_pem())},
      {"client expects another mesh", Server(node_, root_pem()), Client(edge_, foreign_pem)},
      {"expired client", Server(node_, root_pem()), Client(expired, root_pem())},
      {"future client", Server(node_, root_pem()), Client(future, root_pem())},
      {"expired server", Server(expired, root_pem()), Client(edge_, root_pem())},
      {"anonymous client", Server(node_, root_pem()), AnonymousClient(root_pem())},
      {"server without serverAuth", Server(no_server, root_pem()), Client(edge_, root_pem())},
      {"client without clientAuth", Server(node_, root_pem()), Client(no_client, root_pem())},
  };
  for (const auto& test : kCases) {
    TlsPair pair(test.server, test.client);
    EXPECT_FALSE(pair.Shake()) << test.what;
    EXPECT_FALSE(VerifiedPeer(pair.server(), now_).ok()) << test.what;
  }
}

TEST_F(TlsContextTest, WithoutClientCaAnyoneConnectsAndIsNobody) {
  TlsPair pair(Server(node_, ""), AnonymousClient(root_pem()));
  ASSERT_TRUE(pair.Shake());
  EXPECT_TRUE(absl::IsUnauthenticated(VerifiedPeer(pair.server(), now_).status()));
  EXPECT_TRUE(VerifiedPeer(pair.client(), now_).ok());
}

TEST_F(TlsContextTest, VersionsBelowTheMinimumAreRefused) {
  const TlsContext client = AnonymousClient(root_pem());
  const struct {
    TlsVersion min_version;
    int client_version;
    bool accepted;
  } kCases[] = {
      {TlsVersion::k1_3, TLS1_2_VERSION, false},
      {TlsVersion::k1_2, TLS1_2_VERSION, true},
      {TlsVersion::k1_2, TLS1_1_VERSION, false},
      {TlsVersion::k1_2, TLS1_3_VERSION, true},
  };
  for (const auto& test : kCases) {
    TlsPair pair(Server(node_, "", test.min_version), client);
    SSL_set_security_level(pair.client(), 0);  // so that it would speak 1.1
    SSL_set_min_proto_version(pair.client(), test.client_version);
    SSL_set_max_proto_version(pair.client(), test.client_version);
    EXPECT_EQ(pair.Shake(), test.accepted) << test.client_version;
  }
}

TEST_F(TlsContextTest, AResumedSessionStillSaysWhoAndExpires) {
  const TlsContext server = Server(node_, root_pem());
  const TlsContext client = Client(edge_, root_pem());
  TlsPair first(server, client);
  ASSERT_TRUE(first.Shake());
  SSL_SESSION* const session = SSL_get1_session(first.client());
  ASSERT_EQ(SSL_SESSION_is_resumable(session), 1);

  TlsPair second(server, client, session);
  ASSERT_TRUE(second.Shake());
  EXPECT_EQ(SSL_session_reused(second.server()), 1);
  EXPECT_THAT(VerifiedPeer(second.server(), now_)->uri_sans, ElementsAre("spiffe://demo/edge/e"));
  EXPECT_TRUE(
      absl::IsUnauthenticated(VerifiedPeer(second.server(), now_ + absl::Minutes(61)).status()));

  // A new context (rotation, other trust) knows no old tickets.
  TlsPair third(Server(node_, root_pem()), client, session);
  ASSERT_TRUE(third.Shake());
  EXPECT_EQ(SSL_session_reused(third.server()), 0);
  SSL_SESSION_free(session);
}

TEST_F(TlsContextTest, NobodyIsKnownBeforeTheHandshake) {
  TlsPair pair(Server(node_, root_pem()), Client(edge_, root_pem()));
  EXPECT_TRUE(absl::IsFailedPrecondition(VerifiedPeer(pair.server(), now_).status()));
}

TEST_F(TlsContextTest, BadConfigurationIsRefusedByName) {
  const auto Message = [](const absl::StatusOr<TlsContext>& made) {
    EXPECT_TRUE(absl::IsInvalidArgument(made.status()));
    return std::string(made.status().message());
  };
  const std::string chain = node_.certificate.ToPem();
  EXPECT_THAT(Message(TlsContext::MakeServer({.certificate_chain_pem = chain}, edge_.key)),
              HasSubstr("private key is not that of the first certificate"));
  EXPECT_THAT(Message(TlsContext::MakeServer({.certificate_chain_pem = "x"}, node_.key)),
              HasSubstr("certificate chain: "));
  EXPECT_THAT(Message(TlsContext::MakeServer({.certificate_chain_pem = chain, .client_ca_pem = "x"},
                                             node_.key)),
              HasSubstr("client CA: "));
  EXPECT_THAT(Message(TlsContext::MakeServer(
                  {.certificate_chain_pem = chain, .client_ca_pem = chain}, node_.key)),
              HasSubstr("is not of an authority"));
  EXPECT_THAT(Message(TlsContext::MakeClient({.ca_pem = ""}, nullptr)), HasSubstr("CA: "));
  EXPECT_THAT(Message(TlsContext::MakeClient({.ca_pem = root_pem()}, &edge_.key)),
              HasSubstr("come together"));
}

}  // namespace
}  // namespace rolemesh::base
