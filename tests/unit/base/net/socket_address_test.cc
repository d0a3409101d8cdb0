#include "base/net/socket_address.h"

#include <string>

#include "absl/hash/hash_testing.h"
#include "absl/strings/string_view.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace rolemesh::base {
namespace {

using ::testing::HasSubstr;

IpAddress Ip(absl::string_view text) {
  const absl::StatusOr<IpAddress> ip = ParseIpAddress(text);
  EXPECT_TRUE(ip.ok()) << text;
  return ip.value_or(IpAddress());
}

TEST(IpAddressTest, ReadsOnlyTheCanonicalForms) {
  for (const char* text : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "fd00:ec2::254",
                           "2001:db8::1", "::ffff:127.0.0.1", "fe80::1"}) {
    EXPECT_TRUE(ParseIpAddress(text).ok()) << text;
  }
  for (const char* text : {"",
                           "localhost",
                           "localhost.",
                           "2130706433",
                           "0177.1",
                           "0177.0.0.1",
                           "0x7f.1",
                           "0x7f.0.0.1",
                           "127.1",
                           "127.0.0.01",
                           "127.0.0.256",
                           "127.0.0.1.",
                           " 127.0.0.1",
                           "127.0.0.1 ",
                           "127.0.0.-1",
                           "127.0.0.1/8",
                           "fe80::1%eth0",
                           "[::1]",
                           "::1::",
                           ":::",
                           "12345::",
                           "1:2:3:4:5:6:7:8:9",
                           "user@10.0.0.1",
                           "10.0.0.1:80",
                           "１.1.1.1",
                           "0000:0000:0000:0000:0000:0000:0000:00000000000000000000001"}) {
    EXPECT_EQ(ParseIpAddress(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(ParseIpAddress(absl::string_view("10.0.0.1\0", 9)).ok());
}

TEST(IpAddressTest, ToStringIsTheShortForm) {
  EXPECT_EQ(Ip("2001:0db8:0:0:0:0:0:1").ToString(), "2001:db8::1");
  EXPECT_EQ(Ip("10.1.2.3").ToString(), "10.1.2.3");
  EXPECT_EQ(Ip("::ffff:10.1.2.3").ToString(), "::ffff:10.1.2.3");
}

TEST(IpAddressTest, KindsAreSeenThroughTheMappedForm) {
  struct Case {
    absl::string_view text;
    bool loopback, unspecified, link_local, multicast, broadcast, metadata;
  };
  constexpr Case kCases[] = {
      {"127.0.0.1", true, false, false, false, false, false},
      {"127.255.255.254", true, false, false, false, false, false},
      {"::1", true, false, false, false, false, false},
      {"::ffff:127.0.0.1", true, false, false, false, false, false},
      {"0.0.0.0", false, true, false, false, false, false},
      {"::", false, true, false, false, false, false},
      {"::ffff:0.0.0.0", false, true, false, false, false, false},
      {"169.254.169.254", false, false, true, false, false, true},
      {"::ffff:169.254.1.1", false, false, true, false, false, true},
      {"fe80::1", false, false, true, false, false, false},
      {"febf::1", false, false, true, false, false, false},
      {"fec0::1", false, false, false, false, false, false},
      {"224.0.0.1", false, false, false, true, false, false},
      {"ff02::1", false, false, false, true, false, false},
      {"255.255.255.255", false, false, false, false, true, false},
      {"100.100.100.200", false, false, false, false, false, true},
      {"::ffff:100.100.100.200", false, false, false, false, false, true},
      {"168.63.129.16", false, false, false, false, false, true},
      {"fd00:ec2::254", false, false, false, false, false, true},
      {"fd20:ce::254", false, false, false, false, false, true},
      {"100.100.100.201", false, false, false, false, false, false},
      {"10.0.0.1", false, false, false, false, false, false},
      {"fd00::1", false, false, false, false, false, false},
      {"128.0.0.1", false, false, false, false, false, false},
  };
  for (const Case& c : kCases) {
    const IpAddress ip = Ip(c.text);
    EXPECT_EQ(ip.IsLoopback(), c.loopback) << c.text;
    EXPECT_EQ(ip.IsUnspecified(), c.unspecified) << c.text;
    EXPECT_EQ(ip.IsLinkLocal(), c.link_local) << c.text;
    EXPECT_EQ(ip.IsMulticast(), c.multicast) << c.text;
    EXPECT_EQ(ip.IsBroadcast(), c.broadcast) << c.text;
    EXPECT_EQ(ip.IsMetadata(), c.metadata) << c.text;
  }
}

TEST(IpAddressTest, AMappedAddressIsAnotherValue) {
  EXPECT_NE(Ip("::ffff:10.0.0.1"), Ip("10.0.0.1"));
  EXPECT_EQ(Ip("::ffff:10.0.0.1").Unmapped(), Ip("10.0.0.1"));
  EXPECT_NE(Ip("0.0.0.0"), Ip("::"));
}

TEST(SocketAddressTest, ParseIsStrict) {
  for (const char* text : {"127.0.0.1:8080", "[::1]:80", "0.0.0.0:1", "10.0.0.1:65535"}) {
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), text);
  }
  for (const char* text : {"",
                           ":",
                           "127.0.0.1",
                           "127.0.0.1:",
                           ":8080",
                           "127.0.0.1:0",
                           "127.0.0.1:65536",
                           "127.0.0.1:080",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1: 80",
                           "127.0.0.1:0x50",
                           "127.0.0.1:80 ",
                           "127.0.0.1:80:80",
                           "[127.0.0.1]:80",
                           "::1:80",
                           "[::1]",
                           "[::1]80",
                           "[::1:80",
                           "localhost:80",
                           "[fe80::1%eth0]:80",
                           "2130706433:80",
                           "127.1:80",
                           "[]:80",
                           "127.0.0.1:99999999999"}) {
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr(text));
  }
}

