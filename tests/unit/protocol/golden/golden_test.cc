// The promise that a supervisor and a library one version apart work together, byte by byte: what
// wire version 1 wrote is what today's encoders write and what today's decoders read, and what a
// version to come may add is skipped. frames.h says how a frame is added.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "file.h"
#include "frames.h"
#include "handoff.pb.h"
#include "io/service_messages.h"
#include "reading.h"

namespace handoff::golden {
namespace {

using google::protobuf::util::MessageDifferencer;
using protocol::Type;
using ::testing::ElementsAre;

const std::string kFolder = GOLDEN_FOLDER;

// Types that only the supervisor reads begin here.
bool for_the_supervisor(Type type) { return static_cast<int>(type) >= 96; }

// A file of the folder, taken apart as a receiver does it.
struct Golden {
  std::string name;
  Type type{};
  std::string body;
  test::MessagePtr documented;
};

Golden open(const std::string& name) {
  Golden golden{.name = name, .type = {}, .body = {}, .documented = nullptr};
  const auto file = load(kFolder, name);
  if (!file || file->frame.size() < protocol::kHeaderSize) {
    ADD_FAILURE() << name << " is no golden frame";
    return golden;
  }
  const auto fds = static_cast<unsigned char>(file->frame[4]);
  const auto header = protocol::decode_header(file->frame, fds);
  if (!header) {
    ADD_FAILURE() << name << ": " << header.error().message;
    return golden;
  }
  golden.type = header->type;
  golden.body = file->frame.substr(protocol::kHeaderSize);
  golden.documented = test::new_message(header->type);
  EXPECT_TRUE(name == type_name(header->type) + ".hex" ||
              name.starts_with(type_name(header->type) + "-"))
      << name << " holds a " << type_name(header->type);
  if (golden.documented == nullptr ||
      !google::protobuf::TextFormat::ParseFromString(file->values, golden.documented.get())) {
    ADD_FAILURE() << name << ": the values in the comment are not of its message";
    golden.documented.reset();
  }
  return golden;
}

// Those that can be read at all; what is wrong with the others has failed the test already.
std::vector<Golden> all() {
  std::vector<Golden> out;
  for (const std::string& name : list(kFolder)) {
    if (auto golden = open(name); golden.documented) out.push_back(std::move(golden));
  }
  EXPECT_FALSE(out.empty());
  return out;
}

std::string as_text(const google::protobuf::Message& message) {
  std::string out;
  EXPECT_TRUE(google::protobuf::TextFormat::PrintToString(message, &out));
  return out;
}

void expect_documented(const Golden& golden, const google::protobuf::Message& read) {
  EXPECT_TRUE(MessageDifferencer::Equivalent(*golden.documented, read))
      << "documented:\n"
      << as_text(*golden.documented) << "read:\n"
      << as_text(read);
}

TEST(GoldenTest, TodaysEncodersWriteTheSameBytes) {
  const char* write_to = std::getenv("HANDOFF_WRITE_GOLDEN");
  std::set<std::string> written;
  for (const Frame& frame : frames()) {
    const std::string name = file_name(frame);
    SCOPED_TRACE(name);
    EXPECT_TRUE(written.insert(name).second) << "two frames of one name: give one a variant";
    auto file = load(kFolder, name);
    if (!file && write_to != nullptr) {
      const auto message = test::new_message(frame.type);
      ASSERT_TRUE(message && message->ParseFromString(frame.body));
      file = File{name, as_text(*message), bytes(frame)};
      ASSERT_TRUE(save(write_to, *file)) << write_to;
    }
    ASSERT_TRUE(file) << "there is no such file; frames.h says how to have it written";
    EXPECT_EQ(to_text({name, file->values, file->frame}),
              to_text({name, file->values, bytes(frame)}))
        << "another version would not know this frame any more; frames.h says how to add a field";
  }
}

// Every number that has a name, and every message of handoff.proto that is no part of another.
std::set<std::string> type_names() {
  std::set<std::string> names;
  for (int i = 0; i < 256; ++i) {
    const std::string name = type_name(static_cast<Type>(i));
    if (!name.starts_with("type ")) names.insert(name);
  }
  return names;
}
std::set<std::string> messages_of_the_specification() {
  std::set<std::string> names;
  std::set<std::string> parts;
  const auto* file = v1::Hello::descriptor()->file();
  for (int i = 0; i < file->message_type_count(); ++i) {
    const auto* message = file->message_type(i);
    names.insert(message->name());
    for (int k = 0; k < message->field_count(); ++k) {
      if (const auto* part = message->field(k)->message_type()) parts.insert(part->name());
    }
  }
  for (const std::string& part : parts) names.erase(part);
  return names;
}

TEST(GoldenTest, EveryMessageTypeHasAFrame) {
  EXPECT_EQ(messages_of_the_specification(), type_names());
  std::set<std::string> have;
  for (const Golden& golden : all()) have.insert(type_name(golden.type));
  EXPECT_EQ(type_names(), have) << "frames.h says how to add one";
}

TEST(GoldenTest, ThePageOfTheSpecificationHasEveryMessageTypeWithItsNumber) {
  std::ifstream page(PROTOCOL_PAGE);
  std::ostringstream text;
  text << page.rdbuf();
  for (int i = 0; i < 256; ++i) {
    const std::string name = type_name(static_cast<Type>(i));
    if (name.starts_with("type ")) continue;
    EXPECT_THAT(text.str(), ::testing::HasSubstr("| " + std::to_string(i) + " | " + name + " |"));
  }
}

TEST(GoldenTest, LibprotobufReadsTheDocumentedValues) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    const auto read = test::new_message(golden.type);
    ASSERT_TRUE(read->ParseFromString(golden.body));
    expect_documented(golden, *read);
    EXPECT_TRUE(read->GetReflection()->GetUnknownFields(*read).empty());
  }
}

