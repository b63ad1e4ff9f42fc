#include "io/service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "io/process.h"
#include "io/socket.h"

namespace handoff::io {
namespace {

using protocol::Type;

// Start was sent before this process was executed.
constexpr int kStartTimeoutMs = 5000;

std::optional<int> number_from(const char* name) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): see handoff_open()
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  int value = -1;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < 0) return std::nullopt;
  return value;
}

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= protocol::kMaxName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

Result<void> check_name(const char* what, std::string_view name) {
  if (good_name(name)) return {};
  return fail(-EINVAL, std::string(what) + " '" + std::string(name) +
                           "' must be 1 to 64 of letters, digits, '.', '_', '-'");
}

HandoffParameters parameters_of(const protocol::Handoff& handoff) {
  constexpr std::uint64_t kHour = 3'600'000'000;
  HandoffParameters out{.id = handoff.id, .limits = {}};
  if (handoff.stall_us > 0) {
    out.limits.stall = static_cast<core::Duration>(std::min(handoff.stall_us, kHour));
  }
  if (handoff.budget_us > 0) {
    out.limits.budget = static_cast<core::Duration>(std::min(handoff.budget_us, kHour));
  }
  return out;
}

// The two fds of one end of a channel, out of those of a message.
Result<std::pair<UniqueFd, UniqueFd>> take_ends(const protocol::Handoff& handoff,
                                                std::vector<UniqueFd>& fds) {
  if (handoff.channel_index >= fds.size() || handoff.peer_index >= fds.size() ||
      handoff.channel_index == handoff.peer_index) {
    return fail(HANDOFF_ERR_PROTOCOL, "the supervisor passed no channel and no pidfd");
  }
  return std::pair{std::move(fds[handoff.channel_index]), std::move(fds[handoff.peer_index])};
}

}  // namespace

Result<std::unique_ptr<Service>> Service::open(const handoff_options& options) {
  if (options.size < sizeof options) return fail(-EINVAL, "handoff_options.size is too small");
  if (options.name == nullptr || options.version == nullptr) {
    return fail(-EINVAL, "handoff_options needs name and version");
  }
  if (options.lanes > 1) return fail(-EINVAL, "handoff_options.lanes: there is only one so far");
  if (auto ok = check_name("the service's name", options.name); !ok) return Failure(ok.error());
  if (auto ok = check_name("the release's version", options.version); !ok) {
    return Failure(ok.error());
  }
  auto poller = Poller::make();
  if (!poller) return Failure(poller.error());
  std::unique_ptr<Service> service(new Service(std::move(*poller)));
  service->registry_.service = options.name;
  service->registry_.release = options.version;
  service->registry_.set_log(options.log, options.user);
  service->registry_.kinds.push_back(
      {.name = "session",
       .version = options.state_version == 0 ? 1 : options.state_version,
       .steps = {}});
  service->fds_max_ = raise_fd_limit();
  if (auto ok = service->take_environment(); !ok) return Failure(ok.error());
  return service;
}

void Service::shut() {
  if (donor_) donor_->cancel({core::Code::kCancelled, "the donor closes its handle"});
}

Result<void> Service::take_environment() {
  const auto number = number_from("HANDOFF_FD");
  const auto pid = number_from("HANDOFF_PID");
  // A child of a supervised service may inherit the variables; they are not meant for it.
  if (!number || !pid || *pid != ::getpid()) return {};
  for (const char* name : {"HANDOFF_FD", "HANDOFF_PID", "HANDOFF_SERVICE", "HANDOFF_GENERATION"}) {
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  }
  int type = 0;
  socklen_t length = sizeof type;
  if (::getsockopt(*number, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != SOCK_SEQPACKET) {
    return fail(-EBADF, "HANDOFF_FD names fd " + std::to_string(*number) +
                            ", which is not a control socket");
  }
  UniqueFd fd(*number);
  if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0) return fail_errno("HANDOFF_FD");
  control_.emplace(std::move(fd));
  return take_start();
}

