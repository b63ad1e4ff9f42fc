// testing.hpp: for the unit tests of a service. Checks that the steps between its state versions
// agree: a state that goes up and comes down again is as it was, along every chain.
//
//   TEST(TallyTest, StatesGoUpAndComeBack) {
//     const auto service = handoff::Service::open({.name = "tally", .version = "2.0", ...});
//     declare(*service);  // on_upgrade_state(), on_downgrade_state(), as in the service
//     const auto checked = handoff::testing::check_round_trips(
//         handoff::testing::steps_of(*service), {{1, "12"}, {2, "12 7"}});
//     EXPECT_TRUE(checked) << checked;
//   }
//
// No test framework is needed. A sample is a state and its version. For each sample this checks:
//   - up to every newer version and down again gives the same state;
//   - the sample brought down to an older version goes up and comes down the same: an old release
//     may lose what it does not know, but only once;
//   - no step throws.
// For each step it checks that there is a way back, and that a sample has passed the step. Keep a
// few states of every released version as samples, with odd ones among them.
#ifndef HANDOFF_TESTING_HPP
#define HANDOFF_TESTING_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace handoff::testing {

// The steps of one kind of session, or other functions of that form: for a section's records, say.
class Steps {
 public:
  using Convert = std::function<std::string(std::string_view)>;
  using Step = std::pair<std::uint32_t, std::uint32_t>;  // from, to

  Steps& add(std::uint32_t from, std::uint32_t to, Convert convert) {
    steps_[{from, to}] = std::move(convert);
    return *this;
  }
  const std::map<Step, Convert>& all() const { return steps_; }

 private:
  std::map<Step, Convert> steps_;
};

// The steps that a Service (of handoff.hpp) has for this kind of session.
template <class Service>
Steps steps_of(const Service& service, std::string_view kind = "session") {
  Steps out;
  for (const auto& step : service.state_steps()) {
    if (step.kind == kind) out.add(step.from, step.to, step.convert);
  }
  return out;
}

struct Sample {
  std::uint32_t version = 0;
  std::string state;
};

// How states are compared and shown: as bytes, unless given here. Protobuf messages with maps, say,
// may differ in their bytes and mean the same.
struct Look {
  std::function<bool(std::uint32_t version, std::string_view a, std::string_view b)> same = {};
  std::function<std::string(std::uint32_t version, std::string_view state)> show = {};
};

// True if everything agrees; else problems() says what does not, in words.
class Checked {
 public:
  explicit operator bool() const { return problems_.empty(); }
  const std::vector<std::string>& problems() const { return problems_; }
  void add(std::string problem) { problems_.push_back(std::move(problem)); }

  friend std::ostream& operator<<(std::ostream& out, const Checked& checked) {
    for (const std::string& problem : checked.problems_) out << problem << "\n";
    return out;
  }

 private:
  std::vector<std::string> problems_;
};

namespace detail {

inline std::string printable(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return out + "\"";
}

// The part of a long state around byte `at`.
inline std::string excerpt(std::string_view bytes, std::size_t at) {
  constexpr std::size_t kBefore = 24;
  constexpr std::size_t kAfter = 40;
  const std::size_t begin = at > kBefore ? at - kBefore : 0;
  const std::string_view part = bytes.substr(std::min(begin, bytes.size()), kBefore + kAfter);
  return (begin > 0 ? "..." : "") + printable(part) +
         (begin + part.size() < bytes.size() ? "..." : "");
}

class RoundTrips {
 public:
  RoundTrips(const Steps& steps, const Look& look) : steps_(steps.all()), look_(look) {}

  Checked run(const std::vector<Sample>& samples) {
    check_steps();
    std::map<std::uint32_t, int> numbers;
    for (const Sample& sample : samples) {
      who_ = "sample " + std::to_string(++numbers[sample.version]) + " of version " +
             std::to_string(sample.version);
      check(sample);
    }
    for (const auto& [step, convert] : steps_) {
      if (!passed_.contains(step)) {
        out_.add("no sample has passed the step " + path({step.first, step.second}) +
                 ": nothing is known of it");
      }
    }
    if (samples.empty()) out_.add("there are no samples: nothing was checked");
    return std::move(out_);
  }

 private:
  using Path = std::vector<std::uint32_t>;  // versions

