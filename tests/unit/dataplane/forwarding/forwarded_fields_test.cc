#include "dataplane/forwarding/forwarded_fields.h"

#include <gtest/gtest.h>

namespace rolemesh::dataplane {
namespace {

base::RequestHead Request(base::HeaderFields fields) {
  base::RequestHead head;
  head.fields = std::move(fields);
  return head;
}

base::ResponseHead Answer(base::HeaderFields fields) {
  base::ResponseHead head;
  head.fields = std::move(fields);
  return head;
}

TEST(ForwardedFieldsTest, RequestsLoseCredentialsClaimsAndHopByHopFields) {
  EXPECT_EQ(ForwardedRequestFields(Request({
                {"Host", "edge"},
                {"Content-Type", "application/json"},
                {"authorization", "Bearer x"},
                {"X-API-Key", "x"},
                {"Cookie", "a=b"},
                {"X-Forwarded-For", "1.2.3.4"},
                {"X-Forwarded-Proto", "https"},
                {"Forwarded", "for=1.2.3.4"},
                {"X-RoleMesh-Instance", "forged"},
                {"x-rolemesh-generation", "9"},
                {"Connection", "keep-alive, X-Secret-Hop"},
                {"X-Secret-Hop", "1"},
                {"Keep-Alive", "timeout=5"},
                {"TE", "trailers"},
                {"Transfer-Encoding", "chunked"},
                {"Content-Length", "5"},
                {"Expect", "100-continue"},
                {"Accept-Encoding", "gzip"},
                {"User-Agent", "sdk"},
                {"X-Request-Id", "r1"},
            })),
            "Content-Type: application/json\r\nUser-Agent: sdk\r\nX-Request-Id: r1\r\n");
}

TEST(ForwardedFieldsTest, AnswersLoseWhatIsNotForClients) {
  EXPECT_EQ(ForwardedAnswerFields(Answer({
                {"Server", "llama.cpp"},
                {"Set-Cookie", "a=b"},
                {"Access-Control-Allow-Origin", "*"},
                {"Keep-Alive", "timeout=5, max=100"},
                {"Connection", "X-Hop"},
                {"X-Hop", "1"},
                {"Content-Length", "3"},
                {"X-RoleMesh-Node", "forged"},
                {"Content-Type", "application/json; charset=utf-8"},
                {"Retry-After", "3"},
                {"Cache-Control", "max-age=1"},
            })),
            "Content-Type: application/json; charset=utf-8\r\nRetry-After: 3\r\n"
            "Cache-Control: max-age=1\r\n");
}

TEST(ForwardedFieldsTest, StreamsGetTheirCacheFieldsFromUs) {
  EXPECT_EQ(ForwardedAnswerFields(Answer({{"Content-Type", "text/event-stream"},
                                          {"Cache-Control", "max-age=1"},
                                          {"x-accel-buffering", "yes"}})),
            "Content-Type: text/event-stream\r\n");
}

TEST(ForwardedFieldsTest, EventStreamIsKnownByItsMediaType) {
  EXPECT_TRUE(IsEventStream(Answer({{"content-type", "Text/Event-Stream; charset=utf-8"}})));
  EXPECT_TRUE(IsEventStream(Answer({{"content-type", "text/event-stream"}})));
  EXPECT_FALSE(IsEventStream(Answer({{"content-type", "text/event-streams"}})));
  EXPECT_FALSE(IsEventStream(Answer({})));
}

}  // namespace
}  // namespace rolemesh::dataplane