Result<void> Service::take_start() {
  Channel::Message message;
  pollfd readable{control_->fd(), POLLIN, 0};
  int polled = 0;
  do {
    polled = ::poll(&readable, 1, kStartTimeoutMs);
  } while (polled < 0 && errno == EINTR);
  if (polled <= 0) return fail(-ETIMEDOUT, "the supervisor sent no Start");
  const auto received = control_->recv(message);
  if (!received) return Failure(received.error());
  if (*received != Channel::Received::kMessage || message.header.type != Type::kStart) {
    return fail(HANDOFF_ERR_PROTOCOL, "the supervisor's first message is no Start");
  }
  const auto start = protocol::decode<protocol::Start>(message.body);
  if (!start) return Failure(start.error());
  if (start->protocol_min > protocol::kVersionMax || start->protocol_max < protocol::kVersionMin) {
    return fail(HANDOFF_ERR_VERSION, "the supervisor speaks protocol versions " +
                                         std::to_string(start->protocol_min) + " to " +
                                         std::to_string(start->protocol_max) + ", this library " +
                                         std::to_string(protocol::kVersionMin) + " to " +
                                         std::to_string(protocol::kVersionMax));
  }
  registry_.generation = start->generation;
  if (start->heir) {
    if (!start->handoff) return fail(HANDOFF_ERR_PROTOCOL, "Start for an heir without a handoff");
    auto ends = take_ends(*start->handoff, message.fds);
    if (!ends) return Failure(ends.error());
    heir_parameters_ = parameters_of(*start->handoff);
    heir_channel_ = std::move(ends->first);
    heir_peer_ = std::move(ends->second);
    return {};
  }
  for (const protocol::Named& named : start->listeners) {
    if (named.fd_index >= message.fds.size() || !message.fds[named.fd_index].valid()) {
      return fail(HANDOFF_ERR_PROTOCOL, "Start names listener '" + named.name + "' without an fd");
    }
    UniqueFd fd = std::move(message.fds[named.fd_index]);
    const auto identity = identity_of(fd.get());
    if (!identity) return Failure(identity.error());
    if (*identity != Identity{named.inode, named.device}) {
      return fail(HANDOFF_ERR_IDENTITY, "listener '" + named.name + "' is not the one announced");
    }
    given_.emplace_back(named, std::move(fd));
  }
  return {};
}

Result<void> Service::check_declaring() const {
  if (state_ == HANDOFF_STATE_DECLARING) return {};
  return fail(HANDOFF_ERR_ORDER, "declare everything before handoff_ready()");
}

bool Service::name_taken(const std::string& name) const {
  const auto same = [&](const auto& other) { return other.name == name; };
  return std::any_of(registry_.kinds.begin(), registry_.kinds.end(), same) ||
         std::any_of(registry_.sections.begin(), registry_.sections.end(), same);
}

Result<void> Service::declare_named(const std::string& name, const std::string& address) {
  if (auto ok = check_declaring(); !ok) return ok;
  if (auto ok = check_name("the name", name); !ok) return ok;
  if (registry_.named.contains(name)) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + name + "' is declared already");
  }
  if (!address.empty()) {
    if (const auto parsed = core::parse_address(address); !parsed) {
      return fail(-EINVAL, "listener '" + name + "': " + parsed.error());
    }
  }
  registry_.named[name].address = address;
  return {};
}

Result<void> Service::declare_kind(const std::string& name, std::uint32_t version) {
  if (auto ok = check_declaring(); !ok) return ok;
  if (auto ok = check_name("the kind", name); !ok) return ok;
  if (version == 0) return fail(-EINVAL, "state versions count from 1");
  if (name_taken(name)) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + name + "' is declared already");
  }
  registry_.kinds.push_back({.name = name, .version = version, .steps = {}});
  return {};
}

