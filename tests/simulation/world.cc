#include "world.h"

#include <algorithm>
#include <cstring>

namespace handoff::simulation {
namespace {

// Puts values of a few bits one after the other.
class Bits {
 public:
  explicit Bits(Key& key) : key_(key) {}
  ~Bits() = default;
  Bits(const Bits&) = delete;
  Bits& operator=(const Bits&) = delete;

  void put(unsigned value, unsigned bits) {
    word_ |= std::uint64_t{value} << used_;
    used_ += bits;
    while (used_ >= 8) {
      next_byte();
      used_ -= 8;
    }
  }
  template <class... Flags>
  void flags(Flags... flag) {
    (put(flag ? 1U : 0U, 1), ...);
  }
  void mail(const Mail& mail) {
    put(static_cast<unsigned>(mail.size()), 4);
    for (std::size_t i = 0; i < mail.size(); ++i) put(mail.byte(i), 8);
  }
  void finish() {
    if (used_ > 0) next_byte();
  }

 private:
  void next_byte() {
    if (at_ == Key::kBytes) {
      std::fputs("simulation: a world needs a longer key\n", stderr);
      std::abort();
    }
    key_.bytes[at_++] = static_cast<std::uint8_t>(word_ & 0xFFU);
    word_ >>= 8U;
  }
  Key& key_;
  std::uint64_t word_ = 0;
  unsigned used_ = 0;
  std::size_t at_ = 0;
};

}  // namespace

unsigned World::unsent() const {
  return static_cast<unsigned>(std::count_if(session.begin(), session.begin() + sessions,
                                             [](const Session& s) { return !s.sent && !s.stays; }));
}
unsigned World::known_to_heir() const {
  return static_cast<unsigned>(std::count_if(session.begin(), session.begin() + sessions,
                                             [](const Session& s) { return s.heir_has; }));
}
unsigned World::kept() const {
  return static_cast<unsigned>(std::count_if(session.begin(), session.begin() + sessions,
                                             [](const Session& s) { return s.kept; }));
}

unsigned World::copied() const {
  return static_cast<unsigned>(std::count_if(session.begin(), session.begin() + sessions,
                                             [](const Session& s) { return s.copied; }));
}
unsigned World::staying() const {
  return static_cast<unsigned>(std::count_if(session.begin(), session.begin() + sessions,
                                             [](const Session& s) { return s.stays; }));
}
unsigned World::left_behind() const {
  return static_cast<unsigned>(
      std::count_if(session.begin(), session.begin() + sessions,
                    [](const Session& s) { return s.stays || s.refused; }));
}
std::uint8_t World::refusals() {
  unsigned bits = 0;
  for (unsigned s = 0; s < sessions; ++s) {
    if (!session[s].refused || session[s].told) continue;
    session[s].told = true;
    bits |= 1U << s;
  }
  return static_cast<std::uint8_t>(bits);
}
void World::take_refusals(std::uint8_t bits) {
  for (unsigned s = 0; s < sessions; ++s) {
    if ((bits >> s & 1U) != 0) session[s].stays = true;
  }
}

// Forgets what only the dead process knew, so that worlds which differ in nothing else are one.
void World::donor_dies() {
  const bool retired = donor.retired;
  // The donor's end of the channel closes, whether the donor has it or it waits in its control
  // socket.
  if (donor_end != DonorEnd::kWithSupervisor) donor_end = DonorEnd::kClosed;
  donor = {};
  donor.alive = false;
  donor.retired = retired;
  to_donor.clear();
}
void World::heir_dies() {
  heir = {};
  heir.alive = false;
  to_heir.clear();
  for (Session& one : session) one.told = false;
  if (heir_ran) return;
  for (Session& one : session) one.refused = false;
}
void World::supervisor_dies() {
  supervisor = {};
  supervisor.alive = false;
  if (donor_end == DonorEnd::kWithSupervisor) donor_end = DonorEnd::kClosed;
}

Key key_of(const World& w) {
  Key key;
  Bits bits(key);
  bits.put(w.donor.machine, 16);
  bits.put(w.heir.machine, 16);
  bits.put(w.supervisor.machine, 16);
  for (const Process* p :
       {static_cast<const Process*>(&w.donor), static_cast<const Process*>(&w.heir),
        static_cast<const Process*>(&w.supervisor)}) {
    bits.flags(p->alive, p->hung, p->full);
  }
  const DonorSide& d = w.donor;
  bits.flags(d.donating, d.frozen, d.retired, d.late, d.termed, d.killing, d.saw_exit, d.saw_eof);
  bits.put(static_cast<unsigned>(d.after), 2);
  const HeirSide& h = w.heir;
  bits.flags(h.ready, h.runs, h.told, h.listeners, h.failed, h.killing, h.saw_exit, h.saw_eof);
  const SupervisorSide& s = w.supervisor;
  bits.flags(s.over, s.saw_donor_exit, s.saw_heir_exit, s.counted, s.owner_heard, s.accounted,
             s.heir_owns, s.nobody_owns, w.shared);
  bits.put(static_cast<unsigned>(w.donor_end), 2);
  bits.put(static_cast<unsigned>(w.word), 2);
  bits.flags(w.listeners_sent, w.prepare_sent, w.prepared_sent, w.release_sent, w.heir_ran,
             w.loss_excused, w.orphan_excused, w.late_died);
  bits.put(static_cast<unsigned>(w.breach), 5);
  bits.put(w.left.deaths, 3);
  bits.put(w.left.hangs, 3);
  bits.put(w.left.refusals, 2);
  bits.put(w.left.cancels, 2);
  bits.put(w.sessions, 2);
  bits.put(static_cast<unsigned>(w.unmovable), 2);
  for (const Session& session : w.session) {
    bits.flags(session.donor, session.sent, session.heir_has, session.heir, session.kept,
               session.stays, session.refused, session.told, session.copied);
  }
  for (const Mail* mail :
       {&d.script, &d.hears, &h.hears, &s.from_donor, &s.from_heir, &w.to_heir, &w.to_donor}) {
    bits.mail(*mail);
  }
  bits.finish();
  return key;
}

std::size_t KeyHash::operator()(const Key& key) const {
  std::uint64_t hash = 0x9E3779B97F4A7C15ULL;
  for (std::size_t i = 0; i < Key::kBytes; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, key.bytes.data() + i, 8);
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDULL;
    hash ^= hash >> 32U;
  }
  return hash;
}

