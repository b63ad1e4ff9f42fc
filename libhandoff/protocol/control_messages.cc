// The messages between a service and the supervisor, as the service needs them.
#include "libhandoff/protocol/messages.h"
#include "libhandoff/protocol/wire.h"

namespace handoff::protocol {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;
using wire::bytes;
using wire::nested;
using wire::parse;
using wire::u32;
using wire::varint;

Result<Handoff> read_handoff(std::string_view body) {
  return parse<Handoff>("Handoff", body, [](Handoff& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.id = r.get_uint64();
        return true;
      case varint(2):
        m.channel_index = u32(r);
        return true;
      case varint(3):
        m.peer_index = u32(r);
        return true;
      case varint(4):
        m.peer_pid = u32(r);
        return true;
      case varint(5):
        m.stall_us = r.get_uint64();
        return true;
      case varint(6):
        m.budget_us = r.get_uint64();
        return true;
      case varint(7):
        m.rehearsal = wire::flag(r);
        return true;
      case varint(8):
        m.drain_incompatible = wire::flag(r);
        return true;
      case varint(9):
        m.spread = u32(r);
        return true;
      default:
        return false;
    }
  });
}

}  // namespace

template <>
Result<Start> decode(std::string_view body) {
  return parse<Start>("Start", body, [](Start& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.protocol_min = u32(r);
        return true;
      case varint(2):
        m.protocol_max = u32(r);
        return true;
      case bytes(3):
        m.service = wire::text(r, kMaxName, "the service's name");
        return true;
      case varint(4):
        m.generation = r.get_uint64();
        return true;
      case varint(5):
        m.heir = wire::flag(r);
        return true;
      case bytes(6):
        if (m.listeners.size() == kMaxFds) throw wire::Malformed{"too many listeners"};
        m.listeners.push_back(nested(wire::read_named(wire::view(r))));
        return true;
      case bytes(7):
        m.handoff = nested(read_handoff(wire::view(r)));
        return true;
      case bytes(8):
        m.report_path = wire::text(r, kMaxPath, "the report path");
        return true;
      default:
        return false;
    }
  });
}

template <>
Result<Donate> decode(std::string_view body) {
  return parse<Donate>("Donate", body, [](Donate& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case bytes(1):
        m.handoff = nested(read_handoff(wire::view(r)));
        return true;
      case varint(2):
        m.heir_generation = r.get_uint64();
        return true;
      default:
        return false;
    }
  });
}

template <>
Result<Stop> decode(std::string_view body) {
  return parse<Stop>("Stop", body, [](Stop& m, pbf_reader& r, std::uint32_t field) {
    if (field != varint(1)) return false;
    m.deadline_us = r.get_uint64();
    return true;
  });
}

template <>
Result<Query> decode(std::string_view body) {
  return parse<Query>("Query", body, [](Query& m, pbf_reader& r, std::uint32_t field) {
    if (field != varint(1)) return false;
    m.id = r.get_uint64();
    return true;
  });
}

template <>
Result<Cancel> decode(std::string_view body) {
  return parse<Cancel>("Cancel", body, [](Cancel& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.handoff_id = r.get_uint64();
        return true;
      case bytes(2):
        m.reason = wire::text(r, kMaxReason, "the reason");
        return true;
      default:
        return false;
    }
  });
}

template <>
Result<Relink> decode(std::string_view body) {
  return parse<Relink>("Relink", body, [](Relink& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.other = r.get_uint64();
        return true;
      case varint(2):
        m.budget_us = r.get_uint64();
        return true;
      default:
        return false;
    }
  });
}

template <>
Result<Spread> decode(std::string_view body) {
  return parse<Spread>("Spread", body, [](Spread& m, pbf_reader& r, std::uint32_t field) {
    if (field != varint(1)) return false;
    m.permille = u32(r);
    return true;
  });
}

template <>
Result<Drain> decode(std::string_view body) {
  return parse<Drain>("Drain", body, [](Drain& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.deadline_us = r.get_uint64();
        return true;
      case varint(2): {
        // A policy of a supervisor to come is the mildest that this build knows.
        const std::uint64_t policy = r.get_uint64();
        m.policy = policy <= static_cast<std::uint64_t>(LatePolicy::kKeep)
                       ? static_cast<LatePolicy>(policy)
                       : LatePolicy::kKeep;
        return true;
      }
      default:
        return false;
    }
  });
}

