#include "base/http/head_reader.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

int RequestStatus(absl::string_view raw, const HeadLimits& limits = {}) {
  RequestHead head;
  return ParseRequestHead(raw, limits, &head).http_status;
}

int ResponseStatus(absl::string_view raw) {
  ResponseHead head;
  return ParseResponseHead(raw, {}, &head).http_status;
}

// A request with one more line.
std::string With(absl::string_view line) {
  return absl::StrCat("POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n", line, "\r\n\r\n");
}

std::string Target(absl::string_view target) {
  return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST(RequestHeadTest, APlainRequestIsReadWhole) {
  const std::string raw =
      "POST /v1/chat/completions?a=b&c HTTP/1.1\r\nHost: mesh:8080\r\nContent-Length: 17\r\n"
      "X-Empty:\r\nX-Spaces: \t a b\t \r\nX-Obs: \xff\r\n\r\n";
  RequestHead head;
  ASSERT_TRUE(ParseRequestHead(raw, {}, &head).ok());
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1/chat/completions?a=b&c");
  EXPECT_EQ(head.path, "/v1/chat/completions");
  EXPECT_EQ(head.query, "a=b&c");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_EQ(head.content_length, 17u);
  EXPECT_FALSE(head.chunked);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expect_continue);
  EXPECT_EQ(head.Find("x-empty"), "");
  EXPECT_EQ(head.Find("x-spaces"), "a b");
  EXPECT_EQ(head.Find("x-none"), absl::nullopt);
  EXPECT_EQ(head.fields.size(), 5u);
}

TEST(RequestHeadTest, AHeadIsReusableForTheNextRequest) {
  RequestHead head;
  ASSERT_TRUE(ParseRequestHead("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                               "Expect: 100-continue\r\nConnection: close\r\n\r\n",
                               {}, &head)
                  .ok());
  EXPECT_TRUE(head.chunked && head.expect_continue && !head.keep_alive);
  ASSERT_TRUE(ParseRequestHead("GET /?q HTTP/1.1\r\nHost: h\r\n\r\n", {}, &head).ok());
  EXPECT_TRUE(!head.chunked && !head.expect_continue && head.keep_alive);
  EXPECT_EQ(head.content_length, absl::nullopt);
  EXPECT_EQ(head.fields.size(), 1u);
}

TEST(RequestHeadTest, KeepAliveFollowsVersionAndConnection) {
  struct Case {
    absl::string_view version, connection;
    bool keep_alive;
  };
  constexpr Case kCases[] = {
      {"1.1", "X-Other", true},  {"1.1", "close", false},     {"1.1", "keep-alive, CLOSE", false},
      {"1.0", "X-Other", false}, {"1.0", "Keep-Alive", true}, {"1.0", "keep-alive, close", false},
  };
  for (const Case& c : kCases) {
    RequestHead head;
    const std::string raw = absl::StrCat("GET / HTTP/", c.version,
                                         "\r\nHost: h\r\nConnection: ", c.connection, "\r\n\r\n");
    ASSERT_TRUE(ParseRequestHead(raw, {}, &head).ok()) << raw;
    EXPECT_EQ(head.keep_alive, c.keep_alive) << raw;
  }
}

