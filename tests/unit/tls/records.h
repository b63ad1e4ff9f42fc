// Two record layers that talk to each other, and the records that no honest peer would send.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff-tls/core/record.h"

namespace handoff::tls::test {

inline const Suite& suite(std::uint16_t id) { return *find_suite(id); }

inline std::string secret_of(char fill) { return std::string(kMaxHash, fill); }

// One end, with an open gate unless told otherwise.
struct End {
  explicit End(Role role, std::uint16_t id = 0x1301) : record(&gate) {
    gate.own();
    const std::string client = secret_of('c'), server = secret_of('s');
    const bool is_server = role == Role::kServer;
    if (suite(id).version == Version::kTls13) {
      const std::string& read = is_server ? client : server;
      const std::string& write = is_server ? server : client;
      record.begin(role, suite(id), reinterpret_cast<const std::uint8_t*>(read.data()),
                   reinterpret_cast<const std::uint8_t*>(write.data()), 0);
    } else {
      const std::string random(kRandomSize, 'r');
      const auto* const r = reinterpret_cast<const std::uint8_t*>(random.data());
      record.begin(role, suite(id),
                   key_block(suite(id), reinterpret_cast<const std::uint8_t*>(client.data()), r, r),
                   77);
    }
    record.position().bind(1000);
  }

  // All that the end has to send.
  std::string sent() {
    const std::string out(wire.view());
    wire.consume(wire.size());
    return out;
  }
  std::string sealed(std::string_view text) {
    record.seal(text, wire);
    return sent();
  }
  // Opens one record after the other; says how the last one went.
  Record::Opened open(std::string_view input) {
    for (;;) {
      std::size_t consumed = 0;
      const Record::Opened opened = record.open(input, consumed, plain, wire);
      input.remove_prefix(consumed);
      if (opened != Record::Opened::kRecord || input.empty()) return opened;
    }
  }
  std::string read() {
    std::string out(plain.view());
    record.consume(out.size());
    plain.consume(out.size());
    return out;
  }

  GateWord gate;
  Record record;
  Buffer plain, wire;
};

// What a peer could send that follows no rules: any type, any content, with right keys.
struct Forger {
  explicit Forger(const End& of) : suite(*of.record.suite()) {
    direction.sequence = of.record.writing().sequence;
    direction.explicit_nonce = of.record.writing().explicit_nonce;
    direction.secret = of.record.writing().secret;
    direction.iv = of.record.writing().iv;
  }
  std::string record(Type type, std::string_view plain) {
    std::vector<std::uint8_t> out(kHeaderSize + plain.size() + expansion(suite));
    protect(suite, direction, type, plain, out.data());
    return {reinterpret_cast<const char*>(out.data()), out.size()};
  }
  // TLS 1.3: the content has its type and its zeros already.
  std::string inner(std::string_view content) {
    const std::string_view plain = content.substr(0, content.size() - 1);
    return record(Type{static_cast<std::uint8_t>(content.back())}, plain);
  }

  const Suite& suite;
  Direction direction;
};

}  // namespace handoff::tls::test
