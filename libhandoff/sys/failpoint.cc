#include "libhandoff/sys/failpoint.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <optional>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/sys/environment.h"

namespace handoff::failpoint {
namespace {

// Each message is a point at its sender (sending, sent) and at its receiver (received).
struct Messages {
  std::string_view from;
  std::string_view to;
  std::initializer_list<std::string_view> names;
};
const Messages kMessages[] = {
    {"supervisor", "service", {"start", "donate", "query", "cancel", "stop"}},
    {"service", "supervisor", {"register", "progress", "owner", "retired", "failed", "status"}},
    {"donor",
     "heir",
     {"hello", "listeners", "ring", "sessions", "section_chunk", "copy_end", "prepare", "release",
      "abort"}},
    {"heir", "donor", {"hello", "ack", "copied", "prepared", "resumed", "abort"}},
};

std::vector<std::string> list() {
  std::vector<std::string> out(std::begin(kSteps), std::end(kSteps));
  for (const Messages& group : kMessages) {
    for (const std::string_view message : group.names) {
      for (const auto& [side, moment] :
           {std::pair{group.from, ".sending"}, {group.from, ".sent"}, {group.to, ".received"}}) {
        out.push_back(std::string(side) + "." + std::string(message) + moment);
      }
    }
  }
  return out;
}

struct Order {
  enum class What { kKill, kStop, kExit, kDelay, kError, kAsk };
  std::string point;
  long nth = 1;
  bool on = false;  // strike at each time from the nth on
  What what = What::kKill;
  int number = 0;  // of kDelay: milliseconds; of kError: an errno
  std::string path;
  std::atomic<long> passed = 0;
};

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<int> errno_of(std::string_view text) {
  if (const auto value = number(text); value && *value > 0) return value;
  for (int value = 1; value < 256; ++value) {
    const char* name = ::strerrorname_np(value);
    if (name != nullptr && text == name) return value;
  }
  return std::nullopt;
}

bool parse_action(std::string_view text, Order& order) {
  const std::size_t colon = text.find(':');
  const std::string_view verb = text.substr(0, colon);
  const std::string_view rest =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const auto take = [&](Order::What what, const std::optional<int>& value) {
    order.what = what;
    order.number = value.value_or(0);
    return value.has_value();
  };
  if (verb == "delay") return take(Order::What::kDelay, number(rest));
  if (verb == "error") return take(Order::What::kError, errno_of(rest));
  if (verb == "ask") {
    order.what = Order::What::kAsk;
    order.path = rest;
    return !rest.empty() && rest.size() < sizeof(sockaddr_un::sun_path);
  }
  if (colon != std::string_view::npos) return false;
  if (verb == "kill") return take(Order::What::kKill, 0);
  if (verb == "stop") return take(Order::What::kStop, 0);
  if (verb == "exit") return take(Order::What::kExit, 0);
  return false;
}

struct Plan {
  std::deque<Order> orders;
  std::string problem;

  void add(std::string_view part) {
    const std::size_t equals = part.find('=');
    const std::string_view where = part.substr(0, equals);
    const std::size_t at = where.find('@');
    Order& order = orders.emplace_back();
    order.point = where.substr(0, at);
    std::string_view count = at == std::string_view::npos ? "1" : where.substr(at + 1);
    order.on = count.ends_with('+');
    if (order.on) count.remove_suffix(1);
    const auto nth = number(count);
    bool known = false;
    for (const std::string& point : all()) known = known || point == order.point;
    const bool action =
        equals != std::string_view::npos && parse_action(part.substr(equals + 1), order);
    if (known && action && nth && *nth > 0) {
      order.nth = *nth;
      return;
    }
    problem = "HANDOFF_FAILPOINT: \"" + std::string(part) + "\" " +
              (!known ? "names no failpoint (handoff doctor --failpoints lists them)"
                      : "is no POINT[@N[+]]=kill|stop|exit|delay:MS|error:ERRNO|ask:PATH");
    orders.pop_back();
  }

  explicit Plan(std::string_view rest) {
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      add(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
};

Plan& plan() {
  static Plan plan([] {
    const char* text = environment::get("HANDOFF_FAILPOINT");
    return std::string_view(text != nullptr ? text : "");
  }());
  return plan;
}

void sleep_ms(int ms) {
  timespec left{ms / 1000, static_cast<long>(ms % 1000) * 1'000'000};
  while (::nanosleep(&left, &left) < 0 && errno == EINTR) {
  }
}

// A process goes on if the tester can't be reached: it may have ended.
void ask(const Order& order) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, order.path.c_str(), order.path.size() + 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return;
  if (::send(fd.get(), order.point.data(), order.point.size(), MSG_NOSIGNAL) < 0) return;
  char answer = 0;
  while (::recv(fd.get(), &answer, 1, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::span<const std::string> all() {
  static const std::vector<std::string> points = list();
  return points;
}

bool armed() { return !plan().orders.empty(); }
const std::string& problem() { return plan().problem; }
std::string problem_of(std::string_view text) { return Plan(text).problem; }

int strike(std::string_view name) {
  for (Order& order : plan().orders) {
    if (order.point != name) continue;
    const long passed = order.passed.fetch_add(1) + 1;
    if (order.on ? passed < order.nth : passed != order.nth) continue;
    switch (order.what) {
      case Order::What::kKill:
        (void)::kill(::getpid(), SIGKILL);
        break;
      case Order::What::kStop:
        (void)::kill(::getpid(), SIGSTOP);
        break;
      case Order::What::kExit:
        ::_exit(86);
      case Order::What::kDelay:
        sleep_ms(order.number);
        break;
      case Order::What::kError:
        return order.number;
      case Order::What::kAsk:
        ask(order);
        break;
    }
  }
  return 0;
}

int strike_message(std::string_view side, std::string_view message, std::string_view moment) {
  std::string name(side);
  name += '.';
  for (std::size_t i = 0; i < message.size(); ++i) {  // SectionChunk: section_chunk
    const char c = message[i];
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && i > 0) name += '_';
    name += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  name += '.';
  name += moment;
  return strike(name);
}

}  // namespace handoff::failpoint