TEST(RequestHeadTest, FramingFieldsHaveOneFormOnly) {
  for (const char* good : {"Content-Length: 0", "Content-Length: 05", "content-length:5 ",
                           "Content-Length: 999999999999999", "Transfer-Encoding: chunked",
                           "TRANSFER-ENCODING:\tCHUNKED ", "X-Content-Length: 5, 6"}) {
    EXPECT_EQ(RequestStatus(With(good)), 0) << good;
  }
  for (const char* bad : {"Content-Length:",
                          "Content-Length: +5",
                          "Content-Length: -5",
                          "Content-Length: 0x5",
                          "Content-Length: 5,5",
                          "Content-Length: 5 5",
                          "Content-Length: 1e1",
                          "Content-Length: \"5\"",
                          "Content-Length: 1000000000000000",
                          "Content-Length: 18446744073709551621",
                          "Content-Length: \xd9\xa5",
                          "Content-Length: 5\r\nContent-Length: 5",
                          "Content-Length: 5\r\nContent-Length: 6",
                          "Content_Length: 5",
                          "Content-Length : 5",
                          "Content-Length\t: 5",
                          "Transfer-Encoding:",
                          "Transfer-Encoding: gzip",
                          "Transfer-Encoding: gzip, chunked",
                          "Transfer-Encoding: chunked, chunked",
                          "Transfer-Encoding: ,chunked",
                          "Transfer-Encoding: chunked,",
                          "Transfer-Encoding: \"chunked\"",
                          "Transfer-Encoding: chunked;q=1",
                          "Transfer-Encoding: identity",
                          "Transfer-Encoding: xchunked",
                          "Transfer-Encoding: \xa0"
                          "chunked",
                          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                          "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                          "Transfer_Encoding: chunked",
                          "Transfer-Encoding: chunked\r\nContent-Length: 5",
                          "Content-Length: 5\r\nTransfer-Encoding: chunked",
                          "Content-Length: 5\r\nTransfer-Encoding: gzip"}) {
    EXPECT_EQ(RequestStatus(With(bad)), 400) << bad;
  }
  EXPECT_EQ(RequestStatus("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(RequestHeadTest, LinesEndInCrlfAndAreNeverFolded) {
  for (const char* bad :
       {"GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n X: b\r\n\r\n", "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\n", "\r\n\r\n", ""}) {
    EXPECT_EQ(RequestStatus(bad), 400) << bad;
  }
}

TEST(RequestHeadTest, EveryByteIsJudgedByWhereItStands) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string c(1, static_cast<char>(byte));
    const bool value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    EXPECT_EQ(RequestStatus(With(absl::StrCat("X: a", c, "b"))), value ? 0 : 400) << byte;
    const bool token = byte > 0x20 && byte < 0x7f &&
                       absl::string_view("\"(),/:;<=>?@[\\]{}").find(c) == absl::string_view::npos;
    EXPECT_EQ(RequestStatus(With(absl::StrCat("X", c, "Y: a"))), token || byte == ':' ? 0 : 400)
        << byte;
    if (byte != ' ' && byte != '%' && byte != '\n') {
      const bool target = byte > 0x20 && byte < 0x7f && byte != '#' && byte != '\\';
      EXPECT_EQ(RequestStatus(Target(absl::StrCat("/a", c, "b"))), target ? 0 : 400) << byte;
    }
  }
}

TEST(RequestHeadTest, TheRequestLineHasOneForm) {
  struct Case {
    absl::string_view line;
    int status;
  };
  constexpr Case kCases[] = {
      {"GET / HTTP/1.1", 0},
      {"HEAD / HTTP/1.0", 0},
      {"DELETE /x HTTP/1.1", 0},
      {"OPTIONS /x HTTP/1.1", 0},
      {"OPTIONS * HTTP/1.1", 400},
      {"GET  / HTTP/1.1", 400},
      {"GET / HTTP/1.1 ", 400},
      {"GET\t/\tHTTP/1.1", 400},
      {" GET / HTTP/1.1", 400},
      {"GET /", 400},
      {"GET", 400},
      {"GET / http/1.1", 400},
      {"GET / HTTP/1.10", 400},
      {"GET / HTTP/01.1", 400},
      {"GET / HTTP/1.2", 505},
      {"GET / HTTP/2.0", 505},
      {"PRI * HTTP/2.0", 505},
      {"TRACE / HTTP/1.1", 405},
      {"CONNECT a:80 HTTP/1.1", 405},
      {"PUT / HTTP/1.1", 405},
      {"get / HTTP/1.1", 501},
      {"GETS / HTTP/1.1", 501},
      {"AAAAAAAAAAAAAAAA / HTTP/1.1", 501},
      {"AAAAAAAAAAAAAAAAA / HTTP/1.1", 400},
      {"GE(T / HTTP/1.1", 400},
      {"GET http://h/ HTTP/1.1", 400},
      {"GET file:///etc HTTP/1.1", 400},
      {"GET !/ HTTP/1.1", 400},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(RequestStatus(absl::StrCat(c.line, "\r\nHost: h\r\n\r\n")), c.status) << c.line;
  }
}

TEST(RequestHeadTest, PathsCannotHideStructure) {
  for (const char* good : {"/", "/v1/models", "/v1/models/a.b", "/v1/...", "/a?x=../..&y=%2e%00",
                           "/v1/models/a%20b", "/%41"}) {
    EXPECT_EQ(RequestStatus(Target(good)), 0) << good;
  }
  for (const char* bad : {"/..",           "/.",           "/v1/../admin",
                          "/v1/./models",  "/v1/..",       "/v1/%2e%2e/admin",
                          "/v1/%2E/x",     "/v1%2fmodels", "/v1%2Fmodels",
                          "/v1%5cmodels",  "/v1/%00",      "/v1/%0d%0a",
                          "/v1/%7f",       "/v1/%252e",    "/v1/%",
                          "/v1/%2",        "/v1/%zz",      "/v1/models;x=/../../admin",
                          "/v1/..;/admin", "/v1/models#x", "/v1\\models"}) {
    EXPECT_EQ(RequestStatus(Target(bad)), 400) << bad;
  }
}

