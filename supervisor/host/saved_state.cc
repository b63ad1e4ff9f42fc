#include "supervisor/host/saved_state.h"

#include <array>
#include <climits>
#include <utility>

#include "supervisor/base/json_read.h"
#include "supervisor/core/duration.h"
#include "supervisor/host/saved_manifest.h"
#include "supervisor/host/saved_vaults.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

// An array, since a state file has many of them.
json to_json(const FileMark& mark) {
  return {mark.device,           mark.inode,          mark.size,           mark.modified.tv_sec,
          mark.modified.tv_nsec, mark.changed.tv_sec, mark.changed.tv_nsec};
}

// Older supervisors do not say: then the file is read.
FileMark mark_from(const json& in) {
  const auto found = in.find("mark");
  if (found == in.end()) return {};
  const json& mark = *found;
  return {.device = mark.at(0).get<dev_t>(),
          .inode = mark.at(1).get<ino_t>(),
          .size = mark.at(2).get<off_t>(),
          .modified = {mark.at(3).get<time_t>(), mark.at(4).get<long>()},
          .changed = {mark.at(5).get<time_t>(), mark.at(6).get<long>()}};
}

}  // namespace

json to_json(const SavedRelease& release) {
  json files = json::array();
  for (const SavedFile& file : release.files) {
    files.push_back({{"path", file.path}, {"digest", file.digest}});
    if (file.behind) files.back()["behind"] = true;
    if (!file.real.empty()) files.back()["real"] = file.real;
    if (file.mark.known()) files.back()["mark"] = to_json(file.mark);
  }
  json out{{"path", release.path},
           {"args", release.args},
           {"digest", release.digest},
           {"name", release.name},
           {"source", release.source},
           {"folder", release.folder},
           {"tree", release.tree},
           {"verified", release.verified},
           {"program_digest", release.program_digest},
           {"files", std::move(files)}};
  if (!release.real.empty()) out["real"] = release.real;
  if (release.mark.known()) out["mark"] = to_json(release.mark);
  if (!release.signed_version.empty()) out["signed_version"] = release.signed_version;
  if (release.claims) out["claims"] = *release.claims;
  if (release.manifest) out["manifest"] = manifest_json(*release.manifest);
  return out;
}

SavedRelease release_from(const json& in) {
  SavedRelease out{.path = in.at("path").get<std::string>(),
                   .args = in.at("args").get<std::vector<std::string>>(),
                   .digest = in.at("digest").get<std::string>(),
                   .name = in.at("name").get<std::string>(),
                   .source = in.at("source").get<std::string>(),
                   .folder = in.at("folder").get<std::string>(),
                   .tree = in.at("tree").get<std::string>(),
                   .verified = in.at("verified").get<std::string>(),
                   .program_digest = {},
                   .files = {}};
  // Supervisors before decision 27 do not say: then it is the program alone.
  out.program_digest = in.value("program_digest", out.digest);
  for (const json& file : in.value("files", json::array())) {
    out.files.push_back({file.at("path").get<std::string>(), file.at("digest").get<std::string>(),
                         file.value("behind", false), file.value("real", ""), mark_from(file)});
  }
  out.real = in.value("real", "");
  out.mark = mark_from(in);
  out.signed_version =
      in.value("signed_version", "");  // supervisors before it was signed don't say
  if (const auto claims = in.find("claims"); claims != in.end()) {
    out.claims = claims->get<std::vector<std::string>>();
  }
  // Older supervisors do not say.
  if (const auto manifest = in.find("manifest"); manifest != in.end()) {
    out.manifest = manifest_from(*manifest);
  }
  return out;
}

