// A donor that writes to the ring while the heir reads it.
#include "libhandoff/copy/ring_receiver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "libhandoff/protocol/writer.h"

namespace handoff::io {
namespace {

constexpr std::uint32_t kSlots = 2;
constexpr std::uint32_t kSlotSize = 64 * 1024;

class RingReceiverTest : public ::testing::Test {
 protected:
  RingReceiverTest() {
    auto memory = make_ring(std::size_t{kSlots} * kSlotSize);
    EXPECT_TRUE(memory);
    memory_ = std::move(*memory);
    std::vector<UniqueFd> fds;
    fds.emplace_back(::dup(memory_.fd.get()));
    const auto applied = receiver_.apply(encode(protocol::Ring{kSlots, kSlotSize}), fds);
    EXPECT_TRUE(applied) << applied.error().message;
  }
  char* slot(std::uint32_t number) {
    return memory_.mapping.data() + std::size_t{number} * kSlotSize;
  }
  protocol::InRing put(std::uint32_t number, char fill) {
    std::fill_n(slot(number), kSlotSize, fill);
    const std::string_view bytes(slot(number), kSlotSize);
    return {.slot = number, .length = kSlotSize, .checksum = checksum(bytes)};
  }

  RingMemory memory_;
  RingReceiver receiver_;
};

TEST_F(RingReceiverTest, WhatWasCheckedStaysAsItIs) {
  const protocol::InRing place = put(1, 'a');
  const auto bytes = receiver_.take("a chunk", place);
  ASSERT_TRUE(bytes) << bytes.error().message;
  std::fill_n(slot(1), kSlotSize, 'z');  // before the heir has parsed it
  EXPECT_EQ(std::string(kSlotSize, 'a'), *bytes);
  const auto again = receiver_.take("a chunk", place);
  ASSERT_FALSE(again);
  EXPECT_EQ("a chunk: wrong checksum", again.error().message);
}

// Whenever the donor writes: what is taken is what was announced, or refused.
TEST_F(RingReceiverTest, NothingIsTakenThatTheDonorHasChangedMeanwhile) {
  const protocol::InRing place = put(0, 'a');
  const std::jthread donor([&](const std::stop_token& over) {
    // One byte at each end, so that a look between the two sees a mixture.
    for (char fill = 'a'; !over.stop_requested(); fill = fill == 'a' ? 'b' : 'a') {
      std::atomic_ref<char>(slot(0)[0]).store(fill, std::memory_order_relaxed);
      std::atomic_ref<char>(slot(0)[kSlotSize - 1]).store(fill, std::memory_order_relaxed);
    }
  });
  const std::string announced(kSlotSize, 'a');
  int taken = 0;
  int refused = 0;
  for (int i = 0; i < 1'000'000 && (taken < 50 || refused < 50); ++i) {
    const auto bytes = receiver_.take("a chunk", place);
    if (!bytes) {
      ++refused;
      continue;
    }
    ++taken;
    std::this_thread::yield();
    ASSERT_EQ(announced, *bytes);
  }
  EXPECT_GE(taken, 50);
  EXPECT_GE(refused, 50) << "the donor never wrote meanwhile: this has shown nothing";
}

}  // namespace
}  // namespace handoff::io
