#include "matrix.h"

#include <fnmatch.h>

#include <stdexcept>

#include "libhandoff/sys/failpoint.h"
#include "point.h"

namespace chaos {

std::vector<std::string> selected_points(const Selection& selection) {
  std::vector<std::string> out;
  for (const std::string& name : handoff::failpoint::all()) {
    // No upgrade of a service passes these points. tests/integration strikes them:
    // self_upgrade_test.cc, supervisor/slow_disk_test.cc.
    if (name.starts_with("supervisor.self.") || name == "supervisor.owner.before") continue;
    const Point* point = find_point(name);
    if (point == nullptr) {
      throw std::runtime_error("the failpoint " + name +
                               " is new: tests/chaos/point.cc must say when it is passed");
    }
    if (selection.service && !point->on(*selection.service)) continue;
    if (::fnmatch(selection.point.c_str(), name.c_str(), FNM_EXTMATCH) == 0) out.push_back(name);
  }
  return out;
}

std::vector<Cell> matrix(const Selection& selection) {
  std::vector<Cell> out;
  for (const std::string& point : selected_points(selection)) {
    for (const Service service : kServices) {
      for (const Victim victim : kVictims) {
        for (const Blow blow : kBlows) {
          const bool single = victim <= Victim::kSupervisor;
          if (selection.service.value_or(service) != service) continue;
          if (selection.victim.value_or(victim) != victim) continue;
          if (selection.blow.value_or(blow) != blow) continue;
          if (selection.core && (blow != Blow::kKill || !single)) continue;
          if (find_point(point)->on(service)) out.push_back({service, victim, point, blow});
        }
      }
    }
  }
  return out;
}

}  // namespace chaos
