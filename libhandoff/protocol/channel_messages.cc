// The messages between donor and heir.
#include "libhandoff/protocol/messages.h"
#include "libhandoff/protocol/wire.h"

namespace handoff::protocol {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;
using wire::bytes;
using wire::Malformed;
using wire::nested;
using wire::parse;
using wire::u32;
using wire::varint;

// Messages that are numbers only: field i of the list has tag i + 1.
template <class M>
using Fields = std::initializer_list<std::uint64_t M::*>;

template <class M>
std::string encode_numbers(const M& m, Fields<M> fields) {
  std::string out;
  pbf_writer w(out);
  std::uint32_t tag = 0;
  for (const auto field : fields) w.add_uint64(++tag, m.*field);
  return out;
}

template <class M>
Result<M> decode_numbers(const char* name, std::string_view body, Fields<M> fields) {
  return parse<M>(name, body, [&](M& m, pbf_reader& r, std::uint32_t) {
    const std::uint32_t tag = r.tag();
    if (r.wire_type() != protozero::pbf_wire_type::varint || tag > fields.size()) return false;
    m.*(fields.begin()[tag - 1]) = r.get_uint64();
    return true;
  });
}

const Fields<Counters> kCounterFields = {&Counters::consumed, &Counters::written};
const Fields<Blob> kBlobFields = {&Blob::state_length, &Blob::input_length, &Blob::output_length,
                                  &Blob::checksum};
const Fields<Prepare> kPrepareFields = {&Prepare::sessions,  &Prepare::chunks,
                                        &Prepare::checksum,  &Prepare::frozen_at_ns,
                                        &Prepare::budget_us, &Prepare::late};

Result<Blob> read_blob(std::string_view body) {
  auto blob = decode_numbers<Blob>("Blob", body, kBlobFields);
  // Each below the limit, so that their sum can't wrap.
  if (blob && (blob->state_length > kMaxSessionBytes || blob->input_length > kMaxSessionBytes ||
               blob->output_length > kMaxSessionBytes)) {
    return fail(HANDOFF_ERR_PROTOCOL, "malformed Blob: over the limit");
  }
  return blob;
}

Result<InRing> read_in_ring(std::string_view body) {
  return parse<InRing>("InRing", body, [](InRing& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.slot = u32(r);
        return true;
      case varint(2):
        m.length = u32(r);
        return true;
      case varint(3):
        m.checksum = r.get_uint64();
        return true;
      default:
        return false;
    }
  });
}

Result<Session> read_session(std::string_view body) {
  auto session =
      parse<Session>("Session", body, [](Session& s, pbf_reader& r, std::uint32_t field) {
        switch (field) {
          case varint(1):
            s.id = r.get_uint64();
            return true;
          case varint(2):
            s.kind = u32(r);
            return true;
          case varint(3):
            s.flags = u32(r);
            return true;
          case varint(4):
            s.has_fd = wire::flag(r);
            return true;
          case bytes(5):
            s.state = wire::view(r);
            return true;
          case bytes(6):
            s.input = wire::view(r);
            return true;
          case bytes(7):
            s.output = wire::view(r);
            return true;
          case varint(8):
            s.layer_flags = u32(r);
            return true;
          case varint(9):
            s.inode = r.get_uint64();
            return true;
          case bytes(10):
            s.counters =
                nested(decode_numbers<Counters>("Counters", wire::view(r), kCounterFields));
            return true;
          case bytes(11):
            s.blob = nested(read_blob(wire::view(r)));
            return true;
          default:
            return false;
        }
      });
  if (session && session->id == 0) {
    return fail(HANDOFF_ERR_PROTOCOL, "malformed Session: without an id");
  }
  return session;
}

}  // namespace

std::string encode(const Hello& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.protocol_min);
  w.add_uint32(2, m.protocol_max);
  w.add_uint64(3, m.handoff_id);
  w.add_uint32(4, m.lane);
  w.add_uint32(5, m.lanes);
  wire::write(w, 6, m.manifest);
  w.add_uint64(7, m.sessions);
  w.add_uint64(8, m.fds_max);
  if (m.links) w.add_bool(9, true);
  if (m.drain_incompatible) w.add_bool(10, true);
  if (m.ring_sessions) w.add_bool(11, true);
  if (m.looks) w.add_bool(12, true);
  return out;
}