TEST(RequestHeadTest, HostIsOneNameOrAddress) {
  const auto status = [](absl::string_view fields) {
    return RequestStatus(absl::StrCat("GET / HTTP/1.1\r\n", fields, "\r\n"));
  };
  for (const char* good :
       {"Host: h\r\n", "Host: mesh.example:8080\r\n", "host: 127.0.0.1:1\r\n", "Host: [::1]\r\n",
        "Host: [::1]:8080\r\n", "Host: edge_1\r\n", "Host: h:65535\r\n"}) {
    EXPECT_EQ(status(good), 0) << good;
  }
  for (const char* bad : {"", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a@b/c?d\r\n",
                          "Host: a,b\r\n", "Host: a b\r\n", "Host: a:\r\n", "Host: a:99999\r\n",
                          "Host: a:b\r\n", "Host: :80\r\n", "Host: [::1\r\n", "Host: []\r\n",
                          "Host: [::1]x\r\n", "Host: a:80:80\r\n", "Host: h\xc3\xa9\r\n"}) {
    EXPECT_EQ(status(bad), 400) << bad;
  }
}

TEST(RequestHeadTest, ConnectionCannotRemoveWhatMatters) {
  for (const char* bad : {"Connection: Host", "Connection: close, content-length",
                          "Connection: Authorization, X-Request-Id",
                          "Connection: close\r\nConnection: transfer-encoding"}) {
    EXPECT_EQ(RequestStatus(With(bad)), 400) << bad;
  }
  EXPECT_EQ(RequestStatus(With("Connection: Upgrade, X-Request-Id")), 0);
}

TEST(RequestHeadTest, OnlyContinueCanBeExpected) {
  EXPECT_EQ(RequestStatus(With("Expect: 100-Continue")), 0);
  for (const char* bad : {"Expect: 200-ok", "Expect: y 100-continue",
                          "Expect:", "Expect: 100-continue\r\nExpect: 100-continue"}) {
    EXPECT_EQ(RequestStatus(With(bad)), 417) << bad;
  }
}

TEST(RequestHeadTest, LimitsHoldToTheByte) {
  const auto line = [](size_t bytes) {
    const absl::string_view fixed = "GET / HTTP/1.1";
    return absl::StrCat("GET /", std::string(bytes - fixed.size(), 'a'),
                        " HTTP/1.1\r\nHost: h\r\n\r\n");
  };
  EXPECT_EQ(RequestStatus(line(8191)), 0);
  EXPECT_EQ(RequestStatus(line(8192)), 0);
  EXPECT_EQ(RequestStatus(line(8193)), 414);

  const auto block = [](size_t bytes) {
    const absl::string_view fixed = "Host: h\r\nX: \r\n";
    return absl::StrCat("GET / HTTP/1.1\r\nHost: h\r\nX: ", std::string(bytes - fixed.size(), 'a'),
                        "\r\n\r\n");
  };
  EXPECT_EQ(RequestStatus(block(16383)), 0);
  EXPECT_EQ(RequestStatus(block(16384)), 0);
  EXPECT_EQ(RequestStatus(block(16385)), 431);

  const auto fields = [](int count) {
    std::string raw = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (int i = 1; i < count; ++i) {
      absl::StrAppend(&raw, "X", i, ": a\r\n");
    }
    return raw + "\r\n";
  };
  EXPECT_EQ(RequestStatus(fields(99)), 0);
  EXPECT_EQ(RequestStatus(fields(100)), 0);
  EXPECT_EQ(RequestStatus(fields(101)), 431);

  // The scanner stands at the same limits, whether the end has come or not.
  for (const std::string& good : {line(8192), block(16384), fields(100)}) {
    for (const size_t bytes : {good.size(), good.size() - 1, good.size() - 3}) {
      HeadScanner scanner(MessageKind::kRequest);
      EXPECT_NE(scanner.Scan(absl::string_view(good).substr(0, bytes)), HeadScanner::kRefused);
    }
  }
  struct Case {
    std::string raw;
    int status;
  };
  for (const Case& c : {Case{line(8193), 414}, Case{block(16385), 431}, Case{fields(101), 431},
                        Case{std::string(9000, 'A'), 414},
                        Case{"GET / HTTP/1.1\r\nX: " + std::string(17000, 'a'), 431}}) {
    HeadScanner scanner(MessageKind::kRequest);
    ASSERT_EQ(scanner.Scan(c.raw), HeadScanner::kRefused);
    EXPECT_EQ(scanner.error().http_status, c.status);
  }
}

