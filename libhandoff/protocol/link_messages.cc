// The messages over a link between two owners.
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

// GroupRelease and the like.
template <class M>
std::string encode_group(const M& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.group);
  return out;
}
template <class M>
Result<M> decode_group(const char* name, std::string_view body) {
  return parse<M>(name, body, [](M& m, pbf_reader& r, std::uint32_t field) {
    if (field != varint(1)) return false;
    m.group = r.get_uint64();
    return true;
  });
}

}  // namespace

std::string encode(const LinkHello& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint32(1, m.protocol_min);
  w.add_uint32(2, m.protocol_max);
  w.add_uint64(3, m.generation);
  w.add_bool(4, m.answer);
  wire::write(w, 5, m.manifest);
  return out;
}

template <>
Result<LinkHello> decode(std::string_view body) {
  return parse<LinkHello>("LinkHello", body, [](LinkHello& m, pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case varint(1):
        m.protocol_min = u32(r);
        return true;
      case varint(2):
        m.protocol_max = u32(r);
        return true;
      case varint(3):
        m.generation = r.get_uint64();
        return true;
      case varint(4):
        m.answer = wire::flag(r);
        return true;
      case bytes(5):
        m.manifest = nested(wire::read_manifest(wire::view(r)));
        return true;
      default:
        return false;
    }
  });
}

std::string encode(const GroupSessions& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.group);
  w.add_bytes(2, m.sessions.data(), m.sessions.size());
  return out;
}

template <>
Result<GroupSessions> decode(std::string_view body) {
  return parse<GroupSessions>("GroupSessions", body,
                              [](GroupSessions& m, pbf_reader& r, std::uint32_t field) {
                                switch (field) {
                                  case varint(1):
                                    m.group = r.get_uint64();
                                    return true;
                                  case bytes(2):
                                    m.sessions = wire::view(r);
                                    return true;
                                  default:
                                    return false;
                                }
                              });
}

std::string encode(const GroupPrepare& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.group);
  w.add_uint64(2, m.sessions);
  w.add_uint64(3, m.checksum);
  w.add_uint64(4, m.frozen_at_ns);
  return out;
}

template <>
Result<GroupPrepare> decode(std::string_view body) {
  return parse<GroupPrepare>("GroupPrepare", body,
                             [](GroupPrepare& m, pbf_reader& r, std::uint32_t field) {
                               switch (field) {
                                 case varint(1):
                                   m.group = r.get_uint64();
                                   return true;
                                 case varint(2):
                                   m.sessions = r.get_uint64();
                                   return true;
                                 case varint(3):
                                   m.checksum = r.get_uint64();
                                   return true;
                                 case varint(4):
                                   m.frozen_at_ns = r.get_uint64();
                                   return true;
                                 default:
                                   return false;
                               }
                             });
}

std::string encode(const GroupRelease& m) { return encode_group(m); }
template <>
Result<GroupRelease> decode(std::string_view body) {
  return decode_group<GroupRelease>("GroupRelease", body);
}

std::string encode(const GroupPrepared& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.group);
  w.add_uint64(2, m.sessions);
  return out;
}
template <>
Result<GroupPrepared> decode(std::string_view body) {
  return parse<GroupPrepared>("GroupPrepared", body,
                              [](GroupPrepared& m, pbf_reader& r, std::uint32_t field) {
                                if (field != varint(1) && field != varint(2)) return false;
                                (field == varint(1) ? m.group : m.sessions) = r.get_uint64();
                                return true;
                              });
}

std::string encode(const GroupResumed& m) { return encode_group(m); }
template <>
Result<GroupResumed> decode(std::string_view body) {
  return decode_group<GroupResumed>("GroupResumed", body);
}

std::string encode(const GroupAbort& m) {
  std::string out;
  pbf_writer w(out);
  w.add_uint64(1, m.group);
  w.add_bool(2, m.by_giver);
  w.add_enum(3, static_cast<std::int32_t>(m.reason.code));
  w.add_string(4, wire::clean(m.reason.text, kMaxReason));
  return out;
}

template <>
Result<GroupAbort> decode(std::string_view body) {
  return parse<GroupAbort>("GroupAbort", body,
                           [](GroupAbort& m, pbf_reader& r, std::uint32_t field) {
                             switch (field) {
                               case varint(1):
                                 m.group = r.get_uint64();
                                 return true;
                               case varint(2):
                                 m.by_giver = wire::flag(r);
                                 return true;
                               case varint(3): {
                                 const std::uint64_t code = r.get_uint64();
                                 if (code <= static_cast<std::uint64_t>(core::Code::kInternal)) {
                                   m.reason.code = static_cast<core::Code>(code);
                                 }
                                 return true;
                               }
                               case bytes(4):
                                 m.reason.text = wire::text(r, kMaxReason, "the reason");
                                 return true;
                               default:
                                 return false;
                             }
                           });
}

}  // namespace handoff::protocol