TEST(GoldenTest, TheLibraryReadsTheDocumentedValues) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    if (for_the_supervisor(golden.type)) continue;
    const auto read = test::read_by_library(golden.type, golden.body);
    ASSERT_TRUE(read) << read.error().message;
    expect_documented(golden, *read->message);
  }
}

using Heard = supervisor::Heard;

template <class Event>
const Event& only_event(const Heard& heard) {
  static const Event none{};
  EXPECT_EQ(1U, heard.events.size());
  const Event* event = heard.events.empty() ? nullptr : std::get_if<Event>(&heard.events.front());
  EXPECT_NE(nullptr, event);
  return event != nullptr ? *event : none;
}

template <class Aside>
const Aside& aside(const Heard& heard) {
  static const Aside none{};
  const Aside* what = std::get_if<Aside>(&heard.aside);
  EXPECT_NE(nullptr, what);
  return what != nullptr ? *what : none;
}

// The generation comes from the supervisor, which does not take the service's word for it.
constexpr supervisor::Generation kSender = 9;

void expect_register(const Heard& heard) {
  EXPECT_EQ(kSender, only_event<supervisor::Registered>(heard).generation);
  EXPECT_EQ("chat", aside<supervisor::ReleaseNamed>(heard).service);
  EXPECT_EQ("2.0", aside<supervisor::ReleaseNamed>(heard).release);
}

void expect_owner(const Heard& heard) {
  const auto& owned = only_event<supervisor::Owned>(heard);
  EXPECT_EQ(kSender, owned.generation);
  EXPECT_EQ(77U, owned.handoff_id);
  EXPECT_EQ(1000U, owned.sessions);
  EXPECT_EQ(2U, owned.lost);
  EXPECT_THAT(owned.lost_ids, ElementsAre(6, 700));
  EXPECT_EQ(123456789012345U, owned.frozen_at_ns);
  EXPECT_EQ(123456792012345U, owned.running_at_ns);
  EXPECT_EQ(900U, owned.blackout.p50_us);
  EXPECT_EQ(2500U, owned.blackout.p99_us);
  EXPECT_EQ(2900U, owned.blackout.p999_us);
  EXPECT_EQ(3000U, owned.blackout.max_us);
  EXPECT_TRUE(owned.donor_died);
  const auto& fds = aside<supervisor::FdsNamed>(heard).fds;
  ASSERT_EQ(2U, fds.size());
  EXPECT_EQ("public", fds[0].name);
  EXPECT_EQ("tcp:127.0.0.1:7000", fds[0].address);
  EXPECT_EQ(4026531840U, fds[0].inode);
  EXPECT_EQ(9U, fds[0].device);
  EXPECT_EQ("log", fds[1].name);
}

void expect_progress(const Heard& heard) {
  const auto& progress = only_event<supervisor::Progressed>(heard);
  EXPECT_EQ(kSender, progress.generation);
  EXPECT_EQ(77U, progress.handoff_id);
  EXPECT_EQ(supervisor::CopyPhase::kSwitch, progress.phase);
  EXPECT_EQ(123456789012345U, progress.at_ns);
  EXPECT_EQ(400U, progress.sessions_sent);
  EXPECT_EQ(1000U, progress.sessions_total);
  EXPECT_EQ(65536U, progress.bytes);
  EXPECT_EQ(2U, progress.round);
}

