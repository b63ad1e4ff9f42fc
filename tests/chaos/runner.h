// Runs cells in processes of their own, some at once, and prints a line for each.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "result.h"

namespace chaos {

class Runner {
 public:
  // arguments: for `handoff-chaos --cell NAME --worker`, besides.
  Runner(std::size_t jobs, std::vector<std::string> arguments)
      : jobs_(jobs), arguments_(std::move(arguments)) {}

  // next gives the next cell's name, or nothing at the end. done gets each cell's result, one at a
  // time.
  using Next = std::function<std::optional<std::string>()>;
  using Done = std::function<void(const std::string& cell, const Result&)>;
  void run(const Next& next, const Done& done) const;

 private:
  std::size_t jobs_;
  std::vector<std::string> arguments_;
};

}  // namespace chaos
