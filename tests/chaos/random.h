// Cells that strike at random moments. One seed always gives the same cells.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "matrix.h"

namespace chaos {

class RandomCells {
 public:
  RandomCells(std::uint64_t seed, Selection selection, std::chrono::microseconds latest)
      : random_(seed), selection_(std::move(selection)), latest_(latest) {}

  Cell next();

 private:
  template <class T, std::size_t N>
  T one_of(const T (&all)[N], const std::optional<T>& wanted) {
    const T drawn = all[random_() % N];
    return wanted.value_or(drawn);
  }

  std::mt19937_64 random_;
  Selection selection_;
  std::chrono::microseconds latest_;
};

}  // namespace chaos
