#include "base/tls/root_probe.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "base/ids/hex.h"
#include "base/status/annotate.h"
#include "base/status/errno_status.h"
#include "base/status/status_macros.h"
#include "base/tls/openssl_handle.h"

namespace rolemesh::base {
namespace {

constexpr size_t kSha256HexDigits = 64;
constexpr absl::Duration kMaxTimeout = absl::Hours(1);
constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kMaxReceivedBytes = 512 << 10;  // OpenSSL itself stops at a 100 KiB chain
constexpr unsigned char kAlpnH2[] = {2, 'h', '2'};

/// When to give up, and how long a poll may take until then.
class Deadline {
 public:
  Deadline(const Clock& clock, absl::Duration timeout)
      : clock_(clock),
        end_(clock.SteadyNow() + absl::ToChronoNanoseconds(std::min(timeout, kMaxTimeout))) {}

  /// Waits for `events`. Errors: DeadlineExceeded.
  absl::Status WaitFor(int fd, short events) const {
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end_ - clock_.SteadyNow() + std::chrono::microseconds(999));
      if (left.count() <= 0) {
        return absl::DeadlineExceededError("no answer in time");
      }
      pollfd entry = {.fd = fd, .events = events, .revents = 0};
      const int ready = poll(&entry, 1, static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
      if (ready > 0) {
        return absl::OkStatus();
      }
      if (ready < 0 && errno != EINTR) {
        return ErrnoStatus(errno, "poll");
      }
    }
  }

 private:
  const Clock& clock_;
  const SteadyTime end_;
};

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

absl::StatusOr<Socket> ConnectTo(const addrinfo& address, const Deadline& deadline) {
  Socket socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.fd() < 0) {
    return ErrnoStatus(errno, "socket");
  }
  if (connect(socket.fd(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) {
      return absl::UnavailableError(ErrnoStatus(errno, "connect").message());
    }
    RM_RETURN_IF_ERROR(deadline.WaitFor(socket.fd(), POLLOUT));
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      return absl::UnavailableError(ErrnoStatus(error, "connect").message());
    }
  }
  return socket;
}

/// The first address that accepts.
absl::StatusOr<Socket> Connect(const std::string& host, uint16_t port, const Deadline& deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
      error != 0) {
    return absl::UnavailableError(absl::StrCat("cannot resolve: ", gai_strerror(error)));
  }
  const auto free_found = absl::MakeCleanup([found] { freeaddrinfo(found); });
  absl::Status last = absl::UnavailableError("no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    absl::StatusOr<Socket> socket = ConnectTo(*address, deadline);
    if (socket.ok() || absl::IsDeadlineExceeded(socket.status())) {
      return socket;
    }
    last = socket.status();
  }
  return last;
}

absl::Status SendAll(const Socket& socket, absl::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(sent);
    } else if (errno == EAGAIN) {
      RM_RETURN_IF_ERROR(deadline.WaitFor(socket.fd(), POLLOUT));
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "send");
    }
  }
  return absl::OkStatus();
}

/// At least one byte. Errors: Unavailable at the peer's end.
absl::StatusOr<std::string> Receive(const Socket& socket, const Deadline& deadline) {
  std::string bytes(kReadBytes, '\0');
  while (true) {
    RM_RETURN_IF_ERROR(deadline.WaitFor(socket.fd(), POLLIN));
    const ssize_t got = recv(socket.fd(), bytes.data(), bytes.size(), 0);
    if (got > 0) {
      bytes.resize(got);
      return bytes;
    }
    if (got == 0) {
      return absl::UnavailableError("closed the connection during the TLS handshake");
    }
    if (errno != EAGAIN && errno != EINTR) {
      return ErrnoStatus(errno, "receive");
    }
  }
}