void expect_failed(const Heard& heard) {
  const auto& failed = only_event<supervisor::HandoffFailed>(heard);
  EXPECT_EQ(kSender, failed.generation);
  EXPECT_EQ(77U, failed.handoff_id);
  EXPECT_EQ("rejected", failed.code);
  EXPECT_EQ("restore() says no", failed.reason);
}

void expect_retired(const Heard& heard) {
  const auto& retired = only_event<supervisor::DonorRetired>(heard);
  EXPECT_EQ(kSender, retired.generation);
  EXPECT_EQ(77U, retired.handoff_id);
  EXPECT_EQ(1000U, retired.sessions);
  EXPECT_EQ(65536U, retired.bytes);
  EXPECT_EQ(5U, retired.lost);
  EXPECT_TRUE(retired.heir_died);
  EXPECT_EQ(123456792012345U, retired.at_ns);
}

void expect_status(const Heard& heard) {
  EXPECT_TRUE(heard.events.empty());
  EXPECT_EQ(300U, aside<supervisor::SessionsCounted>(heard).query_id);
  EXPECT_EQ(1000U, aside<supervisor::SessionsCounted>(heard).sessions);
}

void expect_return(const Heard& heard) {
  const auto registered = std::get<supervisor::Registered>(heard.events.at(0));
  EXPECT_EQ(kSender, registered.generation);
  EXPECT_TRUE(registered.returning);
  EXPECT_EQ(4u, registered.handoff_id);
}

void expect_heard(const Golden& golden, const std::string& body) {
  static const std::map<std::string, void (*)(const Heard&)> kExpected = {
      {"Register.hex", expect_register},      {"Owner.hex", expect_owner},
      {"Register-return.hex", expect_return}, {"Owner-return.hex", expect_owner},
      {"Progress.hex", expect_progress},      {"Failed.hex", expect_failed},
      {"Retired.hex", expect_retired},        {"Status.hex", expect_status}};
  const auto expected = kExpected.find(golden.name);
  ASSERT_NE(kExpected.end(), expected) << "what does the supervisor make of it?";
  const auto heard = supervisor::decode(golden.type, body, kSender);
  ASSERT_TRUE(heard) << heard.error().message;
  expected->second(*heard);
}

TEST(GoldenTest, TheSupervisorReadsTheDocumentedValues) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    if (for_the_supervisor(golden.type)) expect_heard(golden, golden.body);
  }
}

// Fields that nobody knows yet, of every wire type, in the message and in each message within it.
void add_unknown_fields(google::protobuf::Message& message) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->message_type() == nullptr) continue;
    if (!field->is_repeated()) {
      add_unknown_fields(*reflection->MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      add_unknown_fields(*reflection->MutableRepeatedMessage(&message, field, i));
    }
  }
  auto* unknown = reflection->MutableUnknownFields(&message);
  unknown->AddVarint(200, 1ULL << 60);
  unknown->AddFixed64(201, 1);
  unknown->AddLengthDelimited(202, std::string("what is to come\0\xff", 17));
  unknown->AddFixed32(203, 1);
  unknown->AddVarint(18999, 0);  // a tag of three bytes
}

TEST(GoldenTest, FieldsOfAVersionToComeAreSkipped) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    const auto newer = test::new_message(golden.type);
    newer->CopyFrom(*golden.documented);
    add_unknown_fields(*newer);
    const std::string body = newer->SerializeAsString();
    ASSERT_GE(body.size(), golden.documented->ByteSizeLong() + 40);
    if (for_the_supervisor(golden.type)) {
      expect_heard(golden, body);
      continue;
    }
    const auto read = test::read_by_library(golden.type, body);
    ASSERT_TRUE(read) << read.error().message;
    expect_documented(golden, *read->message);
  }
}

// What a peer left out, since it is older, is 0 or empty, and no error.
TEST(GoldenTest, FieldsThatAnOlderVersionLacksAreNotMissed) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    if (for_the_supervisor(golden.type)) {
      EXPECT_TRUE(supervisor::decode(golden.type, "", kSender));
    } else {
      EXPECT_TRUE(test::read_by_library(golden.type, ""));
    }
  }
}

}  // namespace
}  // namespace handoff::golden