std::string encode(const Register& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.protocol_min);
  w.add_uint32(2, m.protocol_max);
  w.add_uint64(3, m.generation);
  wire::write(w, 4, m.manifest);
  if (m.returning) {
    w.add_bool(5, true);
    w.add_uint32(6, m.state);
    w.add_uint64(7, m.handoff_id);
  }
  if (m.rehearsal) w.add_bool(8, true);
  return out;
}

std::string encode(const Owner& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.generation);
  w.add_uint64(2, m.handoff_id);
  for (const Named& named : m.named) wire::write(w, 3, named);
  w.add_uint64(4, m.sessions);
  w.add_uint64(5, m.lost);
  w.add_packed_uint64(6, m.lost_ids.begin(), m.lost_ids.end());
  w.add_uint64(7, m.frozen_at_ns);
  w.add_uint64(8, m.running_at_ns);
  {
    pbf_writer b(w, 9);
    b.add_uint64(1, m.blackout.p50_us);
    b.add_uint64(2, m.blackout.p99_us);
    b.add_uint64(3, m.blackout.p999_us);
    b.add_uint64(4, m.blackout.max_us);
  }
  w.add_bool(10, m.donor_died);
  if (m.with_fds) w.add_bool(11, true);
  return out;
}

std::string encode(const Progress& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.handoff_id);
  w.add_enum(2, static_cast<std::int32_t>(m.phase));
  w.add_uint64(3, m.at_ns);
  w.add_uint64(4, m.sessions_sent);
  w.add_uint64(5, m.sessions_total);
  w.add_uint64(6, m.bytes);
  w.add_uint32(7, m.round);
  return out;
}

std::string encode(const Failed& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.handoff_id);
  w.add_enum(2, static_cast<std::int32_t>(m.reason.code));
  w.add_string(3, wire::clean(m.reason.text, kMaxReason));
  w.add_uint64(4, m.at_ns);
  return out;
}

std::string encode(const Retired& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.handoff_id);
  w.add_uint64(2, m.at_ns);
  w.add_uint64(3, m.sessions);
  w.add_uint64(4, m.bytes);
  w.add_uint64(5, m.frozen_at_ns);
  w.add_uint64(6, m.lost);
  w.add_bool(7, m.heir_died);
  if (m.first_fd_at_ns != 0) w.add_uint64(8, m.first_fd_at_ns);
  return out;
}

std::string encode(const Late& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.handoff_id);
  w.add_uint64(2, m.waiting);
  w.add_uint64(3, m.moved);
  w.add_uint64(4, m.at_ns);
  w.add_bool(5, m.linked);
  w.add_uint64(6, m.closed);
  return out;
}

std::string encode(const Status& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.query_id);
  w.add_uint64(2, m.sessions);
  w.add_uint32(3, m.state);
  if (m.errors != 0) w.add_uint64(4, m.errors);
  return out;
}

std::string encode(const Health& m) {
  std::string out;
  pbf_writer w(out);
  w.add_bool(1, m.healthy);
  w.add_string(2, wire::clean(m.reason, kMaxReason));
  return out;
}

std::string encode(const Rehearsed& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.handoff_id);
  w.add_bool(2, m.complete);
  if (m.from) wire::write(w, 3, *m.from);
  if (m.to) wire::write(w, 4, *m.to);
  w.add_uint64(5, m.sessions);
  w.add_uint64(6, m.passed);
  w.add_uint64(7, m.refused);
  w.add_uint64(8, m.busy);
  for (const Finding& finding : m.findings) {
    pbf_writer f(w, 9);
    f.add_uint64(1, finding.session);
    f.add_string(2, wire::clean(finding.what, kMaxReason));
    f.add_string(3, wire::clean(finding.reason, kMaxReason));
  }
  for (const Amount& amount : m.amounts) {
    pbf_writer a(w, 10);
    a.add_string(1, amount.name);
    a.add_bool(2, amount.section);
    a.add_uint64(3, amount.count);
    a.add_uint64(4, amount.bytes);
    if (amount.region) a.add_bool(5, true);
  }
  w.add_uint64(11, m.spent_ns);
  w.add_uint64(12, m.finish_ns);
  w.add_uint64(13, m.unsettled);
  w.add_bool(14, m.early);
  w.add_uint64(15, m.rss);
  w.add_uint64(16, m.pss);
  w.add_uint64(17, m.round_trip_ns);
  return out;
}

}  // namespace handoff::protocol
