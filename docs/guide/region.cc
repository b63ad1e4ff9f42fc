// tally with a table that is too big to copy: "keep NAME" and "show NAME" as in section.cc, but the
// totals lie in a region.
#include <algorithm>
#include <handoff/uv.hpp>
#include <stdexcept>
#include <vector>

#include "tally.h"

// Layout 1: a count, and so many slots. No pointers: the region lies elsewhere in each process.
struct Slot {
  char name[24];
  std::int64_t total;
};
struct Table {
  std::uint64_t slots;
  Slot slot[];
};

constexpr std::size_t kMost = std::size_t{64} << 30;  // addresses, no memory

class Kept {
 public:
  explicit Kept(handoff::Region region) : region_(region) {}

  void put(const std::string& name, std::int64_t total) {
    std::uint64_t i = 0;
    while (i < table().slots && table().slot[i].name != name) ++i;
    if (i == table().slots) {
      make_room_for(i + 1);
      name.copy(table().slot[i].name, sizeof(Slot::name) - 1);
      ++table().slots;
    }
    table().slot[i].total = total;
  }
  std::int64_t get(const std::string& name) const {
    for (std::uint64_t i = 0; i < table().slots; ++i) {
      if (table().slot[i].name == name) return table().slot[i].total;
    }
    return 0;
  }
  // A new region has no bytes; one that was adopted has what the last release put there.
  void start() {
    if (region_.bytes().empty()) region_.grow(sizeof(Table));
  }

 private:
  Table& table() const { return *reinterpret_cast<Table*>(region_.bytes().data()); }
  void make_room_for(std::uint64_t slots) {
    const std::size_t needed = sizeof(Table) + slots * sizeof(Slot);
    if (needed > region_.bytes().size()) region_.grow(2 * needed);  // nothing in it moves
  }
  handoff::Region region_;
};

// The donor is frozen, and this is the last chance to say no.
void check(std::uint32_t /*layout*/, std::span<const std::byte> bytes) {
  const auto& table = *reinterpret_cast<const Table*>(bytes.data());
  if (bytes.size() < sizeof(Table) || table.slots > (bytes.size() - sizeof(Table)) / sizeof(Slot)) {
    throw std::runtime_error("kept: more slots than there is room for");
  }
}

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
    auto service = handoff::Service::open({.name = "tally", .version = "1.1"});
    // The layouts that it takes, the one that it makes, the most bytes.
    Kept kept(service->region("kept", {1}, 1, kMost, check));
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:7002", [&] { return std::make_unique<Tally>(kept); },
        [&](std::string_view state) {
          return std::make_unique<Tally>(kept, std::stoll(std::string(state)));
        });
    host.start();
    kept.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