namespace {

json to_json(const Timeouts& timeouts) {
  return {{"start", timeouts.start.count()},
          {"freeze_budget", timeouts.freeze_budget.count()},
          {"stall", timeouts.stall.count()},
          {"drain", timeouts.drain.count()},
          {"probation", timeouts.probation.count()}};
}

Timeouts timeouts_from(const json& in) {
  const auto ns = [&in](const char* name) {
    return Duration(need_number<std::int64_t>(in.at(name), 0, kLongestDuration.count()));
  };
  return {.start = ns("start"),
          .freeze_budget = ns("freeze_budget"),
          .stall = ns("stall"),
          .drain = ns("drain"),
          .probation = ns("probation")};
}

json to_json(const SavedProcess& process) {
  json out{{"generation", process.generation},
           {"pid", process.pid},
           {"started", process.started},
           {"since", process.since},
           {"release", to_json(process.release)},
           {"mailbox", process.mailbox},
           {"leaving", process.leaving},
           {"seen", process.seen},
           {"cgroup", process.cgroup}};
  if (!process.vault.address.empty()) out["keeper"] = to_json(process.vault);
  if (process.reads != 0) out["reads"] = process.reads;
  return out;
}

json to_json(const SavedLeft& left) {
  return {{"generation", left.generation},
          {"pid", left.pid},
          {"started", left.started},
          {"seen", left.seen},
          {"cgroup", left.cgroup}};
}

Generation generation_in(const json& in, const char* name) {
  return need_number<Generation>(in.at(name), 0, UINT64_MAX);
}

// 0 where it is left out: older supervisors do not say.
std::uint64_t ticks_in(const json& in, const char* name) {
  return in.contains(name) ? need_number<std::uint64_t>(in[name], 0, UINT64_MAX) : 0;
}

SavedProcess process_from(const json& in) {
  SavedProcess out{
      .generation = generation_in(in, "generation"),
      .pid = need_number<int>(in.at("pid"), 1, INT_MAX),
      .started = need_number<std::uint64_t>(in.at("started"), 0, UINT64_MAX),
      .since = need_number<std::int64_t>(in.at("since"), INT64_MIN, INT64_MAX),
      .release = release_from(in.at("release")),
      .mailbox = in.value("mailbox", ""),     // before decision 29
      .leaving = in.value("leaving", false),  // supervisors before decision 21 do not say
      .seen = ticks_in(in, "seen"),
      .cgroup = in.value("cgroup", "")};
  // Supervisors before vaults do not say.
  if (const auto keeper = in.find("keeper"); keeper != in.end()) out.vault = keeper_from(*keeper);
  out.reads = ticks_in(in, "reads");
  return out;
}

SavedLeft left_from(const json& in) {
  return {.generation = generation_in(in, "generation"),
          .pid = need_number<int>(in.at("pid"), 1, INT_MAX),
          .started = need_number<std::uint64_t>(in.at("started"), 0, UINT64_MAX),
          .seen = ticks_in(in, "seen"),
          .cgroup = in.value("cgroup", "")};
}

constexpr std::array kRests{std::pair{Rest::kNo, "no"}, std::pair{Rest::kDown, "down"},
                            std::pair{Rest::kStopped, "stopped"}};

const char* name_of(Rest rest) {
  for (const auto& [one, name] : kRests) {
    if (one == rest) return name;
  }
  return "?";
}

Rest rest_from(const json& in) {
  const auto text = in.get<std::string>();
  for (const auto& [rest, name] : kRests) {
    if (text == name) return rest;
  }
  throw json::other_error::create(501, "no such rest: " + in.dump(), nullptr);
}

const char* name_of(Probation::Origin origin) {
  switch (origin) {
    case Probation::Origin::kNew:
      return "new";
    case Probation::Origin::kFirst:
      return "first";
    case Probation::Origin::kSame:
      return "same";
    case Probation::Origin::kBack:
      return "back";
  }
  return "?";
}

Probation::Origin origin_from(const json& in) {
  for (const auto origin : {Probation::Origin::kNew, Probation::Origin::kFirst,
                            Probation::Origin::kSame, Probation::Origin::kBack}) {
    if (in.get<std::string>() == name_of(origin)) return origin;
  }
  throw json::other_error::create(501, "no such origin: " + in.dump(), nullptr);
}

// until is a point of the monotonic clock: it goes on over the supervisor's death.
json to_json(const Probation::Saved& probation) {
  json until = nullptr;
  if (probation.until) until = probation.until->time_since_epoch().count();
  return {{"provisional", probation.provisional}, {"until_ns", std::move(until)},
          {"has_back", probation.has_back},       {"back_proven", probation.back_proven},
          {"one_way", probation.one_way},         {"died", probation.died}};
}

Probation::Saved probation_from(const json& in) {
  Probation::Saved out{.provisional = in.at("provisional").get<bool>(),
                       .until = std::nullopt,
                       .has_back = in.at("has_back").get<bool>(),
                       .back_proven = in.at("back_proven").get<bool>(),
                       .one_way = in.value("one_way", false),  // older supervisors don't say
                       .died = in.value("died", false)};
  if (const json& until = in.at("until_ns"); !until.is_null()) {
    out.until = Time(Duration(need_number<std::int64_t>(until, 0, INT64_MAX)));
  }
  return out;
}

json to_json(const SavedService& service) {
  json processes = json::array();
  for (const SavedProcess& process : service.processes) processes.push_back(to_json(process));
  json out{{"name", service.name},
           {"last_generation", service.machine.last},
           {"current", service.machine.current},
           {"restarts", service.machine.restarts},
           {"rest", name_of(service.machine.rest)},
           {"command", service.command},
           {"release", to_json(service.release)},
           {"back", service.back ? to_json(*service.back) : json()},
           {"probation", to_json(service.machine.probation)},
           {"processes", std::move(processes)},
           {"last_upgrade", service.last_upgrade},
           {"handoff", nullptr}};
  for (const SavedLeft& left : service.left) out["left"].push_back(to_json(left));
  for (const SavedListener& one : service.listeners) out["listeners"].push_back(to_json(one));
  if (!service.machine.left.empty()) out["left_by_itself"] = service.machine.left;
  if (const auto& leaves = service.machine.leaves) {
    out["leaving_by_itself"] = {{"generation", leaves->generation}, {"why", leaves->why}};
  }
  if (!service.program.empty()) out["program"] = service.program;
  if (!service.last_config.empty()) out["last_config"] = service.last_config;
  if (!service.unrecorded.empty()) out["unrecorded"] = service.unrecorded;
  if (service.machine.heir != 0) {
    out["handoff"] = {{"heir", service.machine.heir},
                      {"candidate", service.machine.candidate},
                      {"origin", name_of(service.machine.origin)},
                      {"by_itself", service.machine.by_itself},
                      {"rehearsal", service.machine.rehearsal},
                      {"timeouts_ns", to_json(service.machine.timeouts)}};
    if (const auto& why = service.machine.one_way; !why.empty()) out["handoff"]["one_way"] = why;
    if (service.machine.from_vault) out["handoff"]["from_vault"] = true;
  }
  add_vaults(out, service);
  return out;
}

SavedService service_from(const json& in) {
  SavedService out;
  out.name = in.at("name").get<std::string>();
  out.machine.last = generation_in(in, "last_generation");
  out.machine.current = generation_in(in, "current");
  out.machine.restarts = need_number<std::uint64_t>(in.at("restarts"), 0, UINT64_MAX);
  // Supervisors before decision 27 started whatever was stopped.
  if (in.contains("rest")) out.machine.rest = rest_from(in["rest"]);
  out.machine.left = in.value("left_by_itself", "");
  // Supervisors before that let it be started again.
  if (const auto leaves = in.find("leaving_by_itself"); leaves != in.end()) {
    out.machine.leaves = {generation_in(*leaves, "generation"), leaves->at("why")};
  }
  out.command = in.at("command").get<std::vector<std::string>>();
  out.program = in.value("program", "");
  out.release = release_from(in.at("release"));
  if (const json& back = in.at("back"); !back.is_null()) out.back = release_from(back);
  out.machine.probation = probation_from(in.at("probation"));
  for (const json& process : in.at("processes")) out.processes.push_back(process_from(process));
  // Supervisors before that did not look for what processes had left.
  for (const json& left : in.value("left", json::array())) out.left.push_back(left_from(left));
  // Nor did they find such a socket again.
  for (const json& one : in.value("listeners", json::array())) {
    out.listeners.push_back(listener_from(one));
  }
  out.last_upgrade = in.at("last_upgrade");
  // Supervisors before that left such a service to whoever would end it.
  if (in.contains("last_config")) out.last_config = in["last_config"].get<std::string>();
  // Older ones had a record in the history alone.
  for (const json& record : in.value("unrecorded", json::array_t())) {
    out.unrecorded.emplace_back(record.get<json::object_t>());
  }
  if (const json& handoff = in.at("handoff"); !handoff.is_null()) {
    out.machine.heir = generation_in(handoff, "heir");
    out.machine.candidate = handoff.at("candidate").get<bool>();
    out.machine.origin = origin_from(handoff.at("origin"));
    out.machine.by_itself = handoff.at("by_itself").get<bool>();
    out.machine.rehearsal = handoff.at("rehearsal").get<bool>();
    out.machine.timeouts = timeouts_from(handoff.at("timeouts_ns"));
    out.machine.one_way = handoff.value("one_way", "");  // older supervisors don't say
    out.machine.from_vault = handoff.value("from_vault", false);
  }
  read_vaults(in, out);
  return out;
}

}  // namespace

