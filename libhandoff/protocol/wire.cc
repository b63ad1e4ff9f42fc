#include "libhandoff/protocol/wire.h"

namespace handoff::protocol::wire {
namespace {

void write(protozero::pbf_writer& out, std::uint32_t tag, const Kind& kind) {
  protozero::pbf_writer m(out, tag);
  m.add_string(1, kind.name);
  m.add_bool(2, kind.section);
  m.add_uint32(3, kind.version);
  m.add_packed_uint32(4, kind.reads.begin(), kind.reads.end());
  m.add_packed_uint32(5, kind.writes.begin(), kind.writes.end());
  if (kind.region) m.add_bool(6, true);
}

// Packed, as proto3 writes them, or one by one, as it may.
bool read_versions(protozero::pbf_reader& r, std::uint32_t tag_and_type, std::uint32_t tag,
                   std::vector<std::uint32_t>& out) {
  if (tag_and_type == varint(tag)) {
    out.push_back(u32(r));
  } else if (tag_and_type == bytes(tag)) {
    for (const std::uint32_t v : r.get_packed_uint32()) out.push_back(v);
  } else {
    return false;
  }
  if (out.size() > kMaxKinds) throw Malformed{"too many versions"};
  return true;
}

Result<Kind> read_kind(std::string_view body) {
  return parse<Kind>("Kind", body, [](Kind& k, protozero::pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case bytes(1):
        k.name = text(r, kMaxName, "a kind's name");
        return true;
      case varint(2):
        k.section = flag(r);
        return true;
      case varint(3):
        k.version = u32(r);
        return true;
      case varint(6):
        k.region = flag(r);
        return true;
      default:
        return read_versions(r, field, 4, k.reads) || read_versions(r, field, 5, k.writes);
    }
  });
}

}  // namespace

std::string clean(std::string_view in, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < in.size();) {
    const auto c = static_cast<unsigned char>(in[i]);
    const std::size_t length = c < 0x80                ? 1
                               : c >= 0xc2 && c < 0xe0 ? 2
                               : c >= 0xe1 && c < 0xed ? 3
                                                       : 0;
    bool good = length > 0 && i + length <= in.size() && (c >= 0x20 || c == '\n' || c == '\t');
    for (std::size_t k = 1; good && k < length; ++k) {
      good = (static_cast<unsigned char>(in[i + k]) & 0xc0) == 0x80;
    }
    const std::string_view piece = good ? in.substr(i, length) : std::string_view("?");
    if (out.size() + piece.size() > limit) break;
    out += piece;
    i += good ? length : 1;
  }
  return out;
}

void write(protozero::pbf_writer& out, std::uint32_t tag, const Named& named) {
  protozero::pbf_writer m(out, tag);
  m.add_string(1, named.name);
  m.add_string(2, named.address);
  m.add_uint64(3, named.inode);
  m.add_uint64(4, named.device);
  m.add_uint32(5, named.fd_index);
}

Result<Named> read_named(std::string_view body) {
  return parse<Named>("Named", body, [](Named& n, protozero::pbf_reader& r, std::uint32_t field) {
    switch (field) {
      case bytes(1):
        n.name = text(r, kMaxName, "a name");
        return true;
      case bytes(2):
        n.address = text(r, kMaxReason, "an address");
        return true;
      case varint(3):
        n.inode = r.get_uint64();
        return true;
      case varint(4):
        n.device = r.get_uint64();
        return true;
      case varint(5):
        n.fd_index = u32(r);
        return true;
      default:
        return false;
    }
  });
}

void write(protozero::pbf_writer& out, std::uint32_t tag, const Manifest& manifest) {
  protozero::pbf_writer m(out, tag);
  m.add_string(1, manifest.service);
  m.add_string(2, manifest.release);
  for (const Kind& kind : manifest.kinds) write(m, 3, kind);
  for (const Named& named : manifest.named) write(m, 4, named);
}

Result<Manifest> read_manifest(std::string_view body) {
  return parse<Manifest>("Manifest", body,
                         [](Manifest& m, protozero::pbf_reader& r, std::uint32_t field) {
                           switch (field) {
                             case bytes(1):
                               m.service = text(r, kMaxName, "a service's name");
                               return true;
                             case bytes(2):
                               m.release = text(r, kMaxName, "a release's version");
                               return true;
                             case bytes(3):
                               if (m.kinds.size() == kMaxKinds) throw Malformed{"too many kinds"};
                               m.kinds.push_back(nested(read_kind(view(r))));
                               return true;
                             case bytes(4):
                               if (m.named.size() == kMaxNamed)
                                 throw Malformed{"too many named fds"};
                               m.named.push_back(nested(read_named(view(r))));
                               return true;
                             default:
                               return false;
                           }
                         });
}

}  // namespace handoff::protocol::wire