Result<void> Service::declare_step(const std::string& kind, core::Step step, StateStep how) {
  if (auto ok = check_declaring(); !ok) return ok;
  const auto it = std::find_if(registry_.kinds.begin(), registry_.kinds.end(),
                               [&](const SessionKind& k) { return k.name == kind; });
  if (it == registry_.kinds.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "session kind '" + kind + "' was not declared");
  }
  if (step.first == 0 || step.second == 0 ||
      (step.first + 1 != step.second && step.second + 1 != step.first)) {
    return fail(-EINVAL, "a step is from N to N+1 or from N+1 to N");
  }
  if (how.convert == nullptr) return fail(-EINVAL, "a step needs a function");
  if (!it->steps.emplace(step, how).second) {
    return fail(HANDOFF_ERR_DUPLICATE, "that step is registered already");
  }
  return {};
}

Result<void> Service::declare_section(SectionDecl section) {
  if (auto ok = check_declaring(); !ok) return ok;
  if (auto ok = check_name("the section", section.name); !ok) return ok;
  if (name_taken(section.name)) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + section.name + "' is declared already");
  }
  registry_.sections.push_back(std::move(section));
  return {};
}

Result<void> Service::set_callbacks(const handoff_callbacks& callbacks, void* user) {
  if (auto ok = check_declaring(); !ok) return ok;
  if (callbacks.size < sizeof callbacks) return fail(-EINVAL, "handoff_callbacks.size");
  registry_.callbacks = callbacks;
  registry_.callbacks_user = user;
  return {};
}

Result<void> Service::attach(const std::string& name, UniqueFd fd) {
  const auto it = registry_.named.find(name);
  if (it == registry_.named.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "'" + name + "' was not declared with handoff_claim()");
  }
  if (it->second.fd.valid()) return fail(HANDOFF_ERR_DUPLICATE, "'" + name + "' has an fd");
  if (donor_) return fail(-EBUSY, "a handoff is under way");
  it->second.fd = std::move(fd);
  return {};
}

Result<void> Service::ready() {
  if (auto ok = check_declaring(); !ok) return ok;
  for (auto& [named, fd] : given_) {
    const auto it = registry_.named.find(named.name);
    if (it == registry_.named.end()) {
      return fail(HANDOFF_ERR_UNKNOWN,
                  "the supervisor has a listener '" + named.name +
                      "' for this service, which does not declare it; remove it from the "
                      "configuration or declare it");
    }
    it->second.fd = std::move(fd);
    it->second.address = named.address;
  }
  given_.clear();
  if (!heir_parameters_) {
    if (auto ok = registry_.bind_missing(); !ok) return ok;
  }
  auto manifest = registry_.manifest(false);
  if (!manifest) return Failure(manifest.error());
  if (control_) {
    control_->send(Type::kRegister, encode(protocol::Register{.protocol_min = protocol::kVersionMin,
                                                              .protocol_max = protocol::kVersionMax,
                                                              .generation = registry_.generation,
                                                              .manifest = std::move(*manifest)}));
    watch_control(true);
  }
  if (!heir_parameters_) {
    state_ = HANDOFF_STATE_OWNER;
    report_owner();
    return {};
  }
  state_ = HANDOFF_STATE_HEIR;
  heir_ = std::make_unique<HeirDriver>(registry_, poller_, *heir_parameters_,
                                       Channel(std::move(heir_channel_)), std::move(heir_peer_),
                                       fds_max_);
  heir_->start();
  return {};
}

