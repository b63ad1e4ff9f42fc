// The happy path: follow() notes what is new, a job takes copies of it to a thread, and what came
// of it is noted on the loop. The failures: a full disk, a release that may not be copied; they are
// told once, the service runs on, and the next change tries again. What was chosen is also written
// again after a while: a copy may be large, and that is not. A folder that somebody cleans up:
// follow() stats the files that were kept, and the job copies anew what is missing.
#include "supervisor/service/keeper.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <mutex>
#include <set>
#include <utility>

#include "supervisor/host/choice.h"
#include "supervisor/loop/thread_work.h"
#include "supervisor/releases/kept_releases.h"
#include "supervisor/releases/own_folder.h"
#include "supervisor/releases/reopen.h"

namespace handoff::supervisor {

void forget_service(const std::string& folder) {
  std::error_code ignored;
  std::filesystem::remove(choice_path(folder), ignored);
  KeptReleases(folder).remove_all();
}

// The newest text is what stays, whichever thread comes last.
struct Keeper::Writing {
  std::mutex mutex;
  std::uint64_t asked = 0;
  std::uint64_t written = 0;
  std::optional<FileAsKept> file;  // none: it could not be written

  Result<void> write(std::uint64_t number, const std::string& folder, const std::string& text) {
    const std::lock_guard lock(mutex);
    if (number < written) return {};
    file.reset();
    if (const auto there = open_releases(folder); !there) return Failure(there.error());
    auto done = write_choice(folder, text);
    if (!done) return done;
    written = number;
    file = FileAsKept::at(choice_path(folder));
    return {};
  }
  void forget(const std::string& folder) {
    const std::lock_guard lock(mutex);
    written = std::numeric_limits<std::uint64_t>::max();  // what a thread still writes is late
    file.reset();
    forget_service(folder);
  }
  std::optional<FileAsKept> last() {
    const std::lock_guard lock(mutex);
    return file;
  }
};

struct Keeper::Job {
  bool makes_copies = true;  // else only the choice is written
  std::vector<ReleasePtr> releases;
  std::string text;
  std::uint64_t number = 0;
  std::map<std::string, bool> known;  // what came of it
  std::vector<FileAsKept> copies;
  std::string problems;
  bool written = false;
  void complain(const std::string& what) { problems += (problems.empty() ? "" : "; ") + what; }
};

Keeper::Keeper(const ServiceHost& host, std::string service)
    : host_(host),
      service_(std::move(service)),
      folder_(KeptReleases::folder_of(host.state, service_)),
      writing_(std::make_shared<Writing>()),
      again_(host.loop, [this] {
        if (!busy_ && chosen_) work(*chosen_, false);
      }) {}

Keeper::FileAsKept Keeper::FileAsKept::at(std::string path) {
  struct stat info {};
  const bool there = ::lstat(path.c_str(), &info) == 0;
  return {std::move(path), there ? FileMark::of(info) : FileMark{}};
}

void Keeper::follow(Choice chosen) {
  if (chosen_ != chosen) {
    chosen_ = std::move(chosen);
    asked_ = true;
  }
  look();
  begin();
}

// What could not be kept is no file here, so it is not tried again each time.
void Keeper::look() {
  if (busy_) return;
  std::vector<FileAsKept> files = copies_;
  if (auto choice = writing_->last()) files.push_back(std::move(*choice));
  const auto gone = std::find_if(files.begin(), files.end(),
                                 [](const FileAsKept& file) { return !file.is_there(); });
  if (gone == files.end()) return;
  spdlog::warn("{}: {} is not there any more as it was kept: it is kept again", service_,
               gone->path);
  known_.clear();
  copies_.clear();
  asked_ = true;
}

std::string Keeper::text_of(const Choice& chosen) const {
  SavedService out;
  out.name = service_;
  out.command = chosen.command;
  out.program = chosen.program;
  out.release = saved_release(*chosen.running);
  if (chosen.back) out.back = saved_release(*chosen.back);
  out.machine.probation = chosen.probation;
  out.machine.rest = chosen.rest;
  return choice_text(out, now());
}

std::optional<bool> Keeper::has(const Release& release) const {
  if (!release.needs_copy() && !busy_) return true;
  const auto found = known_.find(KeptReleases::id_of(release));
  if (busy_ || found == known_.end()) return std::nullopt;
  return found->second;
}

void Keeper::flush() {
  if (!chosen_) return;
  const std::string text = text_of(*chosen_);
  if (const auto written = writing_->write(++writing_->asked, folder_, text); !written) {
    spdlog::warn("{}: {}", service_, written.error().message);
  }
}

void Keeper::forget() {
  chosen_.reset();
  (void)on_a_thread(
      host_.loop, [writing = writing_, folder = folder_] { writing->forget(folder); }, [] {});
}

void Keeper::begin() {
  if (busy_ || !asked_ || !chosen_) return;
  asked_ = false;
  work(*chosen_, true);
}

void Keeper::work(const Choice& chosen, bool copies) {
  busy_ = true;
  const auto job = std::make_shared<Job>();
  job->makes_copies = copies;
  // What a thread may look at: the loop changes the release itself.
  for (const ReleasePtr& release : {chosen.running, chosen.back}) {
    if (copies && release && !release->digest.empty()) job->releases.push_back(copy_of(*release));
  }
  job->text = text_of(chosen);
  job->number = ++writing_->asked;
  job->known = known_;
  const auto run = [job, folder = folder_, writing = writing_] {
    const KeptReleases kept(folder);
    std::set<std::string> ids;
    const auto before = job->known;
    if (job->makes_copies) job->known.clear();
    for (const ReleasePtr& release : job->releases) {
      const std::string id = KeptReleases::id_of(*release);
      ids.insert(id);
      const auto found = before.find(id);
      const bool known = found != before.end() && found->second;
      const auto copied = known ? Result<void>() : kept.keep(*release);
      job->known[id] = copied.has_value();
      if (copied) {
        for (std::string& path : kept.copies_of(*release)) {
          job->copies.push_back(FileAsKept::at(std::move(path)));
        }
      } else {
        job->complain("no copy of " + release->path + " is kept (" + copied.error().message +
                      "): should that file change, it can't be started again as it is");
      }
    }
    const auto written = writing->write(job->number, folder, job->text);
    job->written = written.has_value();
    if (!written) {
      job->complain("what was chosen can't be kept (" + written.error().message +
                    "): after a reboot the configuration counts");
    }
    if (job->makes_copies) kept.prune(ids);
  };
  const auto after = [this, job, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) done(*job);
  };
  if (!on_a_thread(host_.loop, run, after)) {
    busy_ = false;
    spdlog::error("{}: no thread to keep its release on", service_);
  }
}

void Keeper::done(const Job& job) {
  busy_ = false;
  known_ = job.known;
  if (job.makes_copies) copies_ = job.copies;
  if (job.makes_copies && complaint_ != job.problems && !job.problems.empty()) {
    spdlog::warn("{}: {}", service_, job.problems);
  }
  if (job.makes_copies) complaint_ = job.problems;
  if (job.written) backoff_.reset();
  again_.at(job.written ? std::nullopt : std::optional(now() + backoff_.after({})));
  begin();
}

}  // namespace handoff::supervisor
