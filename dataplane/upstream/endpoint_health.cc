#include "dataplane/upstream/endpoint_health.h"

#include <algorithm>

namespace rolemesh::dataplane {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kLastBackoff = absl::Seconds(5);

}  // namespace

std::shared_ptr<EndpointState> EndpointHealth::Get(absl::string_view key,
                                                   const Destination& destination) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    found->second.destination = destination;
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
  entry.destination = destination;
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
      due.push_back({entry.state, entry.destination});
      entry.backoff = std::min(entry.backoff * 2, kLastBackoff);
    }
    entry.next_probe = now + absl::ToChronoNanoseconds(entry.backoff);
  }
  return due;
}

absl::flat_hash_set<std::string> EndpointHealth::EjectedEndpoints() {
  absl::flat_hash_set<std::string> ids;
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, entry] : entries_) {
    if (entry.state->ejected() && entry.state.use_count() > 1) {
      ids.insert(key.substr(0, key.rfind('#')));
    }
  }
  return ids;
}

}  // namespace rolemesh::dataplane
