// What a service declares before it is ready. Each name must be well-formed and is declared once.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "libhandoff/core/address.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {
namespace {

Result<void> check_version(std::string_view version) {
  if (core::valid_version(version)) return {};
  return fail(-EINVAL, "the release's version '" + std::string(version) +
                           "' must be 1 to 64 of letters, digits, '.', '_', '-', '+', '~'");
}

Result<void> check_name(const char* what, std::string_view name) {
  if (core::valid_name(name)) return {};
  return fail(-EINVAL, std::string(what) + " '" + std::string(name) +
                           "' must be 1 to 64 of letters, digits, '.', '_', '-'");
}

}  // namespace

Result<void> Registry::set_names(std::string service_name, std::string release_name) {
  if (auto ok = check_name("the service's name", service_name); !ok) return ok;
  if (auto ok = check_version(release_name); !ok) return ok;
  service = std::move(service_name);
  release = std::move(release_name);
  return {};
}

// All of them are in a Hello.
Result<void> Registry::check_room() const {
  if (kinds.size() + sections.size() + regions.size() < protocol::kMaxKinds) return {};
  return fail(-E2BIG, "kinds of sessions, listeners, sections and regions are " +
                          std::to_string(protocol::kMaxKinds) + " at most");
}

bool Registry::name_taken(const std::string& name) const {
  const auto same = [&](const auto& other) { return other.name == name; };
  // A section may have a listener's name: on the wire the listener's kind is one of "session".
  const auto same_kind = [&](const SessionKind& kind) {
    return kind.name == name && !kind.of_listener;
  };
  return std::any_of(kinds.begin(), kinds.end(), same_kind) ||
         std::any_of(sections.begin(), sections.end(), same) || find_region(name) != nullptr;
}

Result<void> Registry::declare_named(const std::string& name, const std::string& address) {
  if (auto ok = check_name("the name", name); !ok) return ok;
  if (name.starts_with(protocol::kInternalName)) {
    return fail(-EINVAL, "'" + name + "': names that begin with 'handoff.' are the library's own");
  }
  if (named.contains(name) || declared_.given_back.contains(name)) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + name + "' is declared already");
  }
  if (!address.empty()) {
    if (const auto parsed = core::parse_address(address); !parsed) {
      return fail(-EINVAL, "listener '" + name + "': " + parsed.error());
    }
  }
  named[name].address = address;
  return {};
}

Result<void> Registry::give_listener(const std::string& name, const std::string& address,
                                     UniqueFd fd) {
  const auto it = named.find(name);
  if (it == named.end()) {
    return fail(HANDOFF_ERR_UNKNOWN,
                "the supervisor has a listener '" + name +
                    "' for this service, which does not declare it; remove it from the "
                    "configuration, declare it, or give it back (handoff_give_back())");
  }
  it->second.fd = std::move(fd);
  it->second.address = address;
  return {};
}

void Registry::keep_listener(const std::string& name, const std::string& address, UniqueFd fd) {
  const auto it = named.find(name);
  if (it == named.end() || it->second.address.empty()) return;
  it->second.kept = std::move(fd);
  it->second.kept_address = address;
}

void Registry::move_listener(const std::string& name, const std::string& address, UniqueFd fd) {
  const auto it = named.find(name);
  if (it == named.end() || it->second.address.empty()) return;
  it->second.moved = std::move(fd);
  it->second.moved_address = address;
}

void Registry::add_earlier(const std::string& name, const std::string& address, UniqueFd fd) {
  const auto it = named.find(name);
  if (it == named.end() || it->second.address.empty()) return;
  it->second.earlier.push_back({address, std::move(fd)});
}

Result<void> Registry::declare_kind(const std::string& name, std::uint32_t version) {
  if (auto ok = check_room(); !ok) return ok;
  if (auto ok = check_name("the kind", name); !ok) return ok;
  if (version == 0) return fail(-EINVAL, "state versions count from 1");
  if (name_taken(name) || kind_version(name) != 0) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + name + "' is declared already");
  }
  kinds.push_back({.name = name, .version = version, .stateless = false, .steps = {}});
  return {};
}