const char* describe(Breach breach) {
  switch (breach) {
    case Breach::kNone:
      return "nothing";
    case Breach::kSupervisorSignalsDonor:
      return "the supervisor signals a donor that has not let go of its sessions";
    case Breach::kSupervisorEndsOwner:
      return "the supervisor ends an heir that owns the sessions and does not hang";
    case Breach::kHeirEndsServingDonor:
      return "the heir ends a donor that serves";
    case Breach::kDonorEndsOwner:
      return "the donor ends an heir that owns the sessions";
    case Breach::kHeirLeavesFrozenDonor:
      return "I2: a prepared heir leaves by itself, and its donor may be frozen for ever";
    case Breach::kDoneWithoutHeir:
      return "the supervisor reports done, and the heir never ran";
    case Breach::kDoneButLost:
      return "the supervisor reports done, and sessions were lost";
    case Breach::kFailedButDonorGone:
      return "the supervisor reports failed, and the donor does not own the sessions";
    case Breach::kFailedButHeirRan:
      return "the supervisor reports failed, and the heir had taken over";
    case Breach::kLostButNothingIs:
      return "the supervisor reports lost, and nothing is";
    case Breach::kLostCount:
      return "the supervisor reports another number of lost sessions than there are";
    case Breach::kProcessLeft:
      return "I5: the supervisor concludes, and a process that must go is still there";
    case Breach::kNobodyUntold:
      return "I2: nobody owns the sessions, and the service is not started anew";
  }
  return "?";
}

}  // namespace handoff::simulation
