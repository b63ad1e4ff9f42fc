#include "supervisor/cli/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "libhandoff/base/text.h"
#include "supervisor/base/json_line.h"
#include "supervisor/loop/line_writer.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kPattern = "%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v";

std::string entry(std::chrono::system_clock::time_point time, const char* level,
                  std::string message) {
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch());
  return json_line(
             {{"time_us", since.count()}, {"level", level}, {"message", std::move(message)}}) +
         "\n";
}

std::string left_out(std::size_t lines) {
  return std::to_string(lines) + " lines of the log were left out here: nobody read them in time";
}

std::string left_out_text(std::size_t lines) {
  spdlog::memory_buf_t text;
  const std::string what = left_out(lines);
  spdlog::pattern_formatter(kPattern).format(
      spdlog::details::log_msg("handoff", spdlog::level::warn, what), text);
  return {text.data(), text.size()};
}

std::string left_out_json(std::size_t lines) {
  return entry(std::chrono::system_clock::now(), "warning", left_out(lines));
}

const char* color_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::info:
      return "\033[32m";
    case spdlog::level::warn:
      return "\033[33m\033[1m";
    case spdlog::level::err:
    case spdlog::level::critical:
      return "\033[31m\033[1m";
    default:
      return "\033[36m";
  }
}

// Lines that the supervisor before this one could not get rid of (upgrade --self). Services are not
// to inherit the number.
std::size_t left_out_before() {
  const char* text = std::getenv(kLeftOutVariable);
  if (text == nullptr) return 0;
  std::size_t lines = 0;
  std::from_chars(text, text + std::strlen(text), lines);
  ::unsetenv(kLeftOutVariable);
  return lines;
}

class Sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Sink(bool json)
      : json_(json),
        colored_(!json && ::isatty(STDERR_FILENO) == 1),
        writer_(STDERR_FILENO, json ? left_out_json : left_out_text, left_out_before()) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (json_) {
      writer_.write(entry(message.time, spdlog::level::to_string_view(message.level).data(),
                          {message.payload.data(), message.payload.size()}));
      return;
    }
    spdlog::details::log_msg shown = message;
    const std::string payload = printable({message.payload.data(), message.payload.size()});
    shown.payload = payload;
    spdlog::memory_buf_t text;
    formatter_->format(shown, text);
    std::string line(text.data(), text.size());
    if (colored_ && shown.color_range_end > shown.color_range_start) {
      line.insert(shown.color_range_end, "\033[m");
      line.insert(shown.color_range_start, color_of(shown.level));
    }
    writer_.write(std::move(line));
  }
  void flush_() override { writer_.flush(); }

 private:
  bool json_;
  bool colored_;
  LineWriter writer_;
};

}  // namespace

void set_up_log(bool json) {
  auto logger = std::make_shared<spdlog::logger>("handoff", std::make_shared<Sink>(json));
  logger->set_pattern(kPattern);
  spdlog::set_default_logger(std::move(logger));
}

void flush_log() { spdlog::default_logger()->flush(); }

}  // namespace handoff::supervisor
