#include "base/metrics/registry.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/internal/raw_logging.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace rolemesh::base {
namespace {

bool IsName(absl::string_view name) {
  return !name.empty() && !absl::ascii_isdigit(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

std::string Number(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  // StrCat keeps six digits, which would freeze a big gauge.
  if (value == std::trunc(value) && std::abs(value) < 1e15) {
    return absl::StrCat(static_cast<int64_t>(value));
  }
  char text[32];
  const int length = std::snprintf(text, sizeof(text), "%.9g", value);
  return std::string(text, static_cast<size_t>(length));
}

std::string LabelText(const MetricLabels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    absl::StrAppend(&text, text.empty() ? "" : ",", name, "=\"",
                    absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
                    "\"");
  }
  return text;
}

std::string Braced(absl::string_view labels, absl::string_view extra = "") {
  if (labels.empty() && extra.empty()) {
    return "";
  }
  return absl::StrCat("{", labels, labels.empty() || extra.empty() ? "" : ",", extra, "}");
}

}  // namespace

struct MetricRegistry::Child {
  std::string labels;  // as shown, without braces
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> read;
};

struct MetricRegistry::Family {
  Kind kind;
  std::string help;
  std::vector<std::string> label_names;
  absl::btree_map<std::string, std::unique_ptr<Child>> children;  // by shown labels
};

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), buckets_(new std::atomic<uint64_t>[bounds_.size() + 1]()) {
  ABSL_RAW_CHECK(std::is_sorted(bounds_.begin(), bounds_.end()), "histogram bounds must ascend");
}

