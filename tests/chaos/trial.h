// Runs one cell: the stage is set, the blow falls at its point, what is left is examined and
// judged.
#pragma once

#include "cell.h"
#include "result.h"

namespace chaos {

class Trial {
 public:
  struct Options {
    std::size_t sessions = 24;
    bool log = false;  // keep it also if nothing is wrong
  };
  Trial(Cell cell, Options options) : cell_(std::move(cell)), options_(options) {}

  Result run();

 private:
  const Cell cell_;
  const Options options_;
};

}  // namespace chaos