Result<void> Registry::declare_stateless(const std::string& kind) {
  const auto it = std::find_if(kinds.begin(), kinds.end(),
                               [&](const SessionKind& k) { return k.name == kind; });
  if (it == kinds.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "session kind '" + kind + "' was not declared");
  }
  if (it->of_listener) {
    return fail(HANDOFF_ERR_UNKNOWN,
                "the kind of listener '" + kind + "' is as the kind 'session': call this for that");
  }
  it->stateless = true;
  return {};
}

Result<void> Registry::declare_no_snapshots(const std::string& kind) {
  const auto it = std::find_if(kinds.begin(), kinds.end(),
                               [&](const SessionKind& k) { return k.name == kind; });
  if (it == kinds.end() || it->of_listener) {
    return fail(HANDOFF_ERR_UNKNOWN,
                "session kind '" + kind + "' was not declared by handoff_kind()");
  }
  it->no_snapshots = true;
  return {};
}

Result<void> Registry::declare_listener_kind(const std::string& listener) {
  if (auto ok = check_room(); !ok) return ok;
  const auto it = named.find(listener);
  if (it == named.end() || it->second.address.empty()) {
    return fail(HANDOFF_ERR_UNKNOWN, "listener '" + listener + "' was not declared");
  }
  if (kind_version(listener) != 0) {
    return fail(HANDOFF_ERR_DUPLICATE, "session kind '" + listener + "' is declared already");
  }
  kinds.push_back({.name = listener, .of_listener = true});
  return {};
}

Result<void> Registry::declare_step(const std::string& kind, core::Step step, StateStep how) {
  const auto it = std::find_if(kinds.begin(), kinds.end(),
                               [&](const SessionKind& k) { return k.name == kind; });
  if (it == kinds.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "session kind '" + kind + "' was not declared");
  }
  if (step.first == 0 || step.second == 0 ||
      (step.first + 1 != step.second && step.second + 1 != step.first)) {
    return fail(-EINVAL, "a step is from N to N+1 or from N+1 to N");
  }
  if (how.convert == nullptr) return fail(-EINVAL, "a step needs a function");
  if (it->of_listener) {
    return fail(HANDOFF_ERR_UNKNOWN,
                "the kind of listener '" + kind +
                    "' has the steps of the kind 'session'; for steps of its own declare a kind of "
                    "that name before the listener");
  }
  if (!it->steps.emplace(step, how).second) {
    return fail(HANDOFF_ERR_DUPLICATE, "that step is registered already");
  }
  return {};
}

Result<void> Registry::declare_section(SectionDecl section) {
  if (auto ok = check_room(); !ok) return ok;
  if (auto ok = check_name("the section", section.name); !ok) return ok;
  if (name_taken(section.name)) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + section.name + "' is declared already");
  }
  sections.push_back(std::move(section));
  return {};
}

Result<void> Registry::declare_blob(const std::string& name, handoff_blob_save_fn save,
                                    handoff_blob_load_fn load, void* user) {
  auto blob = std::make_unique<Blob>(name, save, load, user);
  auto declared = declare_section(
      {.name = name, .reads = {1}, .writes = {1}, .ops = Blob::ops(), .user = blob.get()});
  if (declared) declared_.blobs.push_back(std::move(blob));
  return declared;
}

Result<void> Registry::declare_region(RegionDecl region) {
  if (auto ok = check_room(); !ok) return ok;
  if (auto ok = check_name("the region", region.name); !ok) return ok;
  if (region.version == 0) return fail(-EINVAL, "layouts count from 1");
  if (region.max_size == 0) return fail(-EINVAL, "region '" + region.name + "': max_size is 0");
  if (name_taken(region.name)) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + region.name + "' is declared already");
  }
  regions.emplace_back(std::move(region));
  return {};
}

Result<void> Registry::set_callbacks(const handoff_callbacks& given, void* user) {
  // The size in a service that was built before sessions could be held.
  constexpr std::size_t kFirstSize = offsetof(handoff_callbacks, late);
  if (given.size < kFirstSize) return fail(-EINVAL, "handoff_callbacks.size");
  callbacks = {};
  std::memcpy(&callbacks, &given, std::min(given.size, sizeof callbacks));
  callbacks_user = user;
  return {};
}

}  // namespace handoff::io