Result<void> Service::wait(int timeout_ms) {
  if (state_ == HANDOFF_STATE_DECLARING) {
    return fail(HANDOFF_ERR_ORDER, "handoff_ready() comes before handoff_wait()");
  }
  const std::int64_t until = now_us() + std::int64_t{timeout_ms} * 1000;
  while (state_ == HANDOFF_STATE_HEIR) {
    int left = -1;
    if (timeout_ms >= 0) {
      left = static_cast<int>(std::max<std::int64_t>(0, (until - now_us() + 999) / 1000));
      if (left == 0) return fail(-ETIMEDOUT, "the handoff is still under way");
    }
    const auto roles = poller_.wait(left);
    if (!roles) return Failure(roles.error());
    turn(*roles);
  }
  if (state_ == HANDOFF_STATE_FAILED) {
    return fail(HANDOFF_ERR_ABORTED, "the handoff failed: " + heir_->reason().text);
  }
  return {};
}

Result<void> Service::dispatch() {
  if (state_ == HANDOFF_STATE_DECLARING) {
    return fail(HANDOFF_ERR_ORDER, "handoff_ready() comes before handoff_dispatch()");
  }
  if (owner_report_due_) report_owner();
  const auto roles = poller_.wait(0);
  if (!roles) return Failure(roles.error());
  turn(*roles);
  if (donor_ && !donor_->serving() && !donor_->finished()) {
    watch_control(false);  // what the supervisor says now waits until the switch is decided
    while (donor_ && !donor_->serving() && !donor_->finished()) {
      const auto frozen = poller_.wait(-1);  // the freeze budget is a deadline of the poller's
      if (!frozen) return Failure(frozen.error());
      turn(*frozen);
    }
    watch_control(true);
  }
  if (state_ == HANDOFF_STATE_FAILED) {
    return fail(HANDOFF_ERR_ABORTED, "the handoff failed: " + heir_->reason().text);
  }
  return {};
}

void Service::turn(const std::vector<Role>& roles) {
  for (const Role role : roles) {
    if (role == Role::kControl) {
      read_control();
    } else if (role != Role::kWake) {
      if (donor_) {
        donor_->on(role);
      } else if (heir_) {
        heir_->on(role);
      }
    }
    settle();
  }
}

// What the drivers' final states mean for the service.
void Service::settle() {
  if (state_ == HANDOFF_STATE_HEIR && heir_->owner()) {
    state_ = HANDOFF_STATE_OWNER;
    owner_report_due_ = true;
    poller_.wake();  // so that the loop's first turn comes here and is seen
  } else if (state_ == HANDOFF_STATE_HEIR && heir_->failed()) {
    state_ = HANDOFF_STATE_FAILED;
    failed({heir_->id(), heir_->reason(), now_ns()});
  } else if (donor_ && donor_->finished()) {
    state_ =
        donor_->state() == core::DonorState::kRetired ? HANDOFF_STATE_RETIRED : HANDOFF_STATE_OWNER;
    donor_.reset();
  }
}

void Service::watch_control(bool listen) {
  if (!control_) return;
  if (!listen || control_->closed()) {
    poller_.unwatch(Role::kControl);
    return;
  }
  const auto ok = poller_.watch(Role::kControl, control_->fd(), control_->wants_write());
  if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
}

void Service::read_control() {
  control_->flush();
  for (int i = 0; i < 16 && !control_->closed(); ++i) {
    Channel::Message message;
    const auto received = control_->recv(message);
    if (!received) {
      // Not worth a session: whatever it was, it is not obeyed.
      registry_.log(HANDOFF_LOG_ERROR, "from the supervisor: " + received.error().message);
      continue;
    }
    if (*received == Channel::Received::kWouldBlock) break;
    if (*received == Channel::Received::kClosed) {
      registry_.log(HANDOFF_LOG_WARNING, "the supervisor is gone; serving on without it");
      break;
    }
    obey(message);
  }
  watch_control(true);
}