  static std::string path(const Path& versions) {
    std::string out;
    for (const std::uint32_t v : versions) out += (out.empty() ? "" : " -> ") + std::to_string(v);
    return out;
  }
  static Path reversed(Path versions) {
    std::reverse(versions.begin(), versions.end());
    return versions;
  }
  bool has(std::uint32_t from, std::uint32_t to) const { return steps_.contains({from, to}); }

  void check_steps() {
    if (steps_.empty()) out_.add("there are no steps: nothing was checked");
    for (const auto& [step, convert] : steps_) {
      if (!has(step.second, step.first)) {
        out_.add("the step " + path({step.first, step.second}) +
                 " has no way back: " + path({step.second, step.first}) + " is missing");
      }
    }
  }

  void check(const Sample& sample) {
    for (const bool up : {true, false}) {
      Path way{sample.version};
      for (;;) {
        const std::uint32_t next = up ? way.back() + 1 : way.back() - 1;
        if (!has(way.back(), next)) break;
        way.push_back(next);
        bool back = true;
        for (std::size_t i = way.size() - 1; i > 0; --i) back = back && has(way[i], way[i - 1]);
        if (!(up ? there_and_back(sample.state, way, back) : down_and_again(sample, way, back))) {
          break;  // a longer chain begins with the same steps and would fail as well
        }
      }
    }
  }

  // Converts along way; if back is true, also the way back, which must give the same state.
  bool there_and_back(const std::string& state, const Path& way, bool back) {
    std::string there;
    if (!convert(state, way, there)) return false;
    if (!back) return true;
    std::string again;
    if (!convert(there, reversed(way), again)) return false;
    Path whole = way;
    for (std::size_t i = way.size() - 1; i > 0; --i) whole.push_back(way[i - 1]);
    return compare(way.front(), state, again, whole);
  }

  bool down_and_again(const Sample& sample, const Path& way, bool back) {
    std::string low;
    if (!convert(sample.state, way, low)) return false;
    if (!back) return true;
    const std::string who = who_;
    who_ += ", gone down to version " + std::to_string(way.back());
    const bool good = there_and_back(low, reversed(way), true);
    who_ = who;
    return good;
  }

  bool convert(std::string_view state, const Path& way, std::string& out) {
    out = state;
    for (std::size_t i = 1; i < way.size(); ++i) {
      const Steps::Step step{way[i - 1], way[i]};
      passed_.insert(step);
      std::string why;
      try {
        out = steps_.at(step)(out);
        continue;
      } catch (const std::exception& error) {
        why = error.what();
      } catch (...) {
        why = "something that is no std::exception";
      }
      out_.add(who_ + ": the step " + path({step.first, step.second}) + " of " + path(way) +
               " throws: " + why + "\n  " + show(step.first, out));
      return false;
    }
    return true;
  }

  std::string show(std::uint32_t version, std::string_view state, std::size_t at = 0) const {
    return look_.show ? look_.show(version, state) : excerpt(state, at);
  }

  bool compare(std::uint32_t version, const std::string& was, const std::string& is,
               const Path& way) {
    if (look_.same ? look_.same(version, was, is) : was == is) return true;
    const auto differ = std::mismatch(was.begin(), was.end(), is.begin(), is.end());
    const auto at = static_cast<std::size_t>(differ.first - was.begin());
    std::string text = who_ + ": " + path(way) + " gives another state";
    if (!look_.same) {
      text += ", of " + std::to_string(is.size()) + " bytes instead of " +
              std::to_string(was.size()) + "; they differ from byte " + std::to_string(at) + " on";
    }
    out_.add(text + "\n  was " + show(version, was, at) + "\n  is  " + show(version, is, at));
    return false;
  }

  const std::map<Steps::Step, Steps::Convert>& steps_;
  const Look& look_;
  std::string who_;
  std::set<Steps::Step> passed_;
  Checked out_;
};

}  // namespace detail

// Runs all checks. A sample of a version that no step mentions is checked by none.
inline Checked check_round_trips(const Steps& steps, const std::vector<Sample>& samples,
                                 const Look& look = {}) {
  return detail::RoundTrips(steps, look).run(samples);
}

}  // namespace handoff::testing

#endif  // HANDOFF_TESTING_HPP
