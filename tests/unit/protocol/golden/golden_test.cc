// A supervisor and a library one version apart must work together. So, byte by byte, today's
// encoders write what wire version 1 wrote, and today's decoders read it and skip what a later
// version may add. frames.h says how to add a frame.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "file.h"
#include "frames.h"
#include "handoff.pb.h"
#include "heard.h"
#include "supervisor/processes/service_messages.h"
#include "support/peers/reading.h"

namespace handoff::golden {
namespace {

using google::protobuf::util::MessageDifferencer;
using protocol::Type;

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

// All files that can be read. Another test fails for the rest.
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

// Collects each field that is set, as "Manifest.kinds", in the message and in those within it.
void collect_fields(const google::protobuf::Message& message, std::set<std::string>& out) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    out.insert(message.GetDescriptor()->name() + "." + field->name());
    if (field->message_type() == nullptr) continue;
    if (!field->is_repeated()) {
      collect_fields(reflection->GetMessage(message, field), out);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      collect_fields(reflection->GetRepeatedMessage(message, field, i), out);
    }
  }
}

TEST(GoldenTest, EveryFieldIsSetInSomeFrame) {
  std::set<std::string> fields;
  const auto* file = v1::Hello::descriptor()->file();
  for (int i = 0; i < file->message_type_count(); ++i) {
    const auto* message = file->message_type(i);
    for (int k = 0; k < message->field_count(); ++k) {
      fields.insert(message->name() + "." + message->field(k)->name());
    }
  }
  std::set<std::string> shown;
  for (const Golden& golden : all()) collect_fields(*golden.documented, shown);
  std::vector<std::string> missing;
  std::ranges::set_difference(fields, shown, std::back_inserter(missing));
  EXPECT_THAT(missing, ::testing::IsEmpty()) << "frames.h says how to add a frame that has it";
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

// Frames for the supervisor, too: its reader is made of the same descriptions.
TEST(GoldenTest, TheLibraryReadsTheDocumentedValues) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    const auto read = test::read_by_library(golden.type, golden.body);
    ASSERT_TRUE(read) << read.error().message;
    expect_documented(golden, *read->message);
  }
}

TEST(GoldenTest, TheSupervisorReadsTheDocumentedValues) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    if (for_the_supervisor(golden.type)) expect_heard(golden.name, golden.type, golden.body);
  }
}

// Adds unknown fields of every wire type to the message and to each message within it.
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
      expect_heard(golden.name, golden.type, body);
      continue;
    }
    const auto read = test::read_by_library(golden.type, body);
    ASSERT_TRUE(read) << read.error().message;
    expect_documented(golden, *read->message);
  }
}

// A field that an older peer leaves out is 0 or empty, and no error.
TEST(GoldenTest, FieldsThatAnOlderVersionLacksAreNotMissed) {
  for (const Golden& golden : all()) {
    SCOPED_TRACE(golden.name);
    if (for_the_supervisor(golden.type)) {
      EXPECT_TRUE(supervisor::decode(golden.type, "", 1));
    } else {
      EXPECT_TRUE(test::read_by_library(golden.type, ""));
    }
  }
}

}  // namespace
}  // namespace handoff::golden
