#include "base/net/socket_address.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rolemesh::base {
namespace {

absl::Status BadText(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CEscape(text.substr(0, 80)), "\": ", what));
}

// Decimal digits without a leading zero, at most `max`; -1 otherwise.
int ParseDecimal(absl::string_view text, int max) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) {
    return -1;
  }
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return -1;
    }
    value = value * 10 + (c - '0');
  }
  return value <= max ? value : -1;
}

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::array<uint8_t, 16> kV6Loopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr std::array<uint8_t, 16> kV6AwsMetadata = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0,    0,
                                                    0,    0, 0,    0,    0, 0, 0x02, 0x54};
constexpr std::array<uint8_t, 16> kV6GcpMetadata = {0xfd, 0x20, 0, 0xce, 0, 0, 0,    0,
                                                    0,    0,    0, 0,    0, 0, 0x02, 0x54};

bool IsV4(const IpAddress& ip, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return ip.is_v4() && ip == IpAddress::FromV4({a, b, c, d});
}

}  // namespace

IpAddress IpAddress::FromV4(std::array<uint8_t, 4> bytes) {
  IpAddress ip;
  std::copy(bytes.begin(), bytes.end(), ip.bytes_.begin());
  return ip;
}

IpAddress IpAddress::FromV6(std::array<uint8_t, 16> bytes) {
  IpAddress ip;
  ip.bytes_ = bytes;
  ip.is_v4_ = false;
  return ip;
}

bool IpAddress::is_v4_mapped() const {
  return !is_v4_ && std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin());
}

IpAddress IpAddress::Unmapped() const {
  return is_v4_mapped() ? FromV4({bytes_[12], bytes_[13], bytes_[14], bytes_[15]}) : *this;
}

bool IpAddress::IsLoopback() const {
  const IpAddress ip = Unmapped();
  return ip.is_v4_ ? ip.bytes_[0] == 127 : ip.bytes_ == kV6Loopback;
}

bool IpAddress::IsUnspecified() const {
  return Unmapped().bytes_ == std::array<uint8_t, 16>{};
}

bool IpAddress::IsLinkLocal() const {
  const IpAddress ip = Unmapped();
  return ip.is_v4_ ? ip.bytes_[0] == 169 && ip.bytes_[1] == 254
                   : ip.bytes_[0] == 0xfe && (ip.bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::IsMulticast() const {
  const IpAddress ip = Unmapped();
  return ip.is_v4_ ? (ip.bytes_[0] & 0xf0) == 0xe0 : ip.bytes_[0] == 0xff;
}

bool IpAddress::IsBroadcast() const {
  return IsV4(Unmapped(), 255, 255, 255, 255);
}

bool IpAddress::IsMetadata() const {
  const IpAddress ip = Unmapped();
  return ip.is_v4_ ? (ip.bytes_[0] == 169 && ip.bytes_[1] == 254) || IsV4(ip, 100, 100, 100, 200) ||
                         IsV4(ip, 168, 63, 129, 16)
                   : ip.bytes_ == kV6AwsMetadata || ip.bytes_ == kV6GcpMetadata;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v4_ ? AF_INET : AF_INET6, bytes_.data(), text, sizeof(text));
  return text;
}

absl::StatusOr<IpAddress> ParseIpAddress(absl::string_view text) {
  char copy[INET6_ADDRSTRLEN] = {};
  if (text.size() < sizeof(copy) && text.find('\0') == absl::string_view::npos) {
    std::copy(text.begin(), text.end(), copy);
    // inet_pton refuses octal, hexadecimal and short forms, leading zeros and zones.
    std::array<uint8_t, 4> v4;
    if (inet_pton(AF_INET, copy, v4.data()) == 1) {
      return IpAddress::FromV4(v4);
    }
    std::array<uint8_t, 16> v6;
    if (inet_pton(AF_INET6, copy, v6.data()) == 1) {
      return IpAddress::FromV6(v6);
    }
  }
  return BadText(text, "not an IP address such as 10.0.0.1 or fd00::1");
}

absl::StatusOr<SocketAddress> SocketAddress::Parse(absl::string_view text, PortZero port_zero) {
  constexpr absl::string_view kForm = "want ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080";
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) {
    return BadText(text, kForm);
  }
  absl::string_view host = text.substr(0, colon);
  const bool brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (brackets) {
    host = host.substr(1, host.size() - 2);
  }
  const absl::StatusOr<IpAddress> ip = ParseIpAddress(host);
  if (!ip.ok() || ip->is_v4() == brackets) {
    return BadText(text, kForm);
  }
  const int port = ParseDecimal(text.substr(colon + 1), 65535);
  if (port < 0 || (port == 0 && port_zero == PortZero::kRefused)) {
    return BadText(text, "the port must be 1 to 65535");
  }
  return SocketAddress(*ip, static_cast<uint16_t>(port));
}

