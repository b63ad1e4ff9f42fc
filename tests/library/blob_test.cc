// Blobs: small shared state in two functions, loaded once and as it was in the freeze.
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "handover_fixture.h"
#include "libhandoff/service/blob.h"
#include "support/clients/line_client.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

class BlobTest : public HandoverTest {
 protected:
  // Answers with its value, how often it was saved, and how often loaded; "=X" sets it.
  LineServiceOptions service(std::string value) {
    LineServiceOptions options;
    value_ = std::move(value);
    options.adjust = [this](Service& s) {
      s.blob(
          "topic", [this] { return ++saved_, value_; },
          [this](std::string_view text) {
            if (text.starts_with("bad")) throw std::runtime_error("no such topic");
            value_ = text;
            ++loaded_;
          });
    };
    options.answer = [this](const std::string& line) {
      if (line.starts_with("=")) value_ = line.substr(1);
      return std::to_string(value_.size()) + value_.substr(0, 10) + " loaded " +
             std::to_string(loaded_);
    };
    return options;
  }
  std::string ask(LineClient& client, const std::string& line) {
    client.send(line + "\n");
    return client.line();
  }
  std::string value_;
  int saved_ = 0;
  int loaded_ = 0;
};

TEST_F(BlobTest, GoesFromReleaseToReleaseWhateverItsSize) {
  for (const std::size_t size : std::vector<std::size_t>{0, 1, (1 << 20) - 8, 1 << 20, 16 << 20}) {
    SCOPED_TRACE(size);
    generation_ = 0;
    auto donor = start(service(std::string(size, 'v')));
    LineClient client(address("public"));
    auto heir = hand_over(*donor, service(""));
    EXPECT_EQ(
        std::to_string(size) + std::string(std::min<std::size_t>(size, 10), 'v') + " loaded 1\n",
        ask(client, "a"));
  }
}

// The value has changed since the copy began: the freeze has the last word.
TEST_F(BlobTest, TheValueIsThatOfTheFreeze) {
  LineServiceOptions one = service("before");
  const auto adjust = one.adjust;
  one.adjust = [this, adjust](Service& s) {
    adjust(s);
    s.on_freeze([this] { value_ = "in the freeze"; });
  };
  auto donor = start(one);
  LineClient client(address("public"));
  auto heir = hand_over(*donor, service(""));
  EXPECT_EQ("13in the fre loaded 1\n", ask(client, "a"));
}

TEST_F(BlobTest, OneThatIsRefusedFailsTheHandoff) {
  auto donor = start(service("bad"));
  LineClient client(address("public"));
  auto heir = start_heir(*donor, ++generation_, [&] { return run_line_service(service("")); });
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("section 'topic': finish() failed: no such topic"));
  EXPECT_EQ("3bad loaded 0\n", ask(client, "a"));
}

TEST_F(BlobTest, OneThatIsTooLargeSaysWhatToDo) {
  auto donor = start(service(std::string((16 << 20) + 1, 'v')));
  LineClient client(address("public"));
  auto heir = start_heir(*donor, ++generation_, [&] { return run_line_service(service("")); });
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_THAT(failed.reason(), HasSubstr("blob 'topic' has 16777217 bytes"));
  EXPECT_THAT(failed.reason(), HasSubstr("make a section of it"));
}

TEST_F(BlobTest, AReleaseThatIsTheFirstToHaveItLoadsNothing) {
  auto donor = start({});
  LineClient client(address("public"));
  auto heir = hand_over(*donor, service("as it begins"));
  EXPECT_EQ("12as it begi loaded 0\n", ask(client, "a"));
}

// ---- what comes is checked

class BlobChunksTest : public ::testing::Test {
 protected:
  BlobChunksTest()
      : blob_(
            "topic", [](void*, handoff_buffer_t*) { return 0; },
            [](void* user, const void* data, std::size_t length) {
              static_cast<std::string*>(user)->assign(static_cast<const char*>(data), length);
              return 0;
            },
            &loaded_) {}
  int write(const std::string& chunk) { return ops_.write(&blob_, 1, chunk.data(), chunk.size()); }
  static std::string length(std::uint64_t n) {
    std::string out;
    for (int i = 0; i < 8; ++i, n >>= 8) out.push_back(static_cast<char>(n));
    return out;
  }
  const handoff_section_ops ops_ = io::Blob::ops();
  std::string loaded_ = "nothing";
  io::Blob blob_;
};

TEST_F(BlobChunksTest, TheLastOfSeveralValuesCounts) {
  EXPECT_EQ(0, write(length(3) + "a"));
  EXPECT_EQ(0, write("bc"));
  EXPECT_EQ(0, write(length(0)));
  EXPECT_EQ(0, write(length(2) + "de"));
  EXPECT_EQ(0, ops_.finish(&blob_));
  EXPECT_EQ("de", loaded_);
}

TEST_F(BlobChunksTest, WhatIsCutOrTooLongOrWithoutALengthIsRefused) {
  EXPECT_LT(write("1234567"), 0);
  EXPECT_LT(write(length(io::Blob::kMax + 1)), 0);
  EXPECT_LT(write(length(UINT64_MAX)), 0);
  EXPECT_LT(write(length(1) + "ab"), 0);
  ops_.reset(&blob_);
  EXPECT_EQ(0, write(length(2) + "a"));
  EXPECT_LT(ops_.finish(&blob_), 0);
  ops_.reset(&blob_);
  EXPECT_EQ(0, ops_.finish(&blob_)) << "none came";
  EXPECT_EQ("nothing", loaded_);
}

}  // namespace
}  // namespace handoff::test
