#include "base/http/second_opinion.h"

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "base/http/message_head.h"

namespace rolemesh::base {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

absl::string_view View(BeastView text) {
  return absl::string_view(text.data(), text.size());
}

// Compares what Beast reports with what the gate found, as it comes.
template <bool kIsRequest, class Head>
class Comparer final : public http::basic_parser<kIsRequest> {
 public:
  explicit Comparer(const Head& head) : head_(head) {
    this->header_limit(std::numeric_limits<uint32_t>::max());
    this->body_limit(boost::none);
  }

  bool agrees() const { return agrees_ && next_field_ == head_.fields.size(); }

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int version,
                       error_code&) override {
    if constexpr (kIsRequest) {
      agrees_ = View(method) == head_.method && View(target) == head_.target &&
                version == 10 + head_.minor_version;
    }
  }
  void on_response_impl(int status, BeastView reason, int version, error_code&) override {
    if constexpr (!kIsRequest) {
      agrees_ = status == head_.status && View(reason) == head_.reason &&
                version == 10 + head_.minor_version;
    }
  }
  void on_field_impl(http::field, BeastView name, BeastView value, error_code&) override {
    agrees_ = agrees_ && next_field_ < head_.fields.size() &&
              View(name) == head_.fields[next_field_].name &&
              View(value) == head_.fields[next_field_].value;
    ++next_field_;
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(BeastView, error_code&) override { return 0; }
  void on_chunk_header_impl(uint64_t, BeastView, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, BeastView, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  const Head& head_;
  size_t next_field_ = 0;
  bool agrees_ = false;
};

template <bool kIsRequest, class Head>
bool Agrees(absl::string_view raw, const Head& head) {
  Comparer<kIsRequest, Head> parser(head);
  error_code error;
  const size_t used = parser.put(boost::asio::buffer(raw.data(), raw.size()), error);
  if (error || used != raw.size() || !parser.is_header_done() || !parser.agrees() ||
      parser.chunked() != head.chunked) {
    return false;
  }
  // Beast tells no length for answers that have no body by their status.
  const boost::optional<uint64_t> length = parser.content_length();
  if constexpr (!kIsRequest) {
    if (head.status / 100 == 1 || head.status == 204 || head.status == 304) {
      return true;
    }
  }
  return length.has_value() == head.content_length.has_value() &&
         (!length.has_value() || *length == *head.content_length);
}

}  // namespace

bool BeastAgrees(absl::string_view raw, const RequestHead& head) {
  return Agrees<true>(raw, head);
}

bool BeastAgrees(absl::string_view raw, const ResponseHead& head) {
  return Agrees<false>(raw, head);
}

}  // namespace rolemesh::base
