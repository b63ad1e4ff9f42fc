#include "libhandoff/service/session_fds.h"

#include <algorithm>
#include <utility>

namespace handoff::io {
namespace {

SessionFds::List& nothing() {
  static thread_local SessionFds::List none;
  return none;
}

}  // namespace

const SessionFds::List& SessionFds::of(std::uint64_t id) const {
  return const_cast<SessionFds*>(this)->of(id);
}
SessionFds::List& SessionFds::of(std::uint64_t id) {
  if (sessions_.empty()) return nothing();
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nothing() : it->second.list;
}

SessionFd* SessionFds::find(std::uint64_t id, std::string_view name) {
  List& list = of(id);
  const auto it = std::find_if(list.begin(), list.end(),
                               [&](const SessionFd& one) { return one.name == name; });
  return it == list.end() ? nullptr : &*it;
}

const SessionFd* SessionFds::untaken(std::uint64_t id) const {
  const List& list = of(id);
  const auto it = std::find_if(list.begin(), list.end(),
                               [](const SessionFd& one) { return one.untaken.valid(); });
  return it == list.end() ? nullptr : &*it;
}

void SessionFds::set(std::uint64_t id, SessionFd one) {
  Of& session = sessions_[id];
  session.changed = true;
  if (SessionFd* const before = find(id, one.name)) {
    *before = std::move(one);
    return;
  }
  session.list.push_back(std::move(one));
  ++count_;
}

bool SessionFds::remove(std::uint64_t id, std::string_view name) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return false;
  const std::size_t gone =
      std::erase_if(it->second.list, [&](const SessionFd& one) { return one.name == name; });
  if (gone == 0) return false;
  it->second.changed = true;
  --count_;
  return true;
}

void SessionFds::replace(std::uint64_t id, List list) {
  if (list.empty()) return forget(id);
  Of& session = sessions_[id];
  count_ = count_ - session.list.size() + list.size();
  session = {.list = std::move(list)};
}

void SessionFds::forget(std::uint64_t id) {
  if (sessions_.empty()) return;
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  count_ -= it->second.list.size();
  sessions_.erase(it);
}

void SessionFds::take(SessionFds& other) {
  if (sessions_.empty()) {
    sessions_.swap(other.sessions_);
  } else {
    sessions_.merge(other.sessions_);
  }
  count_ += std::exchange(other.count_, 0);
  other.sessions_.clear();
}

void SessionFds::clear() {
  sessions_.clear();
  count_ = 0;
}

void SessionFds::none_sent(std::uint64_t id) {
  for (SessionFd& one : of(id)) one.sent = false;
}

bool SessionFds::changed(std::uint64_t id) const {
  const auto it = sessions_.find(id);
  return it != sessions_.end() && it->second.changed;
}

void SessionFds::all_sent(std::uint64_t id) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  it->second.changed = false;
  for (SessionFd& one : it->second.list) one.sent = true;
}

}  // namespace handoff::io