template <>
Result<Hello> decode(std::string_view body) {
  return parse<Hello>("Hello", body, [](Hello& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.protocol_min = u32(r);
        return true;
      case varint(2):
        m.protocol_max = u32(r);
        return true;
      case varint(3):
        m.handoff_id = r.get_uint64();
        return true;
      case varint(4):
        m.lane = u32(r);
        return true;
      case varint(5):
        m.lanes = u32(r);
        return true;
      case bytes(6):
        m.manifest = nested(wire::read_manifest(wire::view(r)));
        return true;
      case varint(7):
        m.sessions = r.get_uint64();
        return true;
      case varint(8):
        m.fds_max = r.get_uint64();
        return true;
      case varint(9):
        m.links = wire::flag(r);
        return true;
      case varint(10):
        m.drain_incompatible = wire::flag(r);
        return true;
      case varint(11):
        m.ring_sessions = wire::flag(r);
        return true;
      case varint(12):
        m.looks = wire::flag(r);
        return true;
      default:
        return false;
    }
  });
}

std::string encode(const Abort& m) {
  std::string out;
  pbf_writer w(out);
  w.add_enum(1, static_cast<std::int32_t>(m.reason.code));
  w.add_string(2, wire::clean(m.reason.text, kMaxReason));
  return out;
}

template <>
Result<Abort> decode(std::string_view body) {
  return parse<Abort>("Abort", body, [](Abort& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1): {
        const std::uint64_t code = r.get_uint64();
        // A newer peer may have codes that this build does not know.
        if (code <= static_cast<std::uint64_t>(core::Code::kInternal)) {
          m.reason.code = static_cast<core::Code>(code);
        }
        return true;
      }
      case bytes(2):
        m.reason.text = wire::text(r, kMaxReason, "the reason");
        return true;
      default:
        return false;
    }
  });
}

std::string encode(const Listeners& m) {
  std::string out;
  pbf_writer w(out);
  for (const Named& named : m.named) wire::write(w, 1, named);
  w.add_uint64(2, m.total);
  return out;
}

template <>
Result<Listeners> decode(std::string_view body) {
  return parse<Listeners>("Listeners", body, [](Listeners& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case bytes(1):
        if (m.named.size() == kMaxFds) throw Malformed{"more named fds than a frame carries"};
        m.named.push_back(nested(wire::read_named(wire::view(r))));
        return true;
      case varint(2):
        m.total = r.get_uint64();
        return true;
      default:
        return false;
    }
  });
}

void append(std::string& body, const Session& s) {
  pbf_writer outer(body);
  pbf_writer w(outer, 1);
  w.add_uint64(1, s.id);
  w.add_uint32(2, s.kind);
  w.add_uint32(3, s.flags);
  w.add_bool(4, s.has_fd);
  if (!s.state.empty()) w.add_bytes(5, s.state.data(), s.state.size());
  if (!s.input.empty()) w.add_bytes(6, s.input.data(), s.input.size());
  if (!s.output.empty()) w.add_bytes(7, s.output.data(), s.output.size());
  if (s.layer_flags != 0) w.add_uint32(8, s.layer_flags);
  w.add_uint64(9, s.inode);
  if (s.counters) {
    w.add_message(10, encode_numbers(*s.counters, kCounterFields));
  }
  if (s.blob) w.add_message(11, encode_numbers(*s.blob, kBlobFields));
}

void append_closed(std::string& body, std::uint64_t id) {
  pbf_writer w(body);
  w.add_uint64(2, id);
}

void append_unseen(std::string& body) {
  pbf_writer w(body);
  w.add_bool(4, true);
}

std::string encode(const InRing& m) {
  std::string out;
  pbf_writer outer(out);
  pbf_writer w(outer, 3);
  w.add_uint32(1, m.slot);
  w.add_uint32(2, m.length);
  w.add_uint64(3, m.checksum);
  return out;
}

template <>
Result<Sessions> decode(std::string_view body) {
  return parse<Sessions>("Sessions", body, [](Sessions& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case bytes(1):
        m.sessions.push_back(nested(read_session(wire::view(r))));
        return true;
      case varint(2):
        m.closed.push_back(r.get_uint64());
        return true;
      case bytes(2):
        for (const std::uint64_t id : r.get_packed_uint64()) m.closed.push_back(id);
        return true;
      case bytes(3):
        m.in_ring = nested(read_in_ring(wire::view(r)));
        return true;
      case varint(4):
        m.unseen = wire::flag(r);
        return true;
      default:
        return false;
    }
  });
}

