// What a TLS peer sends, in records that its keys have sealed and in bytes that nobody has. A
// session that moves in the middle, again and again, does what one does that stays.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "libhandoff-tls/core/state.h"

namespace {

using namespace handoff::tls;

constexpr std::uint16_t kSuites[] = {0x1301, 0x1302, 0x1303, 0xC02F, 0xC030, 0xCCA8};
constexpr char kOurs[] = "our secret, which is as long as any has to be, 48";
constexpr char kPeers[] = "the secret of the peer, which is just as long, 48";

const std::uint8_t* bytes(const char* text) { return reinterpret_cast<const std::uint8_t*>(text); }

// The first byte says which session it is.
struct Setting {
  explicit Setting(std::uint8_t byte)
      : suite(*find_suite(kSuites[byte % std::size(kSuites)])),
        role((byte & 0x40) != 0 ? Role::kClient : Role::kServer),
        fragment((byte & 0x20) != 0 ? 1 : 0) {}
  bool is_13() const { return suite.version == Version::kTls13; }
  KeyBlock keys() const { return key_block(suite, bytes(kOurs), bytes(kOurs), bytes(kOurs)); }

  const Suite& suite;
  Role role;
  std::uint8_t fragment;
};

// The peer's records, as the input orders them: 4 bits say what, 12 how long.
std::string wire_of(const Setting& setting, std::string_view script) {
  Direction d;
  if (setting.is_13()) {
    std::copy_n(kPeers, setting.suite.hash_size, reinterpret_cast<char*>(d.secret.data()));
  } else {
    const KeyBlock keys = setting.keys();
    const bool client = setting.role == Role::kServer;  // the peer is the other
    std::copy_n((client ? keys.client_key : keys.server_key).data(), setting.suite.key_size,
                d.secret.data());
    d.iv = client ? keys.client_iv : keys.server_iv;
    d.sequence = 1;
  }
  std::string out;
  while (script.size() >= 2) {
    const auto first = static_cast<std::uint8_t>(script[0]);
    const std::size_t wanted =
        static_cast<std::size_t>(first & 15) << 8 | static_cast<std::uint8_t>(script[1]);
    script.remove_prefix(2);
    const std::string_view content = script.substr(0, std::min(wanted, script.size()));
    script.remove_prefix(content.size());
    const int what = first >> 4;
    if (what == 0) {
      out += content;  // as it is
      continue;
    }
    std::string plain(content);
    Type type{static_cast<std::uint8_t>(20 + what % 5)};
    const bool update = what == 15 && setting.is_13();
    if (update) {
      type = Type::kHandshake;
      plain = {24, 0, 0, 1, static_cast<char>(wanted & 1)};
    }
    std::vector<std::uint8_t> record(kHeaderSize + plain.size() + expansion(setting.suite));
    protect(setting.suite, d, type, plain, record.data());
    out.append(record.begin(), record.end());
    if (update) next_secret(setting.suite, d);
  }
  return out;
}

struct Session {
  explicit Session(const GateWord* gate) : record(gate) {}
  Record record;
  Buffer plain, wire;
};

struct Outcome {
  std::string plain, wire;
  bool failed, closed;
  std::optional<Alert> sent, received;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// input is what the session has not consumed: all that waits is opened again.
std::unique_ptr<Session> moved(const Session& from, const GateWord& gate, std::string_view input) {
  std::string state(RecordState::size(from.record, {}), '\0');
  RecordState::write(from.record, {}, reinterpret_cast<std::uint8_t*>(state.data()));
  auto to = std::make_unique<Session>(&gate);
  Info info;
  const auto read = RecordState::read(state, to->record, info);
  CHECK_THAT(read, read.error().message);
  CHECK_THAT(to->record.check(from.record.position().end(), 0), "another position");
  while (to->record.unread().size() < from.record.unread().size()) {
    std::size_t consumed = 0;
    const std::string_view rest = input.substr(to->record.unread().size());
    const Record::Opened opened = to->record.open(rest, consumed, to->plain, to->wire);
    CHECK_THAT(opened == Record::Opened::kRecord, "what was opened is not opened again");
  }
  CHECK_THAT(to->plain.view() == from.plain.view(), "other plaintext");
  CHECK_THAT(to->wire.empty(), "something is said twice");
  CHECK_THAT(to->record.owes_update() == from.record.owes_update(), "an answer is owed twice");
  to->wire.append(from.wire.view());  // the stream's output
  return to;
}

Outcome run(const Setting& setting, std::string_view wire, std::size_t step, bool moves) {
  GateWord gate;
  gate.own();
  auto session = std::make_unique<Session>(&gate);
  session->record.position().bind(0);
  session->record.limit_fragments(setting.fragment);
  if (setting.is_13()) {
    session->record.begin(setting.role, setting.suite, bytes(kPeers), bytes(kOurs), 0);
  } else {
    session->record.begin(setting.role, setting.suite, setting.keys(), 1);
  }
  std::string input, taken;
  for (std::size_t at = 0; at < wire.size(); at += step) {
    input += wire.substr(at, step);
    for (;;) {
      std::size_t consumed = 0;
      const std::size_t before = session->plain.size();
      const std::string_view rest = std::string_view(input).substr(session->record.unread().size());
      const Record::Opened opened =
          session->record.open(rest, consumed, session->plain, session->wire);
      CHECK_THAT(consumed <= rest.size(), "more than there was");
      CHECK_THAT(opened == Record::Opened::kRecord || session->plain.size() == before,
                 "plaintext of what was not opened");
      input.erase(0, session->record.unread().take_done());
      if (opened != Record::Opened::kRecord) break;
      // An answer, so that what is owed comes.
      if (session->plain.size() > before) session->record.seal("answer", session->wire);
    }
    // Some of it stays unread.
    const std::size_t read = session->plain.size() - session->plain.size() / 3;
    taken += session->plain.view().substr(0, read);
    session->plain.consume(read);
    session->record.consume(read);
    input.erase(0, session->record.unread().take_done());
    // How a session has failed does not move, and nothing comes after it.
    if (moves && !session->record.failed()) session = moved(*session, gate, input);
  }
  session->record.close(session->wire);
  const Record& record = session->record;
  return {taken.append(session->plain.view()),
          std::string(session->wire.view()),
          record.failed(),
          record.read_closed(),
          record.alert_sent(),
          record.alert_received()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 2) return 0;
  const Setting setting(data[0]);
  const std::size_t step = 1 + data[1];
  const std::string wire = wire_of(setting, {reinterpret_cast<const char*>(data) + 2, size - 2});
  const Outcome whole = run(setting, wire, std::max<std::size_t>(wire.size(), 1), false);
  CHECK_THAT(run(setting, wire, step, false) == whole, "another step");
  CHECK_THAT(run(setting, wire, step, true) == whole, "moved at each step");
  return 0;
}
