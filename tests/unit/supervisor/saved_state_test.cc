// The supervisor's state file: it comes back as it was, and any other file is refused.
#include "supervisor/host/saved_state.h"

#include <gtest/gtest.h>

#include <functional>

namespace handoff::supervisor {
namespace {

using nlohmann::json;

SavedRelease release(const std::string& name) {
  return {.path = "/opt/" + name,
          .args = {"--x", ""},
          .digest = "d-" + name,
          .name = name,
          .verified = "k-" + name,
          .signed_version = "v-" + name,
          .files = {{.path = "/opt/words", .digest = "w", .mark = {8, 9, 10, {11, 12}, {13, 14}}}},
          .mark = {1, 2, 3, {4, 5}, {6, 7}},
          .claims = std::vector<std::string>{"public", "log"},
          .manifest = core::Manifest{
              .service = "chat",
              .release = name,
              .kinds = {{.name = "session", .version = 3, .reads = {1, 2, 3}, .writes = {2, 3}}},
              .named = {{.name = "public"}, {.name = "log"}},
              .knows_listeners = true}};
}

// A state in which no two members are alike, so that none can be taken for another.
SavedState everything() {
  SavedService service;
  service.name = "chat";
  service.machine = {.last = 7,
                     .current = 5,
                     .heir = 6,
                     .candidate = true,
                     .timeouts = {.start = Duration(1),
                                  .freeze_budget = Duration(2),
                                  .stall = Duration(3),
                                  .drain = Duration(4),
                                  .probation = Duration(5)},
                     .restarts = 9,
                     .rest = Rest::kDown,
                     .leaves = Leaves{5, "all is done"},
                     .probation = {.provisional = true,
                                   .until = Time(Duration(11)),
                                   .has_back = true,
                                   .back_proven = true},
                     .origin = Probation::Origin::kBack,
                     .by_itself = true,
                     .one_way = "it writes 3 alone"};
  service.command = {"chat", "--verbose"};
  service.program = "/opt/chat";
  service.release = release("old");
  service.back = release("back");
  service.processes = {
      {.generation = 5,
       .pid = 50,
       .started = 500,
       .since = 5000,
       .release = release("old"),
       .mailbox = "name:key",
       .leaving = true,
       .seen = 501,
       .cgroup = "/unit/handoff-chat-5"},
      {.generation = 6, .pid = 60, .started = 600, .since = 6000, .release = release("new")}};
  service.left = {
      {.generation = 4, .pid = 40, .started = 400, .seen = 401, .cgroup = "/unit/handoff-chat-4"}};
  service.listeners = {{"public", "tcp:127.0.0.1:1", 21, 22, true},
                       {"admin", "unix:/a", 23, 24, false}};
  service.last_upgrade = {{"result", "done"}};
  service.last_config = "[service.chat]";
  service.unrecorded = {{{"event", "upgrade"}}, {{"event", "stop"}}};
  SavedService idle;
  idle.name = "idle";
  return {.boot = "a-boot", .services = {service, idle}};
}

// Supervisors before file marks have written none, and this one writes none where none is known.
TEST(SavedStateTest, AFileWithoutAMarkIsReadAsBefore) {
  json text = to_json(release("old"));
  EXPECT_EQ(release_from(text).mark, (FileMark{1, 2, 3, {4, 5}, {6, 7}}));
  EXPECT_EQ(release_from(text).files.at(0).mark, (FileMark{8, 9, 10, {11, 12}, {13, 14}}));
  text.erase("mark");
  text.at("files").at(0).erase("mark");
  const SavedRelease before = release_from(text);
  EXPECT_FALSE(before.mark.known());
  EXPECT_FALSE(before.files.at(0).mark.known());
  EXPECT_EQ(to_json(before), text);
}

TEST(SavedStateTest, ComesBackAsItWas) {
  const SavedState state = everything();
  const auto parsed = parse_state(to_json(state).dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(to_json(*parsed), to_json(state));
  EXPECT_EQ(parsed->boot, "a-boot");
  ASSERT_EQ(parsed->services.size(), 2U);
  const SavedService& service = parsed->services[0];
  EXPECT_EQ(service.machine.last, 7U);
  EXPECT_EQ(service.machine.current, 5U);
  EXPECT_EQ(service.machine.heir, 6U);
  EXPECT_TRUE(service.machine.candidate);
  EXPECT_EQ(service.machine.restarts, 9U);
  EXPECT_EQ(service.machine.rest, Rest::kDown);
  EXPECT_EQ(service.machine.leaves, (Leaves{5, "all is done"}));
  EXPECT_EQ(service.machine.timeouts.start, Duration(1));
  EXPECT_EQ(service.machine.timeouts.freeze_budget, Duration(2));
  EXPECT_EQ(service.machine.timeouts.stall, Duration(3));
  EXPECT_EQ(service.machine.timeouts.drain, Duration(4));
  EXPECT_EQ(service.machine.timeouts.probation, Duration(5));
  EXPECT_EQ(service.machine.probation, state.services[0].machine.probation);
  EXPECT_EQ(service.machine.origin, Probation::Origin::kBack);
  EXPECT_TRUE(service.machine.by_itself);
  EXPECT_EQ(service.machine.one_way, "it writes 3 alone");
  ASSERT_TRUE(service.back);
  EXPECT_EQ(service.back->path, "/opt/back");
  EXPECT_EQ(service.command, (std::vector<std::string>{"chat", "--verbose"}));
  EXPECT_EQ(service.program, "/opt/chat");
  EXPECT_EQ(service.last_config, "[service.chat]");
  EXPECT_EQ(service.unrecorded, state.services[0].unrecorded);
  EXPECT_EQ(service.release.args, (std::vector<std::string>{"--x", ""}));
  ASSERT_EQ(service.processes.size(), 2U);
  EXPECT_EQ(service.processes[1].generation, 6U);
  EXPECT_EQ(service.processes[1].pid, 60);
  EXPECT_EQ(service.processes[1].started, 600U);
  EXPECT_EQ(service.processes[1].since, 6000);
  EXPECT_EQ(service.processes[0].mailbox, "name:key");
  EXPECT_EQ(service.processes[0].seen, 501U);
  ASSERT_EQ(service.left.size(), 1U);
  EXPECT_EQ(service.left[0].generation, 4U);
  EXPECT_EQ(service.left[0].pid, 40);
  EXPECT_EQ(service.left[0].started, 400U);
  EXPECT_EQ(service.left[0].seen, 401U);
  EXPECT_EQ(service.left[0].cgroup, "/unit/handoff-chat-4");
  EXPECT_EQ(service.processes[0].cgroup, "/unit/handoff-chat-5");
  EXPECT_TRUE(service.processes[0].leaving);
  EXPECT_FALSE(service.processes[1].leaving);
  EXPECT_EQ(service.processes[1].release.path, "/opt/new");
  EXPECT_EQ(service.processes[1].release.digest, "d-new");
  EXPECT_EQ(service.processes[1].release.name, "new");
  EXPECT_EQ(service.processes[1].release.verified, "k-new");
  EXPECT_EQ(service.processes[1].release.signed_version, "v-new");
  EXPECT_EQ(service.release.signed_version, "v-old");
  ASSERT_TRUE(service.back);
  EXPECT_EQ(service.back->signed_version, "v-back");
  EXPECT_EQ(service.last_upgrade.at("result"), "done");
  EXPECT_EQ(parsed->services[1].machine.heir, 0U);
}

// Calls each with the path of every member of every object in a document.
void for_each_member(const json& in, const json::json_pointer& at,
                     const std::function<void(const json::json_pointer&)>& each) {
  if (in.is_object()) {
    for (const auto& [key, value] : in.items()) {
      each(at / key);
      for_each_member(value, at / key, each);
    }
  } else if (in.is_array()) {
    for (std::size_t i = 0; i < in.size(); ++i) for_each_member(in[i], at / i, each);
  }
}

void expect_refused(const json& document, const std::string& what) {
  const auto parsed = parse_state(document.dump(), "/run/handoff/state.json");
  ASSERT_FALSE(parsed) << what;
  EXPECT_NE(parsed.error().message.find("/run/handoff/state.json"), std::string::npos)
      << parsed.error().message;
}

TEST(SavedStateTest, EveryMemberHasToBeThere) {
  const json whole = to_json(everything());
  int members = 0;
  for_each_member(whole, json::json_pointer(), [&](const json::json_pointer& member) {
    // The supervisor keeps the report of an upgrade as it is, and does not look into it.
    if (member.to_string().find("/last_upgrade/") != std::string::npos) return;
    // So it does a record.
    if (member.to_string().find("/unrecorded/") != std::string::npos) return;
    // These came later: see the next tests.
    for (const char* later :
         {"leaving", "mailbox", "program_digest", "files", "rest", "program", "last_config", "mark",
          "unrecorded", "seen", "left", "cgroup", "signed_version", "claims", "one_way", "manifest",
          "leaving_by_itself", "listeners", "died"}) {
      if (member.back() == later) return;
    }
    ++members;
    json without = whole;
    without[member.parent_pointer()].erase(member.back());
    expect_refused(without, "without " + member.to_string());
  });
  EXPECT_GT(members, 40);
}

TEST(SavedStateTest, ARecordIsAnObject) {
  json whole = to_json(everything());
  whole["services"][0]["unrecorded"] = 3;
  expect_refused(whole, "a number in place of the records");
  whole["services"][0]["unrecorded"] = {"stopped"};
  expect_refused(whole, "a text in place of a record");
  whole["services"][0].erase("unrecorded");
  const auto parsed = parse_state(whole.dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(parsed->services[0].unrecorded.empty());
}

TEST(SavedStateTest, AServiceOfAFileThatDoesNotSayWhereItsProgramWasFoundHasNone) {
  json before = to_json(everything());
  before["services"][0].erase("program");
  const auto parsed = parse_state(before.dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->services[0].program, "");
}

TEST(SavedStateTest, AProcessOfAFileThatDoesNotSayItIsNotLeavingAndHasNoMailbox) {
  json before = to_json(everything());
  for (json& process : before["services"][0]["processes"]) {
    process.erase("leaving");
    process.erase("mailbox");
    process.erase("seen");
  }
  before["services"][0].erase("left");
  before["services"][0].erase("listeners");
  const auto parsed = parse_state(before.dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  for (const SavedProcess& process : parsed->services.at(0).processes) {
    EXPECT_FALSE(process.leaving);
    EXPECT_EQ(process.mailbox, "");
    EXPECT_EQ(process.seen, 0U) << "it proves nothing of its children";
  }
  EXPECT_TRUE(parsed->services.at(0).left.empty());
  EXPECT_TRUE(parsed->services.at(0).listeners.empty());
}

TEST(SavedStateTest, AReleaseOfAFileThatDoesNotSayIsItsProgramAlone) {
  json before = to_json(everything());
  for (const char* member : {"program_digest", "files"}) {
    before["services"][0]["release"].erase(member);
  }
  before["services"][0].erase("rest");
  const auto parsed = parse_state(before.dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->services.at(0).release.program_digest, "d-old");
  EXPECT_TRUE(parsed->services.at(0).release.files.empty());
  EXPECT_EQ(parsed->services.at(0).machine.rest, Rest::kNo);
}

TEST(SavedStateTest, AReleaseOfAFileThatDoesNotSayWhatItClaimsMayClaimAnything) {
  json before = to_json(everything());
  before["services"][0]["release"]["claims"] = {"public"};
  const auto said = parse_state(before.dump(), "state.json");
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(said->services.at(0).release.claims, std::vector<std::string>{"public"});
  before["services"][0]["release"].erase("claims");
  before["services"][0]["probation"].erase("one_way");
  const auto parsed = parse_state(before.dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_FALSE(parsed->services.at(0).release.claims);
  EXPECT_FALSE(parsed->services.at(0).machine.probation.one_way);
}

TEST(SavedStateTest, WhatAReleaseReadsAndWritesComesBackAndIsUnknownWhereTheFileDoesNotSay) {
  json text = to_json(release("old"));
  text["manifest"]["kinds"].push_back({{"name", "rooms"},
                                       {"version", 0},
                                       {"reads", {1}},
                                       {"writes", json::array()},
                                       {"section", true}});
  text["manifest"]["kinds"].push_back({{"name", "table"},
                                       {"version", 4294967295},
                                       {"reads", {1}},
                                       {"writes", {1}},
                                       {"region", true},
                                       {"listener", "public"}});
  const SavedRelease whole = release_from(text);
  ASSERT_TRUE(whole.manifest);
  EXPECT_EQ(to_json(whole), text);
  EXPECT_EQ(whole.manifest->service, "chat");
  EXPECT_EQ(whole.manifest->release, "old");
  EXPECT_TRUE(whole.manifest->knows_listeners);
  EXPECT_EQ(whole.manifest->named.at(1).name, "log");
  ASSERT_EQ(whole.manifest->kinds.size(), 3U);
  EXPECT_EQ(whole.manifest->kinds[0].reads, (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(whole.manifest->kinds[0].writes, (std::vector<std::uint32_t>{2, 3}));
  EXPECT_TRUE(whole.manifest->kinds[1].section);
  EXPECT_TRUE(whole.manifest->kinds[2].region);
  EXPECT_EQ(whole.manifest->kinds[2].listener, "public");
  text.erase("manifest");
  EXPECT_FALSE(release_from(text).manifest);
  EXPECT_EQ(to_json(release_from(text)), text);
}

TEST(SavedStateTest, AHandoffOfAFileThatDoesNotSayItIsNotOneWay) {
  json before = to_json(everything());
  before["services"][0]["handoff"].erase("one_way");
  const auto parsed = parse_state(before.dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->services.at(0).machine.one_way, "");
}

// Supervisors before signatures named a version have written none.
TEST(SavedStateTest, ASignatureThatNamesNoVersionIsReadAsBefore) {
  json text = to_json(release("old"));
  EXPECT_EQ(release_from(text).signed_version, "v-old");
  text.erase("signed_version");
  const SavedRelease before = release_from(text);
  EXPECT_EQ(before.signed_version, "");
  EXPECT_EQ(before.verified, "k-old");
  EXPECT_EQ(to_json(before), text);
}

TEST(SavedStateTest, WhichFileIsBehindTheProgramComesBackAndIsNoneWhereTheFileDoesNotSay) {
  SavedState state = everything();
  state.services[0].release.files = {{.path = "/bin/sh", .digest = "d", .behind = false},
                                     {.path = "/opt/real", .digest = "e", .behind = true}};
  json text = to_json(state);
  const auto files_of = [](const json& in) {
    const auto parsed = parse_state(in.dump(), "state.json");
    EXPECT_TRUE(parsed);
    return parsed->services.at(0).release.files;
  };
  const auto files = files_of(text);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_FALSE(files[0].behind);
  EXPECT_TRUE(files[1].behind);
  text["services"][0]["release"]["files"][1].erase("behind");
  EXPECT_FALSE(files_of(text)[1].behind);
}

TEST(SavedStateTest, EveryMemberHasToBeOfItsType) {
  const json whole = to_json(everything());
  for_each_member(whole, json::json_pointer(), [&](const json::json_pointer& member) {
    for (const char* whole_as_it_is : {"/last_upgrade", "/unrecorded/"}) {
      if (member.to_string().find(whole_as_it_is) != std::string::npos) return;
    }
    for (const json& wrong : {json("text"), json(json::array({json::array()})), json(true)}) {
      if (whole[member].type() == wrong.type() && !wrong.is_array()) continue;
      json with = whole;
      with[member] = wrong;
      // The JSON library converts between numbers and bools, so neither is refused in the other's
      // place.
      if (wrong.is_boolean() && whole[member].is_number()) continue;
      expect_refused(with, member.to_string() + " = " + wrong.dump());
    }
  });
}

// What a number of another kind becomes is undefined, and such a pid would be another process's.
TEST(SavedStateTest, ANumberThatIsNoneOfItsKindIsRefused) {
  const json whole = to_json(everything());
  const auto with = [&](const char* pointer, const json& value) {
    json other = whole;
    other[json::json_pointer(pointer)] = value;
    expect_refused(other, pointer + (" " + value.dump()));
  };
  for (const char* number :
       {"/format", "/services/0/last_generation", "/services/0/restarts",
        "/services/0/processes/0/pid", "/services/0/processes/0/started",
        "/services/0/probation/until_ns", "/services/0/handoff/heir",
        "/services/0/release/manifest/kinds/0/version",
        "/services/0/release/manifest/kinds/0/reads/1", "/services/0/handoff/timeouts_ns/drain"}) {
    for (const json& value : {json(1e64), json(1.5), json(-1), json("1"), json(true)}) {
      with(number, value);
    }
  }
  for (const json& value : {json(0), json(INT64_C(1) << 40)}) {
    with("/services/0/processes/0/pid", value);
  }
  with("/services/0/handoff/timeouts_ns/drain", INT64_MAX);
}

TEST(SavedStateTest, WhatIsNoJsonIsRefusedByName) {
  const std::string whole = to_json(everything()).dump();
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    const auto parsed = parse_state(whole.substr(0, length), "state.json");
    ASSERT_FALSE(parsed) << length;
    EXPECT_EQ(parsed.error().message.find("state.json"), 0U);
  }
}

TEST(SavedStateTest, ANewerFormatIsRefusedInWordsWhateverItLooksLike) {
  const auto parsed =
      parse_state(R"({"format":2,"services":{"all":"different"}})", "/run/handoff/state.json");
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("format 2, written by a newer supervisor"),
            std::string::npos)
      << parsed.error().message;
}

TEST(SavedStateTest, MembersOfALaterVersionOfThisFormatAreNoHindrance) {
  json whole = to_json(everything());
  whole["more"] = 1;
  whole["services"][0]["more"] = json::object();
  EXPECT_TRUE(parse_state(whole.dump(), "state.json"));
}

}  // namespace
}  // namespace handoff::supervisor
