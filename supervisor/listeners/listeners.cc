#include "supervisor/listeners/listeners.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libhandoff/sys/socket.h"
#include "supervisor/processes/census.h"

namespace handoff::supervisor {
namespace {

// What was bound as the one is what the other wants, but for what can be set later.
bool is_same_socket(const NamedAddress& one, const NamedAddress& other) {
  return one.name == other.name && one.address == other.address &&
         as_bound(one.options, other.options) == other.options;
}

}  // namespace

void Listeners::keep(std::size_t index, Listener listener) {
  notify_->store(service_ + "/" + listener.name(), listener.fd());
  have_[index].emplace(std::move(listener));
}

// One whose options can't be set is as good as one with others: the log has it.
void Listeners::set(Listener& listener, const ListenerOptions& options) {
  const auto done = listener.set(options);
  if (!done) spdlog::error("{}: {}", service_, done.error().message);
}

// In the runtime folder: of nobody else, and on the file system of most such sockets.
std::string Listeners::spare_of(const std::string& name) const {
  const std::size_t end = report_path_.rfind('/');
  if (end == std::string::npos) return "";
  return report_path_.substr(0, end) + "/listeners/" + service_ + ":" + name;
}

std::vector<Listeners::Mended> Listeners::mend_paths() {
  std::vector<Mended> out;
  for (auto& listener : have_) {
    if (!listener) continue;
    const std::string problem = listener->path().problem();
    const auto mended = listener->path().mend();
    if (!mended) {
      out.push_back({listener->name(), false, mended.error().message});
    } else if (*mended) {
      out.push_back({listener->name(), true,
                     problem.substr(0, problem.find(" (")) +
                         "; it is there again, and it is the same socket"});
    }
  }
  return out;
}

void Listeners::want(std::vector<NamedAddress> wanted) {
  std::vector<std::optional<Listener>> have(wanted.size());
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    std::optional<Listener>& listener = have_[i];
    if (!listener) continue;
    const auto still = std::find_if(wanted.begin(), wanted.end(), [&](const NamedAddress& other) {
      return is_same_socket(wanted_[i], other);
    });
    if (still != wanted.end()) {
      if (still->options != wanted_[i].options) set(*listener, still->options);
      have[static_cast<std::size_t>(still - wanted.begin())].emplace(std::move(*listener));
    } else {
      notify_->remove(service_ + "/" + wanted_[i].name);
    }
  }
  wanted_ = std::move(wanted);
  have_.swap(have);
}

void Listeners::take_kept(KeptFds& kept) {
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const std::string name = service_ + "/" + wanted_[i].name;
    UniqueFd fd = kept.take(name);
    if (have_[i] || !fd.valid()) continue;
    auto listener = Listener::adopt(wanted_[i], std::move(fd), spare_of(wanted_[i].name));
    if (!listener) {
      spdlog::warn("{}: the listener {} that was kept is not used: {}", service_, wanted_[i].name,
                   listener.error().message);
      notify_->remove(name);
      continue;
    }
    spdlog::info("{}: listener {} was kept", service_, wanted_[i].name);
    set(*listener, wanted_[i].options);
    have_[i].emplace(std::move(*listener));
  }
}

// Nobody reaches a socket without a name: what would wait in it waits already.
void Listeners::drop_lost() {
  for (auto& listener : have_) {
    if (!listener || !listener->path().lost()) continue;
    spdlog::warn("{}: listener {}: {}", service_, listener->name(), listener->path().problem());
    notify_->remove(service_ + "/" + listener->name());
    listener.reset();
  }
}

void Listeners::close(const std::string& name) {
  for (auto& listener : have_) {
    if (!listener || listener->name() != name) continue;
    notify_->remove(service_ + "/" + name);
    listener.reset();
  }
}

Result<void> Listeners::bind_missing(const std::vector<std::string>& left_out) {
  (void)mend_paths();
  drop_lost();
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    if (have_[i] || std::ranges::find(left_out, wanted_[i].name) != left_out.end()) continue;
    auto listener = Listener::open(wanted_[i], spare_of(wanted_[i].name));
    if (!listener) {
      std::string why = listener.error().message;
      if (listener.error().code == -EADDRINUSE) {
        const std::string orphan = orphan_at(wanted_[i].address, report_path_);
        if (!orphan.empty()) {
          why += ": " + orphan + " of the supervisor before this one has it, and is in the way";
        }
      }
      return fail(listener.error().code, why);
    }
    keep(i, std::move(*listener));
  }
  return {};
}

void Listeners::take_shown(std::vector<NamedFd>& shown) {
  for (NamedFd& named : shown) {
    UniqueFd fd = std::move(named.fd);
    if (!fd.valid()) continue;
    const auto wanted = std::find_if(wanted_.begin(), wanted_.end(),
                                     [&](const NamedAddress& w) { return w.name == named.name; });
    const auto index = static_cast<std::size_t>(wanted - wanted_.begin());
    if (wanted == wanted_.end() || have_[index]) continue;
    const auto identity = handoff::io::identity_of(fd.get());
    if (!identity || *identity != handoff::io::Identity{named.inode, named.device}) {
      spdlog::error("{}: the listener {} that is shown is not the one announced", service_,
                    named.name);
      continue;
    }
    auto listener = Listener::adopt(*wanted, std::move(fd), spare_of(wanted->name));
    if (!listener) {
      spdlog::error("{}: the listener {} that is shown is not taken: {}", service_, named.name,
                    listener.error().message);
      continue;
    }
    set(*listener, wanted->options);
    keep(index, std::move(*listener));
  }
}

std::vector<const Listener*> Listeners::here() const {
  std::vector<const Listener*> out;
  for (const auto& listener : have_) {
    if (listener) out.push_back(&*listener);
  }
  return out;
}

bool Listeners::has(const std::string& name) const {
  return std::any_of(have_.begin(), have_.end(),
                     [&](const auto& listener) { return listener && listener->name() == name; });
}

std::vector<std::string> Listeners::wanted_names() const {
  std::vector<std::string> out;
  out.reserve(wanted_.size());
  for (const NamedAddress& wanted : wanted_) out.push_back(wanted.name);
  return out;
}

std::vector<std::string> Listeners::names() const {
  std::vector<std::string> out;
  for (const Listener* listener : here()) out.push_back(listener->name());
  return out;
}

nlohmann::json Listeners::json() const {
  nlohmann::json out = nlohmann::json::array();
  for (const Listener* listener : here()) {
    out.push_back(
        {{"name", listener->name()}, {"address", listener->address()}, {"problem", nullptr}});
    const std::string problem = listener->path().problem();
    if (!problem.empty()) out.back()["problem"] = problem;
  }
  return out;
}

}  // namespace handoff::supervisor