TEST(HeadScannerTest, FindsTheEndHoweverTheBytesCome) {
  const std::string raw =
      "\r\nPOST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
  const size_t end = raw.size() - 4;
  for (size_t step = 1; step <= raw.size(); ++step) {
    HeadScanner scanner(MessageKind::kRequest);
    size_t fed = 0;
    HeadScanner::Result result = HeadScanner::kMore;
    while (result == HeadScanner::kMore && fed < raw.size()) {
      fed = std::min(fed + step, raw.size());
      result = scanner.Scan(absl::string_view(raw).substr(0, fed));
    }
    ASSERT_EQ(result, HeadScanner::kComplete) << step << " " << scanner.error().message;
    EXPECT_EQ(scanner.begin(), 2u);
    EXPECT_EQ(scanner.end(), end);
    EXPECT_GE(fed, end);
    EXPECT_LT(fed, end + step);
  }
}

TEST(HeadScannerTest, RefusesBeforeTheEndWhatCannotBecomeGood) {
  struct Case {
    absl::string_view raw;
    int status;
  };
  const Case kCases[] = {
      {"GET / HTTP/1.1\nHost: h\n\n", 400},
      {"GET /\r\n", 400},
      {absl::string_view("\x16\x03\x01\x00\xc8", 5), 400},
      {absl::string_view("GET /\0", 6), 400},
      {" ", 400},
      {"\n", 400},
      {"\r\n\r\n", 400},
      {"\r\n\r\nGET / HTTP/1.1\r\n", 400},
      {"PRI * HTTP/2.0\r\n", 505},
      {"GET / HTTP/1.1\r\nHost: h\r\nX Y: a\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\n ", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb", 400},
      {"GET / HTTP/1.1\r\n: x", 400},
  };
  for (const Case& c : kCases) {
    HeadScanner whole(MessageKind::kRequest);
    ASSERT_EQ(whole.Scan(c.raw), HeadScanner::kRefused) << c.raw;
    EXPECT_EQ(whole.error().http_status, c.status) << c.raw;
    HeadScanner bytewise(MessageKind::kRequest);
    HeadScanner::Result result = HeadScanner::kMore;
    for (size_t fed = 1; fed <= c.raw.size() && result == HeadScanner::kMore; ++fed) {
      result = bytewise.Scan(c.raw.substr(0, fed));
    }
    EXPECT_EQ(result, HeadScanner::kRefused) << c.raw;
  }
}

TEST(HeadScannerTest, WaitsForWhatMayBecomeGood) {
  for (const char* raw : {"", "G", "\r", "\r\n", "GET / HTTP/1.1", "GET / HTTP/1.1\r",
                          "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHo",
                          "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r"}) {
    HeadScanner scanner(MessageKind::kRequest);
    EXPECT_EQ(scanner.Scan(raw), HeadScanner::kMore) << raw;
    EXPECT_EQ(scanner.started(), *raw != '\0');
  }
}

TEST(ResponseHeadTest, AnswersAreReadAsStrictly) {
  ResponseHead head;
  ASSERT_TRUE(
      ParseResponseHead("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: timeout=5\r\n\r\n", {},
                        &head)
          .ok());
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.reason, "OK");
  EXPECT_EQ(head.content_length, 5u);
  EXPECT_TRUE(head.keep_alive);
  for (const char* good :
       {"HTTP/1.1 200 \r\n\r\n", "HTTP/1.0 500 Internal Server Error\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    EXPECT_EQ(ResponseStatus(good), 0) << good;
  }
  for (const char* bad :
       {"HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 099 x\r\n\r\n",
        "HTTP/1.1 600 x\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "<html>\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: foo\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\n\r\n"}) {
    EXPECT_EQ(ResponseStatus(bad), 502) << bad;
  }
}

TEST(ResponseHeadTest, NothingMayStandBeforeAnAnswer) {
  HeadScanner scanner(MessageKind::kResponse);
  ASSERT_EQ(scanner.Scan("\r\nHTTP/1.1 200 OK\r\n\r\n"), HeadScanner::kRefused);
  EXPECT_EQ(scanner.error().http_status, 502);
}

}  // namespace
}  // namespace rolemesh::base