std::string encode(const Ring& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.slots);
  w.add_uint32(2, m.slot_size);
  return out;
}

template <>
Result<Ring> decode(std::string_view body) {
  return parse<Ring>("Ring", body, [](Ring& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.slots = u32(r);
        return true;
      case varint(2):
        m.slot_size = u32(r);
        return true;
      default:
        return false;
    }
  });
}

std::string encode(const SectionChunk& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.kind);
  w.add_uint32(2, m.slot);
  w.add_uint32(3, m.length);
  w.add_uint64(4, m.checksum);
  return out;
}

template <>
Result<SectionChunk> decode(std::string_view body) {
  return parse<SectionChunk>("SectionChunk", body,
                             [](SectionChunk& m, pbf_reader& r, std::uint32_t field) {
                               switch (field) {
                                 case varint(1):
                                   m.kind = u32(r);
                                   return true;
                                 case varint(2):
                                   m.slot = u32(r);
                                   return true;
                                 case varint(3):
                                   m.length = u32(r);
                                   return true;
                                 case varint(4):
                                   m.checksum = r.get_uint64();
                                   return true;
                                 default:
                                   return false;
                               }
                             });
}

std::string encode(const Region& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.kind);
  w.add_uint64(2, m.inode);
  w.add_uint64(3, m.device);
  w.add_uint64(4, m.size);
  return out;
}

template <>
Result<Region> decode(std::string_view body) {
  return parse<Region>("Region", body, [](Region& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.kind = u32(r);
        return true;
      case varint(2):
        m.inode = r.get_uint64();
        return true;
      case varint(3):
        m.device = r.get_uint64();
        return true;
      case varint(4):
        m.size = r.get_uint64();
        return true;
      default:
        return false;
    }
  });
}

std::string encode(const CopyEnd& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.round);
  w.add_uint64(2, m.sessions);
  return out;
}

template <>
Result<CopyEnd> decode(std::string_view body) {
  return parse<CopyEnd>("CopyEnd", body, [](CopyEnd& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.round = u32(r);
        return true;
      case varint(2):
        m.sessions = r.get_uint64();
        return true;
      default:
        return false;
    }
  });
}

std::string encode(const Copied& m) { return encode(CopyEnd{m.round, m.sessions}); }

template <>
Result<Copied> decode(std::string_view body) {
  // The same two fields, on purpose: Copied repeats what CopyEnd said.
  return decode<CopyEnd>(body).map([](const CopyEnd& m) { return Copied{m.round, m.sessions}; });
}

// Without `late` if there are none, as before there could be any.
std::string encode(const Prepare& m) {
  if (m.late != 0) return encode_numbers(m, kPrepareFields);
  return encode_numbers<Prepare>(m, {&Prepare::sessions, &Prepare::chunks, &Prepare::checksum,
                                     &Prepare::frozen_at_ns, &Prepare::budget_us});
}
template <>
Result<Prepare> decode(std::string_view body) {
  return decode_numbers<Prepare>("Prepare", body, kPrepareFields);
}
std::string encode(const Lanes& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.donor);
  w.add_uint32(2, m.heir);
  return out;
}
template <>
Result<Lanes> decode(std::string_view body) {
  return parse<Lanes>("Lanes", body, [](Lanes& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.donor = u32(r);
        return true;
      case varint(2):
        m.heir = u32(r);
        return true;
      default:
        return false;
    }
  });
}
std::string encode(const LanePrepare& m) {
  return encode_numbers<LanePrepare>(m, {&LanePrepare::sessions, &LanePrepare::checksum});
}
template <>
Result<LanePrepare> decode(std::string_view body) {
  return decode_numbers<LanePrepare>("LanePrepare", body,
                                     {&LanePrepare::sessions, &LanePrepare::checksum});
}
std::string encode(const Ack& m) { return encode_numbers<Ack>(m, {&Ack::frames}); }
template <>
Result<Ack> decode(std::string_view body) {
  return decode_numbers<Ack>("Ack", body, {&Ack::frames});
}
std::string encode(const Prepared& m) { return encode_numbers<Prepared>(m, {&Prepared::sessions}); }
template <>
Result<Prepared> decode(std::string_view body) {
  return decode_numbers<Prepared>("Prepared", body, {&Prepared::sessions});
}

}  // namespace handoff::protocol