/// Shakes hands over `socket`. OpenSSL only sees memory: sends must not raise SIGPIPE, and every
/// wait has the deadline.
absl::Status Handshake(SSL* ssl, const Socket& socket, const Deadline& deadline) {
  BIO* const incoming = BIO_new(BIO_s_mem());
  BIO* const outgoing = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, incoming, outgoing);  // takes both over
  size_t received = 0;
  while (true) {
    ERR_clear_error();
    const int done = SSL_connect(ssl);
    const int want = SSL_get_error(ssl, done);
    char* data = nullptr;
    const long size = BIO_get_mem_data(outgoing, &data);
    const std::string pending(data, size > 0 ? size : 0);
    (void)BIO_reset(outgoing);
    const absl::Status sent = SendAll(socket, pending, deadline);
    if (done == 1) {
      return absl::OkStatus();  // what we came for is here; the server may well have left
    }
    if (want != SSL_ERROR_WANT_READ) {
      return absl::UnavailableError(absl::StrCat("TLS handshake: ", TakeOpenSslError()));
    }
    RM_RETURN_IF_ERROR(sent);
    RM_ASSIGN_OR_RETURN(const std::string bytes, Receive(socket, deadline));
    received += bytes.size();
    if (received > kMaxReceivedBytes) {
      return absl::UnavailableError("TLS handshake: the server sends too much");
    }
    BIO_write(incoming, bytes.data(), static_cast<int>(bytes.size()));
  }
}

/// What the server presented: its own certificate first.
absl::StatusOr<std::vector<Certificate>> PresentedChain(const SSL* ssl) {
  std::vector<Certificate> chain;
  const STACK_OF(X509)* const presented = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; presented != nullptr && i < sk_X509_num(presented); ++i) {
    X509* const x509 = sk_X509_value(presented, i);
    X509_up_ref(x509);
    RM_ASSIGN_OR_RETURN(Certificate certificate,
                        Certificate::FromNative(std::shared_ptr<X509>(x509, X509_free)));
    chain.push_back(std::move(certificate));
  }
  return chain;
}

absl::StatusOr<Certificate> PinnedRoot(const std::vector<Certificate>& chain,
                                       absl::string_view expected_hash, absl::Time now) {
  for (const Certificate& root : chain) {
    if (root.SpkiSha256Hex() != expected_hash) {
      continue;
    }
    if (!root.is_ca() || !root.is_self_signed()) {
      return absl::UnauthenticatedError("the pinned certificate is no self-signed authority");
    }
    RM_RETURN_IF_ERROR(chain.front().VerifiedBy({root}, chain, now, Certificate::Purpose::kServer));
    return root;
  }
  return absl::UnauthenticatedError("the certificates it presents do not include the token's root");
}

}  // namespace

absl::StatusOr<Certificate> FetchPinnedRoot(absl::string_view host, uint16_t port,
                                            absl::string_view expected_spki_sha256_hex,
                                            absl::Duration timeout, const Clock& clock) {
  const std::string expected_hash = absl::AsciiStrToLower(expected_spki_sha256_hex);
  if (expected_hash.size() != kSha256HexDigits || !HexDecode(expected_hash).ok()) {
    return absl::InvalidArgumentError("root hash: not 64 hex digits");
  }
  const std::string name(host);
  const std::string where = absl::StrCat(host, " port ", port);
  const OpenSslHandle<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
    return OpenSslInternal("cannot set up TLS");
  }
  // The chain is judged below, by the pin; the handshake proves that the server has its key.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  const OpenSslHandle<SSL, SSL_free> ssl(SSL_new(context.get()));
  if (ssl == nullptr || SSL_set_alpn_protos(ssl.get(), kAlpnH2, sizeof(kAlpnH2)) != 0) {
    return OpenSslInternal("cannot set up TLS");
  }
  const OpenSslHandle<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> literal(
      a2i_IPADDRESS(name.c_str()));
  if (literal == nullptr && SSL_set_tlsext_host_name(ssl.get(), name.c_str()) != 1) {
    ERR_clear_error();
    return absl::UnavailableError(absl::StrCat(where, ": no such host"));
  }

  const Deadline deadline(clock, timeout);
  absl::StatusOr<Socket> socket = Connect(name, port, deadline);
  if (!socket.ok()) {
    return Annotate(socket.status(), where);
  }
  RM_RETURN_IF_ERROR(Annotate(Handshake(ssl.get(), *socket, deadline), where));
  absl::StatusOr<Certificate> root = absl::UnauthenticatedError("unreadable certificate");
  if (const auto chain = PresentedChain(ssl.get()); chain.ok() && !chain->empty()) {
    root = PinnedRoot(*chain, expected_hash, clock.WallNow());
  }
  if (!root.ok()) {
    return absl::UnauthenticatedError(
        absl::StrCat(where, " is not the mesh of this token: ", root.status().message()));
  }
  return root;
}

}  // namespace rolemesh::base
