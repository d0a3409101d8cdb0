#include "dataplane/openai/models_body.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "dataplane/openai/api_error.h"

namespace rolemesh::dataplane {
namespace {

std::string QuoteList(const std::vector<std::string>& texts) {
  return absl::StrCat("[",
                      absl::StrJoin(texts, ",",
                                    [](std::string* out, const std::string& text) {
                                      absl::StrAppend(out, QuoteJson(text));
                                    }),
                      "]");
}

std::string ListOf(const std::vector<ModelListing>& listings, bool available) {
  std::string out = "[";
  for (const ModelListing& listing : listings) {
    if (listing.available == available) {
      absl::StrAppend(&out, out.size() == 1 ? "" : ",", ModelBody(listing));
    }
  }
  out.push_back(']');
  return out;
}

}  // namespace

std::string ModelBody(const ModelListing& listing) {
  return absl::StrCat(R"({"id":)", QuoteJson(listing.role), R"(,"object":"model","created":)",
                      listing.created, R"(,"owned_by":"rolemesh","status":)",
                      listing.available ? R"("available")" : R"("unavailable")", R"(,"aliases":)",
                      QuoteList(listing.aliases), R"(,"endpoints":)", listing.endpoint_count,
                      R"(,"slots":)", listing.slot_count, R"(,"context":)",
                      listing.context_tokens == 0 ? "null" : absl::StrCat(listing.context_tokens),
                      R"(,"capabilities":)", QuoteList(listing.capabilities), "}");
}

std::string ModelListBody(const std::vector<ModelListing>& listings) {
  return absl::StrCat(R"({"object":"list","data":)", ListOf(listings, true), R"(,"unavailable":)",
                      ListOf(listings, false), "}");
}

std::string StatusBody(absl::string_view status, absl::string_view reason) {
  return absl::StrCat(R"({"status":)", QuoteJson(status),
                      reason.empty() ? "" : absl::StrCat(R"(,"reason":)", QuoteJson(reason)), "}");
}

}  // namespace rolemesh::dataplane