json to_json(const SavedState& state) {
  json services = json::array();
  for (const SavedService& service : state.services) services.push_back(to_json(service));
  return {{"format", SavedState::kFormat}, {"boot", state.boot}, {"services", services}};
}

// A path need not be UTF-8; that must not stop what is to be kept of the others.
std::string state_text_of(const SavedService& service) {
  return to_json(service).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string whole_state_text(const std::string& boot,
                             const std::vector<std::string_view>& services) {
  std::size_t size = 256;
  for (const std::string_view service : services) size += service.size() + 2;
  std::string out;
  out.reserve(size);
  out += "{\"format\":" + std::to_string(SavedState::kFormat) + ",\"boot\":" + json(boot).dump() +
         ",\"services\":[";
  const char* before = "\n";
  for (const std::string_view service : services) {
    out += before;
    out += service;
    before = ",\n";
  }
  return out + "]}\n";
}

Result<SavedState> parse_state(const std::string& text, const std::string& file) {
  try {
    const json in = json::parse(text);
    const int format = need_number<int>(in.at("format"), 0, INT_MAX);
    if (format < SavedState::kOldestFormat) {
      return fail(-EPROTO, file + " is of format " + std::to_string(format) + ", which none has");
    }
    if (format > SavedState::kFormat) {
      return fail(-EPROTO, file + " is of format " + std::to_string(format) +
                               ", written by a newer supervisor; this one reads formats up to " +
                               std::to_string(SavedState::kFormat));
    }
    SavedState out{.boot = in.at("boot").get<std::string>(), .services = {}};
    for (const json& service : in.at("services")) out.services.push_back(service_from(service));
    return out;
  } catch (const json::exception& error) {
    return fail(-EPROTO, file + " can't be read: " + error.what());
  }
}

}  // namespace handoff::supervisor
