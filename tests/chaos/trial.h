// Runs one cell: sets the stage, strikes at the point, examines what is left and judges it.
#pragma once

#include "cell.h"
#include "result.h"

namespace chaos {

class Trial {
 public:
  struct Options {
    std::size_t sessions = 24;
    bool log = false;  // keep the log also if nothing is wrong
  };
  Trial(Cell cell, Options options) : cell_(std::move(cell)), options_(options) {}

  Result run();

 private:
  const Cell cell_;
  const Options options_;
};

}  // namespace chaos