void Service::obey(Channel::Message& message) {
  const auto broken = [this](const Error& error) {
    registry_.log(HANDOFF_LOG_ERROR, "from the supervisor: " + error.message);
  };
  switch (message.header.type) {
    case Type::kDonate: {
      const auto order = protocol::decode<protocol::Donate>(message.body);
      return order ? donate(*order, message.fds) : broken(order.error());
    }
    case Type::kStop: {
      const auto order = protocol::decode<protocol::Stop>(message.body);
      return order ? stop(*order) : broken(order.error());
    }
    case Type::kQuery: {
      const auto query = protocol::decode<protocol::Query>(message.body);
      if (!query) return broken(query.error());
      control_->send(Type::kStatus,
                     encode(protocol::Status{.query_id = query->id,
                                             .sessions = registry_.sessions.size(),
                                             .state = static_cast<std::uint32_t>(state_)}));
      return;
    }
    case Type::kCancel: {
      const auto order = protocol::decode<protocol::Cancel>(message.body);
      if (!order) return broken(order.error());
      const core::Reason reason{core::Code::kCancelled, order->reason};
      if (donor_ && donor_->id() == order->handoff_id) donor_->cancel(reason);
      if (state_ == HANDOFF_STATE_HEIR && heir_->id() == order->handoff_id) heir_->cancel(reason);
      return;
    }
    default:
      registry_.log(HANDOFF_LOG_WARNING, "the supervisor sent " +
                                             protocol::type_name(message.header.type) +
                                             ", which this release does not know");
  }
}

void Service::donate(const protocol::Donate& donate, std::vector<UniqueFd>& fds) {
  auto ends = take_ends(donate.handoff, fds);
  if (!ends) {
    failed({donate.handoff.id, to_reason(ends.error()), now_ns()});
    return;
  }
  if (state_ != HANDOFF_STATE_OWNER) {
    failed({donate.handoff.id,
            {core::Code::kCancelled, state_ == HANDOFF_STATE_DONOR
                                         ? "another handoff of this process is under way"
                                         : "this process is not the owner of its sockets"},
            now_ns()});
    return;
  }
  state_ = HANDOFF_STATE_DONOR;
  donor_ = std::make_unique<DonorDriver>(registry_, poller_, *this, parameters_of(donate.handoff),
                                         Channel(std::move(ends->first)), std::move(ends->second));
  donor_->start();
}

void Service::stop(const protocol::Stop& stop) {
  const core::Reason reason{core::Code::kCancelled, "the service is being stopped"};
  if (donor_) donor_->cancel(reason);
  if (state_ == HANDOFF_STATE_HEIR) heir_->cancel(reason);
  if (registry_.callbacks.stop == nullptr) return;
  const auto ok = registry_.call("stop()", [&] {
    registry_.callbacks.stop(registry_.callbacks_user, HANDOFF_STOP_REQUESTED, stop.deadline_us);
    return 0;
  });
  if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
}

void Service::report_owner() {
  owner_report_due_ = false;
  if (control_) {
    protocol::Owner owner;
    owner.generation = registry_.generation;
    owner.running_at_ns = now_ns();
    if (auto manifest = registry_.manifest(true)) owner.named = std::move(manifest->named);
    if (heir_) {
      owner.handoff_id = heir_->id();
      owner.sessions = heir_->adopted();
      owner.lost = heir_->stage().lost();
      owner.lost_ids = heir_->stage().lost_ids();
      owner.frozen_at_ns = heir_->frozen_at_ns();
      owner.donor_died = heir_->donor_died();
      if (owner.frozen_at_ns != 0) {
        // One switch for all of them: each was armed before it and could be served from here on.
        const std::uint64_t us = (owner.running_at_ns - owner.frozen_at_ns) / 1000;
        owner.blackout = {us, us, us, us};
      }
    }
    control_->send(Type::kOwner, encode(owner));
    watch_control(true);
  }
  heir_.reset();
}

void Service::progress(const protocol::Progress& progress) {
  if (control_) control_->send(Type::kProgress, encode(progress), true);
}

void Service::failed(const protocol::Failed& failed) {
  if (control_) control_->send(Type::kFailed, encode(failed));
}

void Service::retired(const protocol::Retired& retired) {
  if (control_) control_->send(Type::kRetired, encode(retired));
}

}  // namespace handoff::io
