// A service whose state is a table of counters in a region, for tests and for measuring what a
// region costs. A connection may send these lines, and each answer is "RELEASE ...":
//
//   grow BYTES   makes the region at least that long      -> its size
//   fill SEED    gives every counter a value of its own   -> its size
//   add N        one more in counter N                    -> its value
//   sum          of all counters, by position             -> the sum
//   layout       of the region                            -> the layout
//   layout V     rewrites all of it in that layout, 1 or 2
//
// Layout 1 has the counters as they are, layout 2 has their complements. Release 1 knows layout 1
// alone; release 2 knows both, and makes new regions in layout 2.
//
//   --release N    1 or 2 (1)
//   --max BYTES    that the region may have at most (8 GiB)
//   --without      does not claim the region
//   --reject       as an heir, says no to the region
#include <handoff/uv.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

std::uint32_t own_release = 1;
std::optional<handoff::Region> table;

struct Counters {
  std::uint64_t* first = nullptr;
  std::size_t number = 0;
  std::uint64_t mask = 0;  // XORed with a counter to read or write it

  static Counters of(std::uint32_t layout) {
    const auto bytes = table->bytes();
    return {reinterpret_cast<std::uint64_t*>(bytes.data()), bytes.size() / 8,
            layout == 2 ? ~std::uint64_t{0} : 0};
  }
  std::uint64_t get(std::size_t i) const { return first[i] ^ mask; }
  void set(std::size_t i, std::uint64_t value) const { first[i] = value ^ mask; }
};

std::uint64_t sum() {
  const Counters counters = Counters::of(table->version());
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < counters.number; ++i) out = out * 31 + counters.get(i);
  return out;
}

void rewrite(std::uint32_t layout) {
  const Counters from = Counters::of(table->version());
  const Counters to = Counters::of(layout);
  for (std::size_t i = 0; i < from.number; ++i) to.set(i, from.get(i));
  table->set_version(layout);
}

std::uint64_t obey(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::uint64_t number = 0;
  words >> verb;
  const bool has_number = static_cast<bool>(words >> number);
  const Counters counters = Counters::of(table->version());
  if (verb == "grow") {
    const std::size_t before = counters.number;
    table->grow(number);
    const Counters grown = Counters::of(table->version());
    if (grown.mask != 0) {  // in layout 2 a counter of 0 is no zero bytes
      for (std::size_t i = before; i < grown.number; ++i) grown.set(i, 0);
    }
    return table->bytes().size();
  }
  if (verb == "fill") {
    for (std::size_t i = 0; i < counters.number; ++i) counters.set(i, (i + number) * 2654435761U);
    return table->bytes().size();
  }
  if (verb == "add") {
    if (number >= counters.number) throw std::runtime_error("there is no such counter");
    counters.set(number, counters.get(number) + 1);
    return counters.get(number);
  }
  if (verb == "sum") return sum();
  if (verb == "layout") {
    if (has_number) rewrite(static_cast<std::uint32_t>(number));
    return table->version();
  }
  throw std::runtime_error("grow, fill, add, sum or layout");
}

class Stream : public handoff::uv::Stream {
 public:
  static std::unique_ptr<Stream> restore(std::string_view) { return std::make_unique<Stream>(); }

 protected:
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = input.find('\n', used);
      if (end == std::string_view::npos) return used;
      std::string answer;
      try {
        answer = std::to_string(obey(std::string(input.substr(used, end - used))));
      } catch (const std::exception& error) {
        answer = error.what();
      }
      write(std::to_string(own_release) + " " + answer + "\n");
      used = end + 1;
    }
  }
  std::string save() const override { return ""; }
};

void run(std::size_t max, bool with_region, bool reject) {
  auto service =
      handoff::Service::open({.name = "region", .version = std::to_string(own_release) + ".0"});
  if (with_region) {
    const std::vector<std::uint32_t> reads =
        own_release == 1 ? std::vector<std::uint32_t>{1} : std::vector<std::uint32_t>{1, 2};
    table = service->region("table", reads, own_release, max,
                            [reject](std::uint32_t, std::span<const std::byte> bytes) {
                              if (reject) throw std::runtime_error("these counters are wrong");
                              if (bytes.size() % 8 != 0) throw std::runtime_error("half a counter");
                            });
  }
  handoff::uv::Host host(uv_default_loop(), *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Stream>(); }, Stream::restore);
  host.start();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t max = std::size_t{8} << 30;
  bool with_region = true;
  bool reject = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--without") with_region = false;
    if (option == "--reject") reject = true;
    if (option == "--release" && i + 1 < argc)
      own_release = static_cast<std::uint32_t>(std::stoul(argv[++i]));
    if (option == "--max" && i + 1 < argc) max = std::stoull(argv[++i]);
  }
  try {
    run(max, with_region, reject);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "region: %s\n", error.what());
    return 1;
  }
  return 0;
}
