// The program `handoff-vault`, which the supervisor starts when a service has died that had a
// vault:
//
//   handoff-vault --of GENERATION --memory FD --keeper FD [--quarantine SESSION]...
//
// The reader speaks for the release that has died, by its name and its versions: it has that one's
// listeners, its sessions' sockets from the keeper and their states from the vault. So it is a
// donor like any other, and its heir is the next process of that release. It never touches a
// socket, and accepts from nobody: clients wait until the heir has them.
//
// When it can't go on it ends with status 1 and its reason on standard error, and the vault is as
// it was.
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "handoff/handoff.h"
#include "handoff/vault.h"
#include "supervisor/vault/account.h"
#include "supervisor/vault/arguments.h"

namespace {

using namespace handoff;
using supervisor::LeftAccount;
using supervisor::LeftSession;

constexpr int kKeeperPatienceMs = 5000;

void say(const std::string& text) { std::fprintf(stderr, "handoff-vault: %s\n", text.c_str()); }

void log(void*, int level, const char* message) {
  if (level >= HANDOFF_LOG_WARNING) say(message);
}

// The fds of all sessions, and as many of the library's.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

class VaultDonor {
 public:
  explicit VaultDonor(LeftAccount account) : account_(std::move(account)) {}
  VaultDonor(const VaultDonor&) = delete;
  VaultDonor& operator=(const VaultDonor&) = delete;
  ~VaultDonor() { handoff_close(h_); }

  Result<void> declare();
  Result<void> open_sessions();
  // Until all has been handed over, or somebody stops the service.
  Result<void> run();

 private:
  static int save(void* user, uint64_t id, handoff_saved_t* out) {
    return static_cast<VaultDonor*>(user)->save(id, out);
  }
  static void drop(void* user, uint64_t id) { static_cast<VaultDonor*>(user)->sessions_.erase(id); }
  int save(uint64_t id, handoff_saved_t* out) const;
  Result<void> declare_kinds();
  Result<void> check(int result, const std::string& what) const {
    if (result >= 0) return {};
    const std::string why = handoff_last_error(h_);
    return fail(result, what + ": " + (why.empty() ? handoff_strerror(result) : why));
  }

  LeftAccount account_;
  handoff_t* h_ = nullptr;
  std::unordered_map<uint64_t, LeftSession> sessions_;
  bool over_ = false;
};

Result<void> VaultDonor::declare() {
  const vault::About& about = account_.about;
  handoff_options options{};
  options.size = sizeof options;
  options.name = about.service.c_str();
  options.version = about.release.c_str();
  options.state_version = about.kinds.front().version;
  options.log = log;
  if (const int result = handoff_open(&h_, &options); result < 0) {
    return fail(result, std::string("opening: ") + handoff_strerror(result));
  }
  if (handoff_supervised(h_) == 0) return fail(-EINVAL, "it is for the supervisor alone");
  const char* name = nullptr;
  const char* address = nullptr;
  for (std::size_t i = 0; handoff_offered(h_, i, &name, &address) == 1; ++i) {
    if (auto ok = check(handoff_listener(h_, name, address), name); !ok) return ok;
  }
  if (auto ok = declare_kinds(); !ok) return ok;
  handoff_callbacks callbacks{};
  callbacks.size = sizeof callbacks;
  callbacks.save = save;
  callbacks.drop = drop;
  callbacks.restore = [](void*, const handoff_adopted*) { return -ENOSYS; };
  callbacks.retired = [](void* user, uint64_t) { static_cast<VaultDonor*>(user)->over_ = true; };
  callbacks.stop = [](void* user, int, uint64_t) { static_cast<VaultDonor*>(user)->over_ = true; };
  return check(handoff_set_callbacks(h_, &callbacks, this), "callbacks");
}

// The first one is "session", which there is already.
Result<void> VaultDonor::declare_kinds() {
  const std::vector<vault::Kind>& kinds = account_.about.kinds;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const vault::Kind& kind = kinds[i];
    const char* const name = kind.name.c_str();
    int result = 0;
    if (i > 0) {
      result =
          kind.of_listener ? handoff_listener_kind(h_, name) : handoff_kind(h_, name, kind.version);
    }
    if (result == 0 && kind.stateless) result = handoff_stateless(h_, name);
    if (auto ok = check(result, "kind " + kind.name); !ok) return ok;
  }
  return {};
}

Result<void> VaultDonor::open_sessions() {
  if (auto ok = check(handoff_ready(h_), "ready"); !ok) return ok;
  if (auto ok = check(handoff_wait(h_, -1), "waiting"); !ok) return ok;
  for (LeftSession& session : account_.sessions) {
    handoff_session_options options{};
    options.size = sizeof options;
    options.kind = account_.about.kinds[session.kind].name.c_str();
    options.flags = HANDOFF_SESSION_TRACKED;
    if (!session.fd.valid()) options.flags |= HANDOFF_SESSION_NO_FD;
    options.id = session.id;
    uint64_t id = 0;
    const int result = handoff_session_open(h_, session.fd.get(), &options, &id);
    if (auto ok = check(result, "session " + std::to_string(session.id)); !ok) return ok;
    sessions_.emplace(id, std::move(session));
  }
  account_.sessions.clear();
  return {};
}

int VaultDonor::save(uint64_t id, handoff_saved_t* out) const {
  const LeftSession& session = sessions_.at(id);
  if (!session.lost.empty()) {
    handoff_reason(h_, session.lost.c_str());
    return HANDOFF_ERR_REJECTED;
  }
  const vault::Recovered& saved = session.saved;
  int result = handoff_save_state(out, saved.state.data(), saved.state.size());
  if (result == 0) result = handoff_save_input(out, saved.input.data(), saved.input.size());
  if (result == 0) result = handoff_save_output(out, saved.output.data(), saved.output.size());
  const uint32_t fresh = session.fresh ? HANDOFF_VAULT_FRESH : 0;
  return result == 0 ? handoff_save_flags(out, saved.flags | fresh) : result;
}

Result<void> VaultDonor::run() {
  while (!over_) {
    pollfd ready{handoff_fd(h_), POLLIN, 0};
    if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return fail_errno("poll");
    if (auto ok = check(handoff_dispatch(h_), "dispatching"); !ok) return ok;
  }
  return {};
}

Result<void> recover(const supervisor::ReaderArguments& arguments) {
  raise_file_limit();
  auto kept = vault::ask_keeper(arguments.keeper, kKeeperPatienceMs);
  if (!kept) return Failure(kept.error());
  auto account =
      supervisor::read_account(arguments.memory, std::move(*kept), arguments.quarantined);
  if (!account) return Failure(account.error());
  for (const std::string& problem : account->problems) say(problem);
  VaultDonor donor(std::move(*account));
  if (auto ok = donor.declare(); !ok) return ok;
  if (auto ok = donor.open_sessions(); !ok) return ok;
  return donor.run();
}

}  // namespace

int main(int argc, char** argv) {
  // Executed from an open file it would have the name of that fd.
  (void)::prctl(PR_SET_NAME, "handoff-vault");
  const auto arguments = supervisor::read_arguments(argc, argv);
  if (!arguments) {
    say(arguments.error().message);
    say("it is for the supervisor: a service with `vault = true` that dies goes on by itself");
    return 2;
  }
  try {
    const auto done = recover(*arguments);
    if (done) return 0;
    say(done.error().message);
  } catch (const std::exception& error) {
    say(error.what());
  }
  return 1;
}
