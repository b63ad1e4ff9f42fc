#include "stage.h"

#include <csignal>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "support/process/proc.h"

namespace chaos {

using namespace std::chrono_literals;
using nlohmann::json;
using Act = Provocation::Act;

namespace {

// The clients and the other processes go on for this long while one process waits at the point. The
// time itself is wanted, so no event can replace it.
constexpr auto kLinger = 8ms;
// A donor that is about to die is counted as soon as it has said how many sessions it has.
constexpr const char* kSaysHowMany = "service.status.sent";
constexpr auto kCountTakes = 2s;
constexpr auto kDelay = 350ms;  // above the freeze budget

}  // namespace

Stage::Stage(Cell of)
    : cell(std::move(of)),
      point(cell.moment() ? nullptr : find_point(cell.point)),
      expected(expect(cell, point)),
      supervision(cell.service),
      asks_(supervision.path("ask")) {
  if (!cell.moment() && point == nullptr) {
    throw std::runtime_error("no point " + cell.point + " in tests/chaos/point.cc");
  }
}

// ---- while anything is waited for

void Stage::turn() {
  if (held_until_ && Clock::now() >= *held_until_) held_.reset();
  const auto idle = [this](int ms) {
    for (Asked& asked : asks_.poll(ms)) handle(std::move(asked));
  };
  if (traffic) {
    traffic->pump(idle);
  } else {
    idle(2);
  }
}

json Stage::status() {
  test::Question question = supervision.ask_status();
  json answer;
  require(
      [&] {
        if (const auto services = question.services()) {
          answer = services->empty() ? json::object() : services->front();
        }
        return !answer.is_null();
      },
      "the supervisor does not answer");
  return answer;
}

json Stage::wait_for_service(const std::string& who, bool may_be_stopped) {
  json now;
  require(
      [&] {
        if (!supervisor_lives()) throw Problem{who + " ended:\n" + supervision.log()};
        now = status();
        const std::string state = now.value("state", "");
        return state == "running" || (may_be_stopped && state == "stopped");
      },
      who + " does not have the service running");
  return now;
}

// A process at another point, or at this point at another time, goes on at once: its Asked ends
// here.
void Stage::handle(Asked asked) {
  if (!armed_) return;
  if (asked.pid() == donor && asked.point() == kSaysHowMany) counted_ = true;
  if (target_ || point == nullptr) return;
  const Provocation& provocation = point->provocation;
  if (provocation.act != Act::kNone && !provoked_ && asked.point() == provocation.at) {
    provoked_ = true;
    provoke(std::move(asked));
  } else if (asked.point() == cell.point) {
    target_ = std::move(asked);
  }
}

void Stage::provoke(Asked asked) {
  switch (point->provocation.act) {
    case Act::kNone:
    case Act::kError:
      return;
    case Act::kKillIt:
      ::kill(asked.pid(), SIGKILL);
      return;
    case Act::kStopIt: {
      ::kill(asked.pid(), SIGSTOP);
      const auto until = Clock::now() + kPatience;
      while (test::process_state(asked.pid()) != 'T' && Clock::now() < until) {
      }
      return;
    }
    case Act::kStop:
      stop_ = supervision.command({"stop", std::string(example(cell.service))});
      break;
    case Act::kHold:
      break;
    case Act::kDelay:
      held_until_ = Clock::now() + kDelay;
      break;
  }
  held_ = std::move(asked);
}

// ---- before the blow

void Stage::set(std::size_t sessions) {
  std::string orders;
  if (point != nullptr) {
    orders = asks_.orders(cell.point);
    if (dies_uncounted()) orders += "," + asks_.orders(kSaysHowMany);
    const Provocation& provocation = point->provocation;
    if (provocation.act == Act::kError) {
      orders += "," + std::string(provocation.at) + "=error:EIO";
    } else if (provocation.act != Act::kNone) {
      orders += "," + asks_.orders(std::string(provocation.at));
    }
  }
  supervision.start(orders);
  const json now = wait_for_service("the supervisor");
  donor = now.at("pid");
  const std::string address = now.at("listeners").at(0).at("address");
  traffic.emplace(cell.service, std::stoi(address.substr(address.rfind(':') + 1)), sessions);
  require([&] { return traffic->settled(); }, "the clients were not served");
  quiet = traffic->alive(Manner::kQuiet);
  files = test::open_files(donor);
  traffic->reset_gaps();
  // Lost sessions are counted one by one, and a visitor that leaves just then would spoil the
  // count.
  traffic->invite_visitors(!expected.loss);
}

void Stage::upgrade_to_the_point() {
  armed_ = true;
  upgrade = supervision.upgrade(2);
  const auto moment = cell.moment();
  if (moment) {
    require([&] { return upgrade->out().find("\"start\"") != std::string::npos; },
            "the upgrade does not begin");
  }
  const auto begin = Clock::now();
  const auto there = [&] {
    if (moment) return Clock::now() >= begin + *moment;
    if (target_) return true;
    // Points may be passed after the upgrade has ended: those of `handoff stop`, and those of a
    // process that has given the service away and does not get the processor.
    return !upgrade->running() && !(stop_ && stop_->running()) &&
           supervision.services().size() <= 1;
  };
  if (!wait_until(there, kPatience) || (!moment && !target_)) {
    throw NotApplicable{"the point was not passed"};
  }
  reached = true;
  const auto then = Clock::now();
  if (dies_uncounted()) wait_until([&] { return counted_; }, kCountTakes);
  if (!moment && point->latest <= Phase::kPrepared) {
    wait_until([&] { return Clock::now() >= then + kLinger; }, kPatience);
  }
  if (moment && !upgrade->running()) throw NotApplicable{"the upgrade was over"};
}

void Stage::let_go() {
  if (target_) target_->answer();
  held_.reset();
}

// The supervisor asks the donor how many sessions it has when it starts the heir. On a busy host
// the answer may come later than the point.
bool Stage::dies_uncounted() const {
  return cell.victim == Victim::kDonor && cell.blow == Blow::kKill && point != nullptr &&
         point->earliest == Phase::kBefore && !point->uncounted;
}

}  // namespace chaos
