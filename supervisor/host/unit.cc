#include "supervisor/host/unit.h"

#include <spdlog/spdlog.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

#include "supervisor/host/notify.h"
#include "supervisor/loop/thread_work.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kManager = "org.freedesktop.systemd1";
constexpr const char* kUnit = "org.freedesktop.systemd1.Unit";
constexpr const char* kService = "org.freedesktop.systemd1.Service";

struct CloseBus {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;
struct Free {
  void operator()(char* text) const { std::free(text); }  // sd-bus and sd-login use malloc(3)
};
using Text = std::unique_ptr<char, Free>;

struct Questions {
  sd_bus* bus;
  const char* unit;  // its path on the bus

  std::optional<std::string> text(const char* interface, const char* name) const {
    char* value = nullptr;
    if (sd_bus_get_property_string(bus, kManager, unit, interface, name, nullptr, &value) < 0) {
      return std::nullopt;
    }
    return Text(value).get();
  }
  template <class T>
  std::optional<T> number(const char* interface, const char* name, char type) const {
    T value = 0;
    if (sd_bus_get_property_trivial(bus, kManager, unit, interface, name, nullptr, type, &value) <
        0) {
      return std::nullopt;
    }
    return value;
  }
  std::optional<std::vector<std::string>> texts(const char* interface, const char* name) const {
    char** values = nullptr;
    if (sd_bus_get_property_strv(bus, kManager, unit, interface, name, nullptr, &values) < 0) {
      return std::nullopt;
    }
    std::vector<std::string> out;
    for (char** value = values; value != nullptr && *value != nullptr; ++value) {
      out.emplace_back(Text(*value).get());
    }
    std::free(values);
    return out;
  }
};

}  // namespace

std::optional<UnitSettings> read_unit() {
  char* name = nullptr;
  const bool of_user = sd_pid_get_user_unit(0, &name) >= 0;
  if (!of_user && sd_pid_get_unit(0, &name) < 0) return std::nullopt;
  const Text unit(name);
  sd_bus* opened = nullptr;
  if ((of_user ? sd_bus_open_user(&opened) : sd_bus_open_system(&opened)) < 0) return std::nullopt;
  const Bus bus(opened);
  constexpr std::chrono::microseconds kTimeout = std::chrono::seconds(2);
  (void)sd_bus_set_method_call_timeout(bus.get(), kTimeout.count());
  char* encoded = nullptr;
  if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit.get(), &encoded) < 0) {
    return std::nullopt;
  }
  const Text path(encoded);
  const Questions ask{bus.get(), path.get()};
  UnitSettings out;
  out.name = unit.get();
  out.kill_mode = ask.text(kService, "KillMode");
  if (!out.kill_mode) return std::nullopt;  // no service, or nobody answers
  out.restart = ask.text(kService, "Restart");
  out.oom_policy = ask.text(kService, "OOMPolicy");
  out.runtime_preserve = ask.text(kService, "RuntimeDirectoryPreserve");
  out.runtime_dirs = ask.texts(kService, "RuntimeDirectory");
  out.fd_store_max = ask.number<std::uint32_t>(kService, "FileDescriptorStoreMax", 'u');
  out.start_limit_burst = ask.number<std::uint32_t>(kUnit, "StartLimitBurst", 'u');
  out.start_limit_us = ask.number<std::uint64_t>(kUnit, "StartLimitIntervalUSec", 't');
  out.watchdog_us = ask.number<std::uint64_t>(kService, "WatchdogUSec", 't');
  return out;
}

void tell_unit_faults(uv_loop_t* loop, std::size_t listeners, std::string runtime) {
  if (!Notify::heard()) return;
  auto unit = std::make_shared<std::optional<UnitSettings>>();
  (void)on_a_thread(
      loop, [unit] { *unit = read_unit(); },
      [unit, listeners, runtime = std::move(runtime)] {
        if (!*unit) return;
        for (const std::string& fault : unit_faults(**unit, listeners, runtime)) {
          spdlog::warn("{}", fault);
        }
      });
}

}  // namespace handoff::supervisor
