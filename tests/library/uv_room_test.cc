// The memory of large answers: it is given back, and a few pieces of it serve all connections.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "uv_here.h"

namespace handoff::test {
namespace {

class Listener final : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return {}; }
};

class UvRoomTest : public UvHereTest {
 protected:
  static constexpr std::size_t kLarge = std::size_t{256} << 10;

  void connect_all(std::size_t count) {
    serve([] { return std::make_unique<Listener>(); });
    for (std::size_t i = 0; i < count; ++i) {
      clients_.push_back(connect_tcp(port_of(service_->named_fd("public"))));
    }
    turn_until([&] { return host_->size() == count; });
  }
  // One to each, and all of them are read.
  void answer_all() {
    host_->for_each([&](uv::Stream& stream) { stream.write(answer_); });
    for (const UniqueFd& client : clients_) {
      std::size_t got = 0;
      turn_until([&] {
        const ssize_t n =
            ::recv(client.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (n > 0) got += static_cast<std::size_t>(n);
        return got >= answer_.size();
      });
      EXPECT_EQ(answer_.size(), got);
    }
  }
  // Pages that the kernel has given.
  static long pages() {
    rusage used{};
    ::getrusage(RUSAGE_THREAD, &used);
    return used.ru_minflt;
  }

  std::vector<UniqueFd> clients_;
  const std::string answer_ = std::string(kLarge, 'x');
  std::string buffer_ = std::string(kLarge, '\0');
};

TEST_F(UvRoomTest, LargeAnswersAreMadeInTheMemoryOfThoseBefore) {
  connect_all(4);
  for (int i = 0; i < 3; ++i) answer_all();
  const long before = pages();
  for (int i = 0; i < 10; ++i) answer_all();
  EXPECT_LT(pages() - before, 10 * 4 * 8) << "each answer has 64 pages";
}

// What goes along beside it is not lost, and more connections than there is room for do as well.
TEST_F(UvRoomTest, AnswersOfAllSizesAreWhole) {
  connect_all(9);
  for (const std::size_t size : {1UL, 65'000UL, 70'000UL, 3'000'000UL, 100UL, 300'000UL}) {
    std::vector<std::string> got(clients_.size());
    int piece = 0;
    host_->for_each([&](uv::Stream& stream) {
      for (std::size_t at = 0; at < size; at += 50'000) {
        const auto letter = static_cast<char>('a' + piece++ % 26);
        stream.write(std::string(std::min<std::size_t>(50'000, size - at), letter));
      }
    });
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      turn_until([&] {
        const ssize_t n = ::recv(clients_[i].get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (n > 0) got[i].append(buffer_.data(), static_cast<std::size_t>(n));
        return got[i].size() >= size;
      });
      ASSERT_EQ(size, got[i].size());
      for (std::size_t at = 0; at < size; at += 50'000) {
        const std::string_view part = std::string_view(got[i]).substr(at, 50'000);
        ASSERT_EQ(std::string::npos, part.find_first_not_of(part.front())) << size << " " << at;
      }
    }
  }
}

}  // namespace
}  // namespace handoff::test
