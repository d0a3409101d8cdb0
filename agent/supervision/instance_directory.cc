#include "agent/supervision/instance_directory.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace rolemesh::agent {

bool RunningRequests::TryStart(int limit) {
  int count = count_.load(std::memory_order_relaxed);
  while (count < limit) {
    if (count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

InstanceSnapshot::InstanceSnapshot(std::vector<std::shared_ptr<const InstanceEntry>> entries)
    : entries_(std::move(entries)) {
  std::sort(entries_.begin(), entries_.end(),
            [](const auto& a, const auto& b) { return a->id < b->id; });
  for (const auto& entry : entries_) {
    by_id_.emplace(entry->id, entry);
  }
}

std::shared_ptr<const InstanceEntry> InstanceSnapshot::Find(absl::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

int InstanceSnapshot::RunningTotal() const {
  int total = 0;
  for (const auto& entry : entries_) {
    total += entry->running->count();
  }
  return total;
}

InstanceDirectory::InstanceDirectory() : snapshot_(std::make_shared<InstanceSnapshot>()) {}

std::shared_ptr<const InstanceSnapshot> InstanceDirectory::snapshot() const {
  const absl::ReaderMutexLock lock(&mutex_);
  return snapshot_;
}

uint64_t InstanceDirectory::AddDeathListener(DeathListener listener) {
  const absl::MutexLock lock(&listeners_mutex_);
  listeners_.emplace(++last_number_, std::move(listener));
  return last_number_;
}

void InstanceDirectory::RemoveDeathListener(uint64_t number) {
  const absl::MutexLock lock(&listeners_mutex_);
  listeners_.erase(number);
}

void InstanceDirectory::Publish(InstanceSnapshot snapshot) {
  std::shared_ptr<const InstanceSnapshot> replaced =
      std::make_shared<InstanceSnapshot>(std::move(snapshot));
  const absl::MutexLock lock(&mutex_);
  snapshot_.swap(replaced);
}

void InstanceDirectory::NotifyDeath(const std::string& id, uint64_t generation) {
  const absl::MutexLock lock(&listeners_mutex_);
  for (const auto& [number, listener] : listeners_) {
    listener(id, generation);
  }
}

}  // namespace rolemesh::agent
