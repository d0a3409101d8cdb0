#include "base/http/body_framing.h"

#include <algorithm>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

constexpr BodyFraming kChunked = {BodyFraming::kChunked, 0};

struct Outcome {
  bool ok = true;
  bool complete = false;
  size_t used = 0;
  std::string payload;
};

// Feeds `raw` in pieces of at most `step` bytes.
Outcome Follow(BodyFraming framing, absl::string_view raw, size_t step,
               const ChunkLimits& limits = {}) {
  BodyTracker tracker(framing, limits);
  Outcome outcome;
  while (outcome.used < raw.size() && !tracker.complete()) {
    const absl::string_view piece = raw.substr(outcome.used, step);
    const absl::StatusOr<size_t> used = tracker.Feed(piece, [&outcome](absl::string_view payload) {
      outcome.payload.append(payload.data(), payload.size());
    });
    if (!used.ok()) {
      EXPECT_FALSE(tracker.Feed("x").ok());
      EXPECT_FALSE(tracker.OnEof().ok());
      outcome.ok = false;
      return outcome;
    }
    EXPECT_TRUE(*used == piece.size() || tracker.complete());
    outcome.used += *used;
  }
  outcome.complete = tracker.complete();
  EXPECT_EQ(tracker.payload_bytes(), outcome.payload.size());
  return outcome;
}

TEST(BodyTrackerTest, AChunkedBodyIsFollowedThroughEverySplit) {
  const std::string body =
      "5;a=\"b\"\r\nhello\r\n1\r\n \r\n00A\r\nworld12345\r\n0;x\r\nX-T: 1\r\nY:\r\n\r\n";
  const std::string raw = body + "GET / HTTP/1.1\r\n";
  for (size_t first = 0; first <= raw.size(); ++first) {
    for (size_t second = first; second <= raw.size(); ++second) {
      BodyTracker tracker(kChunked);
      std::string payload;
      size_t used = 0;
      for (const absl::string_view piece : {absl::string_view(raw).substr(0, first),
                                            absl::string_view(raw).substr(first, second - first),
                                            absl::string_view(raw).substr(second)}) {
        const absl::StatusOr<size_t> taken =
            tracker.Feed(piece, [&payload](absl::string_view p) { payload += std::string(p); });
        ASSERT_TRUE(taken.ok()) << first << " " << second << " " << taken.status();
        used += *taken;
        ASSERT_TRUE(*taken == piece.size() || tracker.complete());
      }
      ASSERT_TRUE(tracker.complete());
      ASSERT_EQ(used, body.size());
      ASSERT_EQ(payload, "hello world12345");
      ASSERT_TRUE(tracker.OnEof().ok());
    }
  }
}

TEST(BodyTrackerTest, NoPrefixOfAChunkedBodyIsComplete) {
  const std::string body = "5\r\nhello\r\n0\r\nX: y\r\n\r\n";
  for (size_t length = 0; length < body.size(); ++length) {
    BodyTracker tracker(kChunked);
    ASSERT_TRUE(tracker.Feed(absl::string_view(body).substr(0, length)).ok());
    EXPECT_FALSE(tracker.complete());
    EXPECT_EQ(tracker.OnEof().code(), absl::StatusCode::kUnavailable) << length;
  }
}

