#include "supervisor/host/state_keeper.h"

#include <utility>

namespace handoff::supervisor {

StateKeeper::StateKeeper(uv_loop_t* loop, const RuntimeDir& runtime,
                         std::function<std::string()> text,
                         std::function<void(const Error&)> failed)
    : runtime_(runtime),
      text_(std::move(text)),
      failed_(std::move(failed)),
      soon_(loop, [this] { write(); }),
      thread_(loop) {}

void StateKeeper::changed() {
  if (!std::exchange(dirty_, true) && !thread_.busy()) soon_.at(now());
}

void StateKeeper::save(Done done) {
  waiting_.push_back(std::move(done));
  dirty_ = true;
  if (!thread_.busy()) write();
}

void StateKeeper::write() {
  if (thread_.busy() || !(dirty_ || failing_)) return;
  dirty_ = false;
  soon_.at(std::nullopt);
  next_ = text_();
  in_flight_ = std::exchange(waiting_, {});
  if (next_ == written_) return wrote({});
  auto file = runtime_.state_file();
  if (!file) return wrote(Failure(file.error()));
  struct Writing {
    StateFile file;
    std::string text;
    Result<void> result;
  };
  const auto writing = std::make_shared<Writing>(Writing{std::move(*file), next_, {}});
  thread_.run([writing] { writing->result = writing->file.save(writing->text); },
              [this, writing] { wrote(writing->result); });
}

void StateKeeper::wrote(const Result<void>& result) {
  failing_ = !result;
  if (result) {
    written_ = std::move(next_);
    backoff_.reset();
    told_.clear();
  } else if (std::exchange(told_, result.error().message) != told_) {
    failed_(result.error());
  }
  for (const Done& done : std::exchange(in_flight_, {})) done(result);
  if (dirty_) return write();
  if (failing_) soon_.at(now() + backoff_.after({}));
}

void StateKeeper::verify() {
  const auto said = runtime_.state();
  if (!said || *said != written_) mistrust();
}

Result<void> StateKeeper::save_now() {
  thread_.finish();
  // The next reader must not find what somebody else has written to the file.
  verify();
  Result<void> out;
  save([&out](const Result<void>& result) { out = result; });
  thread_.finish();  // what is being written now
  thread_.finish();  // what was asked for meanwhile
  return out;
}

}  // namespace handoff::supervisor
