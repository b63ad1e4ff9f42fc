#include "supervisor/service/reopening.h"

#include <utility>

namespace handoff::supervisor {

void Reopening::begin(ReleasePtr release, Reopen from,
                      std::function<void(const Result<void>&)> done) {
  if (!waiting_.try_emplace(release).second) return;
  reopen_release(loop_, std::move(from),
                 [this, here = std::weak_ptr<bool>(here_), release,
                  done = std::move(done)](Result<ReleasePtr> opened) {
                   if (here.expired()) return;
                   Result<void> result;
                   if (opened) {
                     take_open(*release, std::move(**opened));
                   } else {
                     result = Failure(opened.error());
                   }
                   const auto waiting = waiting_.extract(release);
                   done(result);
                   for (const auto& then : waiting.mapped()) {
                     if (!here.expired()) then();
                   }
                 });
}

void Reopening::when_done(const ReleasePtr& release, std::function<void()> then) {
  const auto found = waiting_.find(release);
  if (found == waiting_.end()) return then();
  found->second.push_back(std::move(then));
}

}  // namespace handoff::supervisor
