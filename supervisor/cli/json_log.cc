#include "supervisor/cli/json_log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace handoff::supervisor {
namespace {

class JsonSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const auto since = message.time.time_since_epoch();
    const nlohmann::json line{
        {"time_us", std::chrono::duration_cast<std::chrono::microseconds>(since).count()},
        {"level", spdlog::level::to_string_view(message.level).data()},
        {"message", std::string(message.payload.data(), message.payload.size())}};
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    (void)std::fwrite(text.data(), 1, text.size(), stderr);
  }
  void flush_() override { (void)std::fflush(stderr); }
};

}  // namespace

spdlog::sink_ptr make_json_sink() { return std::make_shared<JsonSink>(); }

}  // namespace handoff::supervisor
