// Which of the listeners that are offered the first lane of a service has declared: the kits of its
// other lanes accept from these, and from no others that are declared. For uv.hpp and poll.h.
#ifndef HANDOFF_DETAIL_OFFERED_LANES_HPP
#define HANDOFF_DETAIL_OFFERED_LANES_HPP

#include <handoff/handoff.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace handoff::detail {

class OfferedLanes {
 public:
  // Lane 0's handle has declared name (empty: has looked at all).
  static void declared(handoff_t* first, const std::string& name) {
    OfferedLanes& all = instance();
    const std::lock_guard lock(all.lock_);
    handoff_t* lane = nullptr;
    for (std::uint32_t i = 1; handoff_lane(first, i, &lane) == 0; ++i) {
      auto& names = all.names_[lane];
      if (!name.empty()) names.insert(name);
    }
  }
  // Whether lane 0 has looked at what is offered.
  static bool known(const handoff_t* lane) {
    OfferedLanes& all = instance();
    const std::lock_guard lock(all.lock_);
    return all.names_.contains(lane);
  }
  static bool has(const handoff_t* lane, const std::string& name) {
    OfferedLanes& all = instance();
    const std::lock_guard lock(all.lock_);
    const auto it = all.names_.find(lane);
    return it != all.names_.end() && it->second.contains(name);
  }
  // The kit of that lane has gone: its address may be another service's some day.
  static void forget(handoff_t* lane) {
    OfferedLanes& all = instance();
    const std::lock_guard lock(all.lock_);
    all.names_.erase(lane);
    handoff_t* other = nullptr;
    for (std::uint32_t i = 1; handoff_lane(lane, i, &other) == 0; ++i) all.names_.erase(other);
  }

 private:
  static OfferedLanes& instance() {
    static OfferedLanes all;
    return all;
  }
  std::mutex lock_;
  std::map<const handoff_t*, std::set<std::string>> names_;
};

}  // namespace handoff::detail

#endif  // HANDOFF_DETAIL_OFFERED_LANES_HPP
