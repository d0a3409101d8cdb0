// IP addresses, address with port, and networks: parsed strictly, compared exactly.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <sys/socket.h>

namespace rolemesh::base {

/// An IPv4 or IPv6 address without a zone.
///
/// An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is a different value from
/// a.b.c.d, but every question (IsLoopback, Cidr::Contains...) is answered for the
/// IPv4 address inside, so that no check is passed by writing it differently.
///
/// Thread-safety: a value.
class IpAddress {
 public:
  /// 0.0.0.0
  IpAddress() = default;
  static IpAddress FromV4(std::array<uint8_t, 4> bytes);
  static IpAddress FromV6(std::array<uint8_t, 16> bytes);

  bool is_v4() const { return is_v4_; }
  bool is_v4_mapped() const;
  /// The IPv4 address inside a mapped one; otherwise this.
  IpAddress Unmapped() const;

  bool IsLoopback() const;     ///< 127.0.0.0/8, ::1
  bool IsUnspecified() const;  ///< 0.0.0.0, ::
  bool IsLinkLocal() const;    ///< 169.254.0.0/16, fe80::/10
  bool IsMulticast() const;    ///< 224.0.0.0/4, ff00::/8
  bool IsBroadcast() const;    ///< 255.255.255.255
  /// An address where clouds hand out credentials: 169.254.169.254 (with all
  /// link-local ones), 100.100.100.200, 168.63.129.16, fd00:ec2::254.
  bool IsMetadata() const;

  /// Network order; 4 bytes are used for IPv4.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  int bit_count() const { return is_v4_ ? 32 : 128; }

  /// "10.0.0.1", "2001:db8::1".
  std::string ToString() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.is_v4_, a.bytes_);
  }

 private:
  std::array<uint8_t, 16> bytes_{};
  bool is_v4_ = true;
};

/// Four decimal numbers 0..255 without leading zeros, or IPv6 without brackets and zone.
/// Errors: InvalidArgument: anything else (names, octal, hexadecimal, one number): fix the text.
absl::StatusOr<IpAddress> ParseIpAddress(absl::string_view text);

enum class PortZero {
  kRefused,
  kAllowed,  ///< For listeners: the kernel chooses.
};

/// Where a TCP socket is or connects to.
/// Thread-safety: a value.
class SocketAddress {
 public:
  /// 0.0.0.0:0
  SocketAddress() = default;
  SocketAddress(IpAddress ip, uint16_t port) : ip_(ip), port_(port) {}

  /// "127.0.0.1:8080" or "[::1]:8080".
  /// Errors: InvalidArgument: a name, a missing port, leading zeros, a port outside 1..65535
  /// (0 unless allowed): fix the text; the message quotes it.
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text,
                                             PortZero port_zero = PortZero::kRefused);
  /// From the kernel. Errors: InvalidArgument: not an IP address (a unix socket).
  static absl::StatusOr<SocketAddress> FromNative(const sockaddr* address, socklen_t length);

  const IpAddress& ip() const { return ip_; }
  uint16_t port() const { return port_; }
  bool IsLoopback() const { return ip_.IsLoopback(); }
  bool IsUnspecified() const { return ip_.IsUnspecified(); }
  bool IsLinkLocal() const { return ip_.IsLinkLocal(); }

  /// Fills `storage` and returns the length to pass to the kernel.
  socklen_t ToNative(sockaddr_storage* storage) const;

  /// What Parse() reads.
  std::string ToString() const;

  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const SocketAddress& a) {
    return H::combine(std::move(h), a.ip_, a.port_);
  }

 private:
  IpAddress ip_;
  uint16_t port_ = 0;
};

/// A network: "10.0.0.0/8", "fd00::/8"; a bare address is that one host.
/// Thread-safety: a value.
class Cidr {
 public:
  /// Errors: InvalidArgument: not a network, or bits are set behind the prefix
  /// ("10.1.0.0/8"): fix the text.
  static absl::StatusOr<Cidr> Parse(absl::string_view text);

  /// Whether `address` is inside; an IPv4-mapped address is judged as IPv4.
  bool Contains(const IpAddress& address) const;

  const IpAddress& network() const { return network_; }
  int prefix_length() const { return prefix_length_; }
  std::string ToString() const;

  friend bool operator==(const Cidr&, const Cidr&) = default;

 private:
  Cidr(IpAddress network, int prefix_length) : network_(network), prefix_length_(prefix_length) {}

  IpAddress network_;
  int prefix_length_;
};

}  // namespace rolemesh::base
