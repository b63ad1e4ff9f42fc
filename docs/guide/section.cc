// tally with something that belongs to no connection: "keep NAME" keeps the total under a name, for
// everybody; "show NAME" shows it.
#include <algorithm>
#include <handoff/uv.hpp>
#include <map>
#include <set>

#include "tally.h"

class Kept : public handoff::Section {
 public:
  void put(const std::string& name, std::int64_t total) {
    totals_[name] = total;
    if (copying_) changed_.insert(name);
  }
  std::int64_t get(const std::string& name) const {
    const auto it = totals_.find(name);
    return it != totals_.end() ? it->second : 0;
  }

  // The donor's side.
  void begin(std::uint32_t /*version*/) override {
    cursor_.clear();
    changed_.clear();
    copying_ = true;
  }
  bool next(handoff::Phase phase, std::string& record) override {
    if (phase == handoff::Phase::kSnapshot) {
      const auto it = totals_.upper_bound(cursor_);
      if (it == totals_.end()) return false;
      cursor_ = it->first;
    } else {
      if (changed_.empty()) return false;
      cursor_ = changed_.extract(changed_.begin()).value();
    }
    record = std::to_string(totals_.at(cursor_)) + " " + cursor_;
    return true;
  }
  void end(bool /*moved*/) override {
    copying_ = false;
    changed_.clear();
  }

  // The heir's side.
  void apply(std::uint32_t /*version*/, std::string_view record) override {
    const std::size_t space = record.find(' ');
    if (space == std::string_view::npos) throw std::runtime_error("kept: a record without a name");
    totals_[std::string(record.substr(space + 1))] =
        std::stoll(std::string(record.substr(0, space)));
  }
  void reset() override { totals_.clear(); }

 private:
  std::map<std::string, std::int64_t> totals_;
  bool copying_ = false;
  std::string cursor_;             // the last name copied
  std::set<std::string> changed_;  // since the copy began
};

class Tally : public handoff::uv::Stream {
 public:
  explicit Tally(Kept& kept, std::int64_t total = 0) : kept_(kept), total_(total) {}

 protected:
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = input.find('\n', std::max(used, seen()));
      if (end == std::string_view::npos) return used;
      write(answer(input.substr(used, end - used)));
      used = end + 1;
    }
  }
  std::string save() const override { return std::to_string(total_); }

 private:
  std::string answer(std::string_view line) {
    if (line.starts_with("keep ")) kept_.put(std::string(line.substr(5)), total_);
    if (line.starts_with("show ")) {
      return std::to_string(kept_.get(std::string(line.substr(5)))) + "\n";
    }
    return add(total_, line);
  }

  Kept& kept_;
  std::int64_t total_;
};

int main() {
  return handoff::run([] {
    Kept kept;
    auto service = handoff::Service::open({.name = "tally", .version = "1.1"});
    service->section("kept", kept, {1}, {1});  // the versions that it reads, that it writes
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:7002", [&] { return std::make_unique<Tally>(kept); },
        [&](std::string_view state) {
          return std::make_unique<Tally>(kept, std::stoll(std::string(state)));
        });
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
