// The state of tally's release 2, and the two steps between it and that of release 1.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

struct State {
  std::int64_t total = 0;
  std::int64_t last = 0;

  std::string text() const { return std::to_string(total) + " " + std::to_string(last); }
  static State parse(std::string_view text) {
    State state;
    std::istringstream in{std::string(text)};
    if (!(in >> state.total >> state.last)) throw std::runtime_error("tally: not a state 2");
    return state;
  }
};

inline std::string state_1_to_2(std::string_view state) {
  return std::string(state) + " 0";  // nothing to undo
}
inline std::string state_2_to_1(std::string_view state) {
  return std::to_string(State::parse(state).total);
}
