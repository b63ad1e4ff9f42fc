#include "dialogue.h"

#include <charconv>
#include <deque>
#include <initializer_list>
#include <optional>

namespace chaos {
namespace {

constexpr std::size_t kLarge = 48 * 1024;

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Any byte but '\n'; the same for the same seed.
std::string text(std::uint64_t seed, std::size_t length) {
  std::string out(length, '\0');
  std::uint64_t state = seed;
  for (char& c : out) {
    state = mix(state);
    c = static_cast<char>(state);
    if (c == '\n') c = 'n';
  }
  return out;
}

std::uint64_t leading_number(std::string_view text) {
  std::uint64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

// To the nth line TEXT the reply is "n RELEASE TEXT".
class EchoDialogue final : public Dialogue {
 public:
  explicit EchoDialogue(std::uint64_t number) : number_(number) {}
  Exchange next() override { return line(mix(number_ << 32 ^ n_) & 0x3f); }
  Exchange large() override { return line(kLarge); }

 protected:
  std::uint64_t counter_of(std::string_view reply) const override { return leading_number(reply); }

 private:
  Exchange line(std::size_t length) {
    const std::string said = text(number_ << 32 ^ ++n_, length) + "\n";
    const std::string count = std::to_string(n_) + " ";
    return {said, count + "? " + said, count.size(), n_};
  }

  std::uint64_t number_;
  std::uint64_t n_ = 0;
};

// Commands on keys of the connection's own, so that each reply follows from what it has said
// before. A command that is executed twice, or not at all, shows in a later reply.
class KvDialogue final : public Dialogue {
 public:
  explicit KvDialogue(std::uint64_t number) : number_(number), key_("c" + std::to_string(number)) {}

  Exchange next() override {
    ++n_;
    switch (n_ % 6) {
      case 0:
        return {request({"GET", key_ + "s"}), value_ ? bulk(*value_) : "$-1\r\n"};
      case 1:
      case 4:
        ++count_;
        return counted(request({"INCR", key_}), count_);
      case 2:
        value_ = text(number_ << 32 ^ n_, 1 + n_ % 60);
        return {request({"SET", key_ + "s", *value_}), "+OK\r\n"};
      case 3:
        list_.push_back(text(number_ << 32 ^ n_, 8));
        return counted(request({"RPUSH", key_ + "l", list_.back()}), list_.size());
      default: {
        if (list_.size() < 4) return {request({"GET", key_}), bulk(std::to_string(count_))};
        const std::string first = list_.front();
        list_.pop_front();
        return {request({"LPOP", key_ + "l"}), bulk(first)};
      }
    }
  }
  Exchange large() override {
    if (large_.empty()) {
      large_ = text(number_ << 32, kLarge);
      return {request({"SET", key_ + "L", large_}), "+OK\r\n"};
    }
    return {request({"GET", key_ + "L"}), bulk(large_)};
  }

 protected:
  std::uint64_t counter_of(std::string_view reply) const override {
    return reply.starts_with(':') ? leading_number(reply.substr(1)) : 0;
  }

 private:
  static std::string bulk(const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }
  static std::string request(std::initializer_list<std::string> words) {
    std::string out = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) out += bulk(word);
    return out;
  }
  static Exchange counted(std::string request, std::uint64_t n) {
    return {std::move(request), ":" + std::to_string(n) + "\r\n", Exchange::kNone, n};
  }

  std::uint64_t number_;
  std::string key_;
  std::uint64_t n_ = 0;
  std::uint64_t count_ = 0;
  std::optional<std::string> value_;
  std::string large_;
  std::deque<std::string> list_;
};

}  // namespace

// echo numbers its replies: a higher number says that one is missing. kv counts what was
// executed: a higher number says that something was executed twice.
Fault Dialogue::judge(const Exchange& expected, std::string_view got) const {
  const std::uint64_t counted = counter_of(got);
  if (expected.counter == 0 || counted == 0 || counted == expected.counter) return Fault::kWrong;
  const bool numbered = expected.any != Exchange::kNone;
  return (counted > expected.counter) == numbered ? Fault::kLost : Fault::kDuplicated;
}

std::unique_ptr<Dialogue> make_dialogue(Service service, std::uint64_t number) {
  if (service == Service::kKv) return std::make_unique<KvDialogue>(number);
  return std::make_unique<EchoDialogue>(number);
}

}  // namespace chaos
