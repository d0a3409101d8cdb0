#include "dataplane/upstream/endpoint_health.h"

#include <algorithm>

namespace rolemesh::dataplane {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kLastBackoff = absl::Seconds(5);

}  // namespace

std::shared_ptr<EndpointState> EndpointHealth::Get(absl::string_view key,
                                                   base::SocketAddress address) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    found->second.address = address;
    return found->second.state;
  }
  if (entries_.size() >= sweep_at_) {
    absl::erase_if(entries_, [](const auto& entry) {
      return entry.second.state.use_count() == 1;  // nobody else has it any more
    });
    sweep_at_ = std::max<size_t>(64, 2 * entries_.size());
  }
  Entry entry;
  entry.state = std::make_shared<EndpointState>();
  entry.address = address;
  return entries_.emplace(std::string(key), std::move(entry)).first->second.state;
}

std::vector<EndpointHealth::Probe> EndpointHealth::TakeDueProbes(base::SteadyTime now) {
  std::vector<Probe> due;
  absl::MutexLock lock(&mutex_);
  for (auto& [key, entry] : entries_) {
    if (!entry.state->ejected()) {
      entry.backoff = absl::ZeroDuration();
      continue;
    }
    if (entry.backoff == absl::ZeroDuration()) {
      entry.backoff = kFirstBackoff;
    } else if (now < entry.next_probe) {
      continue;
    } else {
      due.push_back({entry.state, entry.address});
      entry.backoff = std::min(entry.backoff * 2, kLastBackoff);
    }
    entry.next_probe = now + absl::ToChronoNanoseconds(entry.backoff);
  }
  return due;
}

}  // namespace rolemesh::dataplane
