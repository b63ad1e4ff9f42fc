#include "supervisor/run/config_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "libhandoff/sys/socket.h"
#include "supervisor/listeners/socket_file.h"
#include "supervisor/releases/archive.h"
#include "supervisor/releases/own_folder.h"
#include "supervisor/releases/release.h"
#include "supervisor/signing/signature.h"
#include "supervisor/signing/signed_file.h"

namespace handoff::supervisor {
namespace {

// What is wrong with a folder that is to be entered, and written to if need be; "" if nothing is.
std::string folder_problem(const std::string& path, int access) {
  struct stat found {};
  if (::stat(path.c_str(), &found) < 0) return path + ": " + std::strerror(errno);
  if (!S_ISDIR(found.st_mode)) return path + " is no folder";
  if (::faccessat(AT_FDCWD, path.c_str(), access, AT_EACCESS) < 0) {
    return path + ": " + std::strerror(errno);
  }
  return "";
}

// Opens it as it would be opened to run. key: it has to be signed, too.
std::string program_problem(const std::string& program, const std::string& key = "",
                            const std::string& signed_for = "") {
  const auto path = find_program(program);
  if (!path) return path.error().message;
  const auto file = open_executable(*path);
  if (!file) return file.error().message;
  if (is_archive(file->get())) return *path + " is a bundle; command is a program";
  if (key.empty()) return "";
  const auto verified = verify_file(file->get(), *path, key);
  if (!verified) return verified.error().message;
  const auto version = version_for(signed_for, *verified, *path);
  return version ? "" : version.error().message;
}

std::string key_problem(const std::string& key) {
  const auto text = key_text(key);
  if (!text) return text.error().message;
  const auto parsed = parse_public_key(*text);
  return parsed ? "" : key + ": " + parsed.error().message;
}

// What this host makes of a listener's options; "" for nothing that is wrong.
std::string options_problem(const NamedAddress& listener) {
  const auto owner = owner_of(listener.options);
  if (!owner) return owner.error().message;
  const auto& backlog = listener.options.bind.backlog;
  const int most = longest_queue();
  if (backlog && most > 0 && *backlog > most) {
    return "a backlog of " + std::to_string(*backlog) + " is one of " + std::to_string(most) +
           " here: net.core.somaxconn";
  }
  return "";
}

class Check {
 public:
  Check(const Config& config, const std::set<std::string>& held) : config_(config), held_(held) {}

  std::vector<ConfigProblem> all() {
    for (const ServiceConfig& service : config_.services) look_at(service);
    std::stable_sort(
        problems_.begin(), problems_.end(),
        [](const ConfigProblem& a, const ConfigProblem& b) { return a.line < b.line; });
    return std::move(problems_);
  }

 private:
  void add(const ServiceConfig& service, const std::string& key, const std::string& why) {
    if (why.empty()) return;
    add_at(service, key, key, why);
  }
  // at: the key whose line it is.
  void add_at(const ServiceConfig& service, const std::string& at, const std::string& key,
              const std::string& why) {
    const auto line = config_.lines.find(service.name + "." + at);
    problems_.push_back(
        {line == config_.lines.end() ? 0 : line->second, service.name + ": " + key + ": " + why});
  }

  void look_at(const ServiceConfig& service) {
    // One that was not understood has none.
    const std::string bad_key = service.verify_key.empty() ? "" : key_problem(service.verify_key);
    add(service, "verify", bad_key);
    if (!service.command.empty()) {
      const std::string key = bad_key.empty() ? service.verify_key : "";
      add(service, "command", program_problem(service.command.front(), key, service.signed_for()));
    }
    if (!service.working_dir.empty()) {
      add(service, "working_dir", folder_problem(service.working_dir, X_OK));
    }
    if (!service.health.command.empty()) {
      add(service, "health", program_problem(service.health.command.front()));
    }
    if (!service.releases_dir.empty()) {
      // A start creates the folder, if its parent is there.
      const std::filesystem::path folder(service.releases_dir);
      std::error_code ignored;
      const bool there = std::filesystem::exists(folder, ignored);
      add(service, "releases_dir",
          folder_problem(there ? folder : folder.parent_path(), W_OK | X_OK));
      add(service, "releases_dir", foreign_problem(service.releases_dir));
    }
    for (const NamedAddress& listener : service.listen) look_at(service, listener);
  }

  void look_at(const ServiceConfig& service, const NamedAddress& listener) {
    const auto tell = [&](const std::string& why) {
      add_at(service, "listen." + listener.name, "listen", why);
    };
    if (const std::string why = options_problem(listener); !why.empty()) {
      tell(listener.name + ": " + why);
    }
    const std::string address = core::to_string(listener.address);
    const bool any_port =
        listener.address.kind != core::Address::Kind::kUnix && listener.address.port == 0;
    if (any_port) return;
    const Owner here{service.name + "/" + listener.name, listener.options.bind.reuseport};
    const auto [other, first] = owner_.emplace(address, here);
    if (!first) {
      if (here.shares && other->second.shares) return;
      tell(address + " is that of " + other->second.name + ", too");
    } else if (!is_held(listener.address)) {
      const auto can = handoff::io::can_bind(listener.address, listener.options.bind);
      if (!can) tell(listener.name + ": " + can.error().message);
    }
  }

  bool is_held(const core::Address& address) const {
    for (const std::string& bound : held_) {
      const auto at = core::parse_address(bound);
      if (at && core::is_at(*at, address)) return true;
    }
    return false;
  }

  struct Owner {
    std::string name;
    bool shares = false;  // by reuseport
  };
  const Config& config_;
  const std::set<std::string>& held_;
  std::map<std::string, Owner> owner_;  // by address
  std::vector<ConfigProblem> problems_;
};

}  // namespace

std::vector<ConfigProblem> check_config(const Config& config, const std::set<std::string>& held) {
  return Check(config, held).all();
}

}  // namespace handoff::supervisor