TEST(SocketAddressTest, PortZeroOnlyOnRequest) {
  EXPECT_FALSE(SocketAddress::Parse("127.0.0.1:0").ok());
  EXPECT_TRUE(SocketAddress::Parse("127.0.0.1:0", PortZero::kAllowed).ok());
  EXPECT_FALSE(SocketAddress::Parse("127.0.0.1:00", PortZero::kAllowed).ok());
}

TEST(SocketAddressTest, NativeRoundTrip) {
  for (const char* text : {"10.1.2.3:4567", "[2001:db8::7]:443"}) {
    const SocketAddress address = *SocketAddress::Parse(text);
    sockaddr_storage native;
    const socklen_t length = address.ToNative(&native);
    const absl::StatusOr<SocketAddress> back =
        SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native), length);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, address);
    EXPECT_FALSE(
        SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native), length - 1).ok());
  }
}

TEST(SocketAddressTest, HashFollowsEquality) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {SocketAddress(), *SocketAddress::Parse("127.0.0.1:1"), *SocketAddress::Parse("127.0.0.1:2"),
       *SocketAddress::Parse("[::]:1"), *SocketAddress::Parse("[::ffff:127.0.0.1]:1")}));
}

TEST(CidrTest, ContainsOnlyItsNetwork) {
  struct Case {
    absl::string_view network, address;
    bool inside;
  };
  constexpr Case kCases[] = {
      {"10.0.0.0/8", "10.255.255.255", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "::ffff:10.1.1.1", true},
      {"10.0.0.0/8", "::10.1.1.1", false},
      {"100.64.0.0/10", "100.127.255.255", true},
      {"100.64.0.0/10", "100.128.0.0", false},
      {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "::1", false},
      {"::/0", "fd00::1", true},
      {"::/0", "10.0.0.1", false},
      {"::/0", "::ffff:10.0.0.1", false},
      {"fd00::/8", "fdff::1", true},
      {"fd00::/8", "fe00::1", false},
      {"fd7a:115c:a1e0::/48", "fd7a:115c:a1e0:1::9", true},
      {"fd7a:115c:a1e0::/48", "fd7a:115c:a1e1::", false},
      {"::ffff:10.0.0.0/104", "10.2.3.4", true},
      {"10.0.0.0/31", "10.0.0.1", true},
      {"10.0.0.0/31", "10.0.0.2", false},
  };
  for (const Case& c : kCases) {
    const absl::StatusOr<Cidr> cidr = Cidr::Parse(c.network);
    ASSERT_TRUE(cidr.ok()) << cidr.status();
    EXPECT_EQ(cidr->Contains(Ip(c.address)), c.inside) << c.network << " " << c.address;
  }
}

TEST(CidrTest, RefusesWhatIsNoNetwork) {
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.1.0.0/8",
        "fd00::/129", "fd00::1/64", "10.0.0.0/8/8", "10/8", "localhost/8", "10.0.0.0/ 8", "*"}) {
    EXPECT_EQ(Cidr::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CidrTest, ToStringIsWhatParseReads) {
  for (const char* text : {"10.0.0.0/8", "fd00::/8", "127.0.0.1/32"}) {
    EXPECT_EQ(Cidr::Parse(text)->ToString(), text);
  }
}

}  // namespace
}  // namespace rolemesh::base
