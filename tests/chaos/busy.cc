#include "busy.h"

#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>

namespace chaos {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kPatienceOfRuns = 60s;

}  // namespace

void Busy::connect(std::size_t sessions, bool full) {
  json now;
  require([&] { return (now = status()).value("state", "") == "running"; }, "it did not start");
  const std::string address = now.at("listeners").at(0).at("address");
  traffic_.emplace(service_, std::stoi(address.substr(address.rfind(':') + 1)), sessions, full);
  require([&] { return traffic_->settled(); }, "the clients were not served");
}

void Busy::wake(Visitors visitors) {
  traffic_->wake();
  traffic_->invite_visitors(visitors == Visitors::kCome);
  traffic_->reset_gaps();
}

void Busy::require(const std::function<bool()>& condition, const char* what) {
  const auto until = Clock::now() + kPatienceOfRuns;
  while (!condition()) {
    if (Clock::now() >= until) throw std::runtime_error(what);
    turn();
  }
}

void Busy::hear_from_all() {
  traffic_->ask_again();
  require([&] { return traffic_->all_answered_again(); }, "sessions are not served any more");
}

void Busy::pump_for(std::chrono::microseconds time) {
  for (const auto until = Clock::now() + time; Clock::now() < until;) turn();
}

void Busy::turn() {
  // pump() says how long to wait: the clients ask at a rate, whatever has come.
  const auto idle = [](int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); };
  traffic_ ? traffic_->pump(idle) : idle(2);
}

json Busy::status() {
  test::Question question = supervision_.ask_status();
  std::optional<json> services;
  const auto until = Clock::now() + kPatienceOfRuns;
  while (!(services = question.services()) && Clock::now() < until) turn();
  return !services || services->empty() ? json::object() : services->front();
}

void Busy::end() {
  traffic_->finish();
  require([&] { return traffic_->finished(); }, "the last answers do not come");
  supervision_.process().signal(SIGTERM);
  if (supervision_.process().wait() != 0) {
    throw std::runtime_error("the supervisor did not end well");
  }
}

}  // namespace chaos