void Histogram::Observe(double value) {
  const size_t bucket = static_cast<size_t>(
      std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<double> LatencyBounds() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

MetricRegistry::MetricRegistry(size_t max_children) : max_children_(max_children) {}

MetricRegistry::~MetricRegistry() = default;

MetricRegistry::Child& MetricRegistry::FindOrAddChild(Kind kind, absl::string_view name,
                                                      absl::string_view help,
                                                      const MetricLabels& labels) {
  std::unique_ptr<Family>& family = families_[std::string(name)];
  if (family == nullptr) {
    const bool is_counter = kind == Kind::kCounter || kind == Kind::kCallbackCounter;
    ABSL_RAW_CHECK(IsName(name) && absl::StartsWith(name, "rolemesh_"),
                   "metric names are rolemesh_[a-z0-9_]+");
    ABSL_RAW_CHECK(is_counter == absl::EndsWith(name, "_total"),
                   "counters, and nothing else, end in _total");
    family = std::make_unique<Family>();
    family->kind = kind;
    family->help = absl::StrReplaceAll(help, {{"\\", "\\\\"}, {"\n", "\\n"}});
    for (const auto& [label_name, value] : labels) {
      ABSL_RAW_CHECK(IsName(label_name) && label_name != "le", "label names are [a-z0-9_]+");
      family->label_names.push_back(label_name);
    }
  }
  ABSL_RAW_CHECK(family->kind == kind, "a metric has one kind");
  ABSL_RAW_CHECK(
      std::equal(labels.begin(), labels.end(), family->label_names.begin(),
                 family->label_names.end(),
                 [](const auto& label, const auto& name) { return label.first == name; }),
      "a metric has one set of label names, in one order");
  const auto find_or_add = [&family](const MetricLabels& of) -> Child& {
    std::string text = LabelText(of);
    std::unique_ptr<Child>& child = family->children[text];
    if (child == nullptr) {
      child = std::make_unique<Child>();
      child->labels = std::move(text);
    }
    return *child;
  };
  if (family->children.size() < max_children_ || family->children.contains(LabelText(labels))) {
    return find_or_add(labels);
  }
  MetricLabels other = labels;
  for (auto& [label_name, value] : other) {
    value = "other";
  }
  return find_or_add(other);
}

Counter& MetricRegistry::AddCounter(absl::string_view name, absl::string_view help,
                                    const MetricLabels& labels) {
  absl::MutexLock lock(&mutex_);
  Child& child = FindOrAddChild(Kind::kCounter, name, help, labels);
  if (child.counter == nullptr) {
    child.counter = std::make_unique<Counter>();
  }
  return *child.counter;
}

Gauge& MetricRegistry::AddGauge(absl::string_view name, absl::string_view help,
                                const MetricLabels& labels) {
  absl::MutexLock lock(&mutex_);
  Child& child = FindOrAddChild(Kind::kGauge, name, help, labels);
  if (child.gauge == nullptr) {
    child.gauge = std::make_unique<Gauge>();
  }
  return *child.gauge;
}

Histogram& MetricRegistry::AddHistogram(absl::string_view name, absl::string_view help,
                                        const std::vector<double>& bounds,
                                        const MetricLabels& labels) {
  absl::MutexLock lock(&mutex_);
  Child& child = FindOrAddChild(Kind::kHistogram, name, help, labels);
  if (child.histogram == nullptr) {
    const Family& family = *families_.at(std::string(name));
    const std::vector<double>* fixed = &bounds;
    for (const auto& [text, sibling] : family.children) {
      if (sibling->histogram != nullptr) {
        fixed = &sibling->histogram->bounds();
        break;
      }
    }
    child.histogram = std::make_unique<Histogram>(*fixed);
  }
  return *child.histogram;
}

void MetricRegistry::AddCallbackGauge(absl::string_view name, absl::string_view help,
                                      const MetricLabels& labels, std::function<double()> read) {
  absl::MutexLock lock(&mutex_);
  FindOrAddChild(Kind::kCallbackGauge, name, help, labels).read = std::move(read);
}

void MetricRegistry::AddCallbackCounter(absl::string_view name, absl::string_view help,
                                        const MetricLabels& labels, std::function<double()> read) {
  absl::MutexLock lock(&mutex_);
  FindOrAddChild(Kind::kCallbackCounter, name, help, labels).read = std::move(read);
}

void MetricRegistry::RemoveCallbacks(absl::string_view name) {
  absl::MutexLock rendering(&render_mutex_);
  absl::MutexLock lock(&mutex_);
  const auto family = families_.find(std::string(name));
  if (family == families_.end()) {
    return;
  }
  ABSL_RAW_CHECK(family->second->kind == Kind::kCallbackGauge ||
                     family->second->kind == Kind::kCallbackCounter,
                 "only callbacks can be removed");
  families_.erase(family);
}

std::string MetricRegistry::Render() {
  // Callbacks run without mutex_, so they may take locks under which others add
  // metrics; render_mutex_ keeps them from being removed meanwhile.
  absl::MutexLock rendering(&render_mutex_);
  struct Pending {
    size_t position;
    std::function<double()> read;
    std::string head;
  };
  std::string text;
  std::vector<Pending> callbacks;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, family] : families_) {
      const Kind kind = family->kind;
      const char* const type = kind == Kind::kHistogram ? "histogram"
                               : kind == Kind::kCounter || kind == Kind::kCallbackCounter
                                   ? "counter"
                                   : "gauge";
      absl::StrAppend(&text, "# HELP ", name, " ", family->help, "\n# TYPE ", name, " ", type,
                      "\n");
      for (const auto& [key, child] : family->children) {
        const std::string head = absl::StrCat(name, Braced(child->labels), " ");
        if (child->counter != nullptr) {
          absl::StrAppend(&text, head, child->counter->value(), "\n");
        } else if (child->gauge != nullptr) {
          absl::StrAppend(&text, head, Number(child->gauge->value()), "\n");
        } else if (child->read != nullptr) {
          callbacks.push_back({text.size(), child->read, head});
        } else if (child->histogram != nullptr) {
          const Histogram& histogram = *child->histogram;
          uint64_t count = 0;
          for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
            count += histogram.bucket(i);
            const std::string bound =
                i < histogram.bounds().size() ? Number(histogram.bounds()[i]) : "+Inf";
            absl::StrAppend(&text, name, "_bucket",
                            Braced(child->labels, absl::StrCat("le=\"", bound, "\"")), " ", count,
                            "\n");
          }
          absl::StrAppend(&text, name, "_sum", Braced(child->labels), " ", Number(histogram.sum()),
                          "\n", name, "_count", Braced(child->labels), " ", count, "\n");
        }
      }
    }
  }
  std::string rendered;
  size_t copied = 0;
  for (const Pending& callback : callbacks) {
    absl::StrAppend(&rendered, text.substr(copied, callback.position - copied), callback.head,
                    Number(callback.read()), "\n");
    copied = callback.position;
  }
  absl::StrAppend(&rendered, text.substr(copied));
  return rendered;
}

}  // namespace rolemesh::base
