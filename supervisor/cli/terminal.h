// What this program prints: std::cout and std::cerr behind a filter. Names of files, configs,
// histories and answers have other people's text in them, and a terminal obeys its controls
// (base/text.h). So none passes but the end of a line, whoever prints it.
//
// A newline within somebody's text looks like an end of ours: words that are on one line pass
// through printable() before they are put among others.
#pragma once

#include <memory>
#include <ostream>

namespace handoff::supervisor {

class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

 private:
  class Filter;
  std::unique_ptr<Filter> out_;
  std::unique_ptr<Filter> err_;
  friend std::ostream& clear_line(std::ostream& out);
};

// For a line that is written again and again, on a terminal: our own control passes.
std::ostream& clear_line(std::ostream& out);

}  // namespace handoff::supervisor