absl::StatusOr<SocketAddress> SocketAddress::FromNative(const sockaddr* address, socklen_t length) {
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof(in));
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return SocketAddress(IpAddress::FromV4(bytes), ntohs(in.sin_port));
  }
  if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof(in));
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return SocketAddress(IpAddress::FromV6(bytes), ntohs(in.sin6_port));
  }
  return absl::InvalidArgumentError("socket address: not IPv4 or IPv6");
}

socklen_t SocketAddress::ToNative(sockaddr_storage* storage) const {
  std::memset(storage, 0, sizeof(*storage));
  if (ip_.is_v4()) {
    auto* in = reinterpret_cast<sockaddr_in*>(storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port_);
    std::memcpy(&in->sin_addr, ip_.bytes().data(), 4);
    return sizeof(*in);
  }
  auto* in = reinterpret_cast<sockaddr_in6*>(storage);
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(port_);
  std::memcpy(&in->sin6_addr, ip_.bytes().data(), 16);
  return sizeof(*in);
}

std::string SocketAddress::ToString() const {
  return ip_.is_v4() ? absl::StrCat(ip_.ToString(), ":", port_)
                     : absl::StrCat("[", ip_.ToString(), "]:", port_);
}

absl::StatusOr<Cidr> Cidr::Parse(absl::string_view text) {
  const size_t slash = text.find('/');
  const absl::StatusOr<IpAddress> parsed = ParseIpAddress(text.substr(0, slash));
  if (!parsed.ok()) {
    return BadText(text, "not a network such as 10.0.0.0/8 or fd00::/8");
  }
  IpAddress ip = *parsed;
  int length = ip.bit_count();
  if (slash != absl::string_view::npos) {
    length = ParseDecimal(text.substr(slash + 1), ip.bit_count());
    if (length < 0) {
      return BadText(text, absl::StrCat("the prefix length must be 0 to ", ip.bit_count()));
    }
  }
  for (int bit = length; bit < ip.bit_count(); ++bit) {
    if ((ip.bytes()[bit / 8] >> (7 - bit % 8)) & 1) {
      return BadText(text, "has bits set behind its prefix length");
    }
  }
  if (ip.is_v4_mapped() && length >= 96) {
    ip = ip.Unmapped();
    length -= 96;
  }
  return Cidr(ip, length);
}

bool Cidr::Contains(const IpAddress& address) const {
  const IpAddress ip = address.Unmapped();
  if (ip.is_v4() != network_.is_v4()) {
    return false;
  }
  const int whole = prefix_length_ / 8;
  const int rest = prefix_length_ % 8;
  return std::equal(ip.bytes().begin(), ip.bytes().begin() + whole, network_.bytes().begin()) &&
         (rest == 0 || ((ip.bytes()[whole] ^ network_.bytes()[whole]) >> (8 - rest)) == 0);
}

std::string Cidr::ToString() const {
  return absl::StrCat(network_.ToString(), "/", prefix_length_);
}

}  // namespace rolemesh::base