TEST(BodyTrackerTest, BadChunksAreRefusedHoweverTheyCome) {
  for (const absl::string_view raw : {
           absl::string_view("5\nhello\r\n0\r\n\r\n"),
           absl::string_view("5;a\nhello\r\n0\r\n\r\n"),
           absl::string_view("5;a\rb\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("5;\0\r\nhello\r\n0\r\n\r\n", 18),
           absl::string_view("0x5\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("+5\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("-5\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("0_5\r\nhello\r\n0\r\n\r\n"),
           absl::string_view(" 5\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("5 \r\nhello\r\n0\r\n\r\n"),
           absl::string_view("\r\nhello\r\n0\r\n\r\n"),
           absl::string_view(";a\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("10000000000000005\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("0000000000000005\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("3\r\nhello\r\n0\r\n\r\n"),
           absl::string_view("5\r\nhello0\r\n\r\n"),
           absl::string_view("5\r\nhello\n0\r\n\r\n"),
           absl::string_view("5\r\nhelloXX0\r\n\r\n"),
           absl::string_view("5\rXhello\r\n0\r\n\r\n"),
           absl::string_view("0\r\nXX\r\n\r\n"),
           absl::string_view("0\r\nX: y\n\r\n"),
           absl::string_view("0\r\nX: y\r\n z\r\n\r\n"),
           absl::string_view("0\r\n: y\r\n\r\n"),
           absl::string_view("0\r\nX : y\r\n\r\n"),
           absl::string_view("0\r\nX: \x01\r\n\r\n"),
           absl::string_view("0\r\n\rX"),
           absl::string_view("0\n\n"),
       }) {
    for (const size_t step : {size_t{1}, size_t{3}, raw.size()}) {
      EXPECT_FALSE(Follow(kChunked, raw, step).ok) << raw << " in steps of " << step;
    }
  }
}

TEST(BodyTrackerTest, ChunkLimitsHoldToTheByte) {
  const auto extension = [](size_t bytes) {
    return Follow(kChunked, absl::StrCat("1;", std::string(bytes, 'e'), "\r\nx\r\n0\r\n\r\n"), 7)
        .ok;
  };
  EXPECT_TRUE(extension(255));
  EXPECT_TRUE(extension(256));
  EXPECT_FALSE(extension(257));

  const auto extensions = [](int chunks, size_t more) {
    std::string raw;
    for (int i = 0; i < chunks; ++i) {
      absl::StrAppend(&raw, "1;", std::string(256, 'e'), "\r\nx\r\n");
    }
    absl::StrAppend(&raw, "1;", std::string(more, 'e'), "\r\nx\r\n0\r\n\r\n");
    return Follow(kChunked, raw, 1000).ok;
  };
  EXPECT_TRUE(extensions(63, 256));
  EXPECT_TRUE(extensions(64, 0));
  EXPECT_FALSE(extensions(64, 1));

  const auto trailers = [](int count) {
    std::string raw = "0\r\n";
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&raw, "T", i, ": x\r\n");
    }
    return Follow(kChunked, raw + "\r\n", 11).ok;
  };
  EXPECT_TRUE(trailers(16));
  EXPECT_FALSE(trailers(17));

  const auto trailer_bytes = [](size_t bytes) {
    return Follow(kChunked, absl::StrCat("0\r\nT: ", std::string(bytes - 5, 'x'), "\r\n\r\n"), 64)
        .ok;
  };
  EXPECT_TRUE(trailer_bytes(4095));
  EXPECT_TRUE(trailer_bytes(4096));
  EXPECT_FALSE(trailer_bytes(4097));

  ChunkLimits none;
  none.trailer_fields = 0;
  EXPECT_TRUE(Follow(kChunked, "0\r\n\r\n", 1, none).complete);
  EXPECT_FALSE(Follow(kChunked, "0\r\nX: y\r\n\r\n", 1, none).ok);
}

TEST(BodyTrackerTest, ALengthTakesExactlyItsBytes) {
  const BodyFraming framing = {BodyFraming::kLength, 5};
  for (size_t step = 1; step < 9; ++step) {
    const Outcome outcome = Follow(framing, "helloGET", step);
    EXPECT_TRUE(outcome.complete);
    EXPECT_EQ(outcome.used, 5u);
    EXPECT_EQ(outcome.payload, "hello");
  }
  BodyTracker tracker(framing);
  ASSERT_TRUE(tracker.Feed("hell").ok());
  EXPECT_EQ(tracker.remaining(), 1u);
  EXPECT_EQ(tracker.OnEof().code(), absl::StatusCode::kUnavailable);
}

TEST(BodyTrackerTest, WithoutABodyNothingBelongsToIt) {
  BodyTracker tracker((BodyFraming()));
  EXPECT_TRUE(tracker.complete());
  EXPECT_EQ(*tracker.Feed("x"), 0u);
  EXPECT_TRUE(BodyTracker({BodyFraming::kLength, 0}).complete());
}

TEST(BodyTrackerTest, UntilCloseEndsAtEof) {
  BodyTracker tracker({BodyFraming::kUntilClose, 0});
  EXPECT_EQ(*tracker.Feed("hello"), 5u);
  EXPECT_FALSE(tracker.complete());
  EXPECT_TRUE(tracker.OnEof().ok());
  EXPECT_TRUE(tracker.complete());
  EXPECT_EQ(tracker.payload_bytes(), 5u);
}

TEST(BodyFramingTest, StatusAndMethodDecideBeforeFields) {
  struct Case {
    int status;
    bool to_head;
    bool chunked;
    absl::optional<uint64_t> length;
    BodyFraming::Kind kind;
  };
  for (const Case& c : {Case{200, false, true, absl::nullopt, BodyFraming::kChunked},
                        Case{200, false, false, 5, BodyFraming::kLength},
                        Case{200, false, false, 0, BodyFraming::kNone},
                        Case{200, false, false, absl::nullopt, BodyFraming::kUntilClose},
                        Case{200, true, false, 5, BodyFraming::kNone},
                        Case{204, false, true, absl::nullopt, BodyFraming::kNone},
                        Case{304, false, false, 5, BodyFraming::kNone},
                        Case{100, false, false, absl::nullopt, BodyFraming::kNone}}) {
    ResponseHead head;
    head.status = c.status;
    head.chunked = c.chunked;
    head.content_length = c.length;
    EXPECT_EQ(FramingOf(head, c.to_head).kind, c.kind) << c.status;
  }
  RequestHead request;
  EXPECT_EQ(FramingOf(request).kind, BodyFraming::kNone);
  request.content_length = 7;
  EXPECT_EQ(FramingOf(request).kind, BodyFraming::kLength);
  EXPECT_EQ(FramingOf(request).length, 7u);
}

}  // namespace
}  // namespace rolemesh::base
