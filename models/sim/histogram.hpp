// How a set of durations is distributed, in bounded memory.
//
// A log-linear histogram: durations below 256 ps have a bucket each; from there on every power of
// two is cut into 128 buckets of equal width. A quantile is the middle of its bucket, at most half
// a width from any duration in it, so its relative error is at most 1/256 (0.4 %). Count, sum,
// least and greatest are exact. Memory: nothing until the first is recorded, then 1 kB for every
// power of two from the least to the greatest and some around them, 59 kB at most; record()
// allocates only when a duration lies outside.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/base/time.hpp"
#include "models/base/wide.hpp"

namespace irqfab {

class Histogram {
 public:
  void record(Duration duration) {
    const std::size_t bucket = bucket_of(duration);
    if (bucket - first_ >= buckets_.size()) make_room(bucket, bucket);
    ++buckets_[bucket - first_];
    ++count_;
    sum_ += duration;
    min_ = std::min(min_, duration);
    max_ = std::max(max_, duration);
  }

  std::uint64_t count() const { return count_; }
  Uint128 sum() const { return sum_; }  // ps
  /// These four are 0 while nothing is recorded.
  Duration min() const { return count_ == 0 ? 0 : min_; }
  Duration max() const { return max_; }
  Duration mean() const { return count_ == 0 ? 0 : static_cast<Duration>(sum_ / count_); }
  /// The duration that num of den recorded ones do not exceed (999, 1000 for the 99.9th
  /// percentile): the one of rank ceil(count * num / den), to 0.4 %, and exact at the first and the
  /// last rank. num is from 0 to den, den at least 1.
  Duration quantile(std::uint64_t num, std::uint64_t den) const {
    assert(den > 0 && num <= den);
    if (count_ == 0) return 0;
    const auto rank = static_cast<std::uint64_t>((Uint128{count_} * num + den - 1) / den);
    if (rank <= 1) return min_;
    if (rank == count_) return max_;
    std::uint64_t passed = 0;
    std::size_t bucket = 0;
    while ((passed += buckets_[bucket]) < rank) ++bucket;
    return std::clamp(middle_of(first_ + bucket), min_, max_);
  }

  void merge(const Histogram& other) {
    if (other.count_ == 0) return;
    make_room(bucket_of(other.min_), bucket_of(other.max_));
    for (std::size_t i = 0; i < other.buckets_.size(); ++i) {
      if (other.buckets_[i] > 0) buckets_[other.first_ + i - first_] += other.buckets_[i];
    }
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  friend bool operator==(const Histogram& a, const Histogram& b) {
    if (a.count_ != b.count_ || a.sum_ != b.sum_ || a.min() != b.min() || a.max_ != b.max_)
      return false;
    if (a.count_ == 0) return true;
    for (std::size_t bucket = bucket_of(a.min_); bucket <= bucket_of(a.max_); ++bucket) {
      if (a.buckets_[bucket - a.first_] != b.buckets_[bucket - b.first_]) return false;
    }
    return true;
  }
  friend bool operator!=(const Histogram& a, const Histogram& b) { return !(a == b); }

 private:
  static constexpr unsigned kLinearBits = 7;  // 128 buckets for every power of two
  static constexpr std::size_t kPerPower = std::size_t{1} << kLinearBits;
  static constexpr std::size_t kBuckets = (64 - kLinearBits + 1) * kPerPower;

  static constexpr std::size_t kRoomBelow = 2 * kPerPower;  // four times shorter,
  static constexpr std::size_t kRoomAbove = 4 * kPerPower;  // or sixteen times longer, still fits

  /// Makes the buckets from `least` to `greatest` exist.
  void make_room(std::size_t least, std::size_t greatest) {
    std::size_t begin = least - std::min(least, kRoomBelow);
    std::size_t end = std::min(greatest + kRoomAbove + 1, kBuckets);
    if (!buckets_.empty()) {
      if (least >= first_ && greatest - first_ < buckets_.size()) return;
      begin = std::min(begin, first_);
      end = std::max(end, first_ + buckets_.size());
    }
    std::vector<std::uint64_t> wider(end - begin);
    for (std::size_t i = 0; i < buckets_.size(); ++i) wider[first_ + i - begin] = buckets_[i];
    buckets_ = std::move(wider);
    first_ = begin;
  }

  /// Buckets of the power with `shift` are 2^shift wide; those of the first two powers are 1 wide.
  static std::size_t bucket_of(Duration duration) {
    const unsigned highest = 63 - static_cast<unsigned>(__builtin_clzll(duration | 1));
    const unsigned shift = highest > kLinearBits ? highest - kLinearBits : 0;
    return shift * kPerPower + static_cast<std::size_t>(duration >> shift);
  }
  static Duration middle_of(std::size_t bucket) {
    if (bucket < 2 * kPerPower) return bucket;
    const std::size_t shift = bucket / kPerPower - 1;
    const Duration lowest = Duration{bucket - shift * kPerPower} << shift;
    return lowest + (Duration{1} << (shift - 1));
  }

  std::vector<std::uint64_t> buckets_;  // from first_ on
  std::size_t first_ = 0;
  std::uint64_t count_ = 0;
  Uint128 sum_ = 0;
  Duration min_ = ~Duration{0};
  Duration max_ = 0;
};

}  // namespace irqfab
