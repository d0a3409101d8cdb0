// Bytes that came and are not used up yet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rolemesh::dataplane {

/// A buffer that is filled at its end and consumed at its start. Starts with nothing allocated,
/// 2 KiB at first, and grows by four up to `limit` when a read fills it: most connections
/// never need more than the first step.
/// Views into it die with the next Room() or Reset().
/// Thread-safety: owned by its caller.
class ByteBuffer {
 public:
  explicit ByteBuffer(size_t limit_bytes = 64 * 1024) : limit_(limit_bytes) {}

  absl::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  bool full() const { return end_ - begin_ == limit_; }

  /// Where to read to: never empty unless full().
  absl::Span<char> Room() {
    if (begin_ == end_) {
      begin_ = end_ = 0;
    }
    if (capacity_ < limit_ && (was_filled_ || end_ - begin_ == capacity_)) {
      const size_t larger = std::min(limit_, std::max<size_t>(2048, capacity_ * 4));
      std::unique_ptr<char[]> grown(new char[larger]);
      std::copy_n(data_.get() + begin_, end_ - begin_, grown.get());
      data_ = std::move(grown);
      capacity_ = larger;
      end_ -= begin_;
      begin_ = 0;
    } else if (end_ == capacity_) {
      std::memmove(data_.get(), data_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    was_filled_ = false;
    return {data_.get() + end_, capacity_ - end_};
  }
  /// `bytes` of Room() were filled.
  void Commit(size_t bytes) {
    end_ += bytes;
    was_filled_ = end_ == capacity_;
  }
  void Consume(size_t bytes) { begin_ += bytes; }
  /// Adds a copy of what fits.
  size_t Append(absl::string_view bytes) {
    size_t taken = 0;
    while (taken < bytes.size() && !full()) {
      const absl::Span<char> room = Room();
      const size_t step = std::min(room.size(), bytes.size() - taken);
      std::memcpy(room.data(), bytes.data() + taken, step);
      Commit(step);
      taken += step;
    }
    return taken;
  }
  /// Forgets everything and frees the memory.
  void Reset() {
    data_.reset();
    begin_ = end_ = capacity_ = 0;
    was_filled_ = false;
  }

 private:
  size_t limit_;
  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool was_filled_ = false;  // by the last read: the next may be larger
};

}  // namespace rolemesh::dataplane
