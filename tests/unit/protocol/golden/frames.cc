#include "frames.h"

#include "control_frames.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::golden {
namespace {

using protocol::Type;

std::string sessions() {
  std::string body;
  protocol::append(body, {.id = 5,
                          .kind = 1,
                          .flags = protocol::kSessionIndependent,
                          .has_fd = true,
                          .state = "nick=anna",
                          .input = "half a li",
                          .output = std::string_view("a\0b\xff", 4),
                          .layer_flags = 3,
                          .inode = 4026532000,
                          .counters = protocol::Counters{1000, 2000}});
  protocol::append(
      body, {.id = 300, .inode = 7, .blob = protocol::Blob{70000, 1, 2, 0xfedcba9876543210}});
  protocol::append_closed(body, 6);
  protocol::append_closed(body, 1ULL << 63);
  return body;
}

std::string unseen_sessions() {
  std::string body = sessions();
  protocol::append_unseen(body);
  return body;
}

// A session that has changed, and needs a process.
std::string needing_session() {
  std::string body;
  protocol::append(body, {.id = 300,
                          .kind = 1,
                          .state = "changed",
                          .inode = 70000,
                          .process = protocol::SessionProcess{4711, 1234567}});
  return body;
}

// A session whose input and output have gone on since they were sent.
std::string gone_on_session() {
  std::string body;
  protocol::append(body, {.id = 300,
                          .kind = 1,
                          .state = "changed",
                          .input = "ne\n",
                          .output = "c",
                          .inode = 70000,
                          .input_tail = protocol::TailMark{300},
                          .output_tail = protocol::TailMark{}});
  return body;
}

// A session with bytes of a layer between its library and its service.
std::string layered_session() {
  std::string body;
  protocol::append(body, {.id = 300,
                          .kind = 1,
                          .has_fd = true,
                          .state = "changed",
                          .inode = 70000,
                          .layer = std::string_view("k\0y", 3)});
  return body;
}

// A session with fds beside its socket, and one without a socket.
std::string sessions_with_fds() {
  std::string body;
  protocol::append(body, {.id = 300,
                          .kind = 1,
                          .has_fd = true,
                          .state = "relays",
                          .inode = 70000,
                          .fds = {{"upstream", 4026532000, 9, true}, {"pty", 300, 25, false}}});
  protocol::append(body, {.id = 301, .state = "parked", .no_fd = true});
  return body;
}

std::vector<protocol::Refusal> refusals() {
  return {{300, "restore() says no"}, {1099511628101, ""}};
}

protocol::Hello hello() {
  return {.protocol_min = 1,
          .protocol_max = 1,
          .handoff_id = 77,
          .lane = 0,
          .lanes = 1,
          .manifest = manifest(),
          .sessions = 12345678901,
          .fds_max = 20000};
}
protocol::Hello hello_with_region() {
  protocol::Hello m = hello();
  m.manifest = manifest_with_region();
  return m;
}
protocol::Hello hello_with_links() {
  protocol::Hello m = hello();
  m.links = m.drain_incompatible = true;
  return m;
}
protocol::Hello hello_with_ring_sessions() {
  protocol::Hello m = hello();
  m.ring_sessions = true;
  return m;
}
protocol::Hello hello_that_looks() {
  protocol::Hello m = hello();
  m.looks = true;
  return m;
}
protocol::Hello hello_with_tails() {
  protocol::Hello m = hello();
  m.tails = true;
  m.unmovable = core::Unmovable::kLate;
  return m;
}
protocol::Hello hello_with_layers() {
  protocol::Hello m = hello();
  m.layers = true;
  return m;
}
protocol::Hello hello_with_session_fds() {
  protocol::Hello m = hello();
  m.session_fds = true;
  return m;
}
protocol::Hello hello_with_room() {
  protocol::Hello m = hello();
  m.room_ns = 300;
  return m;
}
protocol::Hello hello_that_was_heard() {
  protocol::Hello m = hello();
  m.heard_at_ns = 9876543210;
  return m;
}
protocol::Hello hello_with_listeners() {
  protocol::Hello m = hello();
  m.manifest.knows_listeners = true;
  m.manifest.kinds.push_back(
      {.name = "session", .version = 2, .reads = {1, 2}, .writes = {2, 1}, .listener = "public"});
  return m;
}
protocol::Hello hello_of_a_lane() {
  return {.protocol_min = 1,
          .protocol_max = 3,
          .handoff_id = 77,
          .lane = 2,
          .lanes = 4,
          .manifest = {.service = "chat", .release = "2.0"},
          .sessions = 0,
          .fds_max = 20000};
}

std::vector<Frame> channel_frames() {
  return {
      {Type::kHello, "", 0, encode(hello())},
      {Type::kHello, "lanes", 0, encode(hello_of_a_lane())},
      {Type::kHello, "links", 0, encode(hello_with_links())},
      {Type::kHello, "region", 0, encode(hello_with_region())},
      {Type::kHello, "ring", 0, encode(hello_with_ring_sessions())},
      {Type::kHello, "looks", 0, encode(hello_that_looks())},
      {Type::kHello, "room", 0, encode(hello_with_room())},
      {Type::kHello, "heard", 0, encode(hello_that_was_heard())},
      {Type::kHello, "listeners", 0, encode(hello_with_listeners())},
      {Type::kHello, "tails", 0, encode(hello_with_tails())},
      {Type::kHello, "layers", 0, encode(hello_with_layers())},
      {Type::kHello, "session-fds", 0, encode(hello_with_session_fds())},
      {Type::kAbort, "", 0, encode(protocol::Abort{{core::Code::kTimeout, "the heir was silent"}})},
      {Type::kListeners, "", 2, encode(protocol::Listeners{manifest().named, 2})},
      {Type::kSessions, "", 2, sessions()},
      {Type::kSessions, "unseen", 2, unseen_sessions()},
      {Type::kSessions, "process", 0, needing_session()},
      {Type::kSessions, "tails", 0, gone_on_session()},
      {Type::kSessions, "layer", 1, layered_session()},
      {Type::kSessions, "fds", 2, sessions_with_fds()},
      {Type::kSessions, "ring", 253, encode(protocol::InRing{7, 226305, 1ULL << 63})},
      {Type::kRing, "", 1, encode(protocol::Ring{8, 1048576})},
      {Type::kSectionChunk, "", 0, encode(protocol::SectionChunk{1, 7, 1048576, 1ULL << 63})},
      {Type::kRegion, "", 1, encode(protocol::Region{2, 300, 64768, 1ULL << 40})},
      // The worked example of PROTOCOL.md.
      {Type::kCopyEnd, "", 0, encode(protocol::CopyEnd{1, 1000})},
      {Type::kPrepare, "", 0,
       encode(protocol::Prepare{1000, 12, 0xfedcba9876543210, 123456789012345, 250000})},
      {Type::kPrepare, "late", 0,
       encode(protocol::Prepare{1000, 12, 0xfedcba9876543210, 123456789012345, 250000, 3})},
      {Type::kPrepare, "late-ids", 0,
       encode(protocol::Prepare{
           1000, 12, 0xfedcba9876543210, 123456789012345, 250000, 3, {7, 300, 1099511628101}})},
      {Type::kPrepare, "closing", 0,
       encode(protocol::Prepare{1000,
                                12,
                                0xfedcba9876543210,
                                123456789012345,
                                250000,
                                3,
                                {7, 300, 1099511628101},
                                2,
                                {8, 700}})},
      {Type::kRelease, "", 0, ""},
      {Type::kLanes, "", 5, encode(protocol::Lanes{2, 3})},
      {Type::kLanePrepare, "", 0, encode(protocol::LanePrepare{500, 0xfedcba9876543210})},
      {Type::kAck, "", 0, encode(protocol::Ack{300})},
      {Type::kCopied, "", 0, encode(protocol::Copied{1, 1000})},
      {Type::kCopied, "refused", 0, encode(protocol::Copied{1, 1000, refusals()})},
      {Type::kPrepared, "", 0, encode(protocol::Prepared{1000})},
      {Type::kPrepared, "refused", 0, encode(protocol::Prepared{1000, refusals()})},
      {Type::kResumed, "", 0, ""},
  };
}

std::vector<Frame> link_frames() {
  return {
      {Type::kLinkHello, "", 1, encode(protocol::LinkHello{1, 1, 3, true, manifest()})},
      {Type::kLinkHello, "layers", 1, encode(protocol::LinkHello{1, 1, 3, true, manifest(), true})},
      {Type::kLinkHello, "session-fds", 1,
       encode(protocol::LinkHello{1, 1, 3, true, manifest(), false, true})},
      {Type::kLinkHello, "lanes", 1,
       encode(protocol::LinkHello{1, 1, 3, true, manifest(), false, false, 3})},
      {Type::kGroupSessions, "", 2, encode(protocol::GroupSessions{5, sessions()})},
      {Type::kGroupPrepare, "", 0,
       encode(protocol::GroupPrepare{5, 2, 0xfedcba9876543210, 123456789012345})},
      {Type::kGroupRelease, "", 0, encode(protocol::GroupRelease{5})},
      {Type::kGroupPrepared, "", 0, encode(protocol::GroupPrepared{5, 2})},
      {Type::kGroupResumed, "", 0, encode(protocol::GroupResumed{5})},
      {Type::kGroupAbort, "", 0,
       encode(protocol::GroupAbort{5, true, {core::Code::kTimeout, "the taker was silent"}})},
  };
}

}  // namespace

std::string file_name(const Frame& frame) {
  return type_name(frame.type) + (frame.variant.empty() ? "" : "-" + frame.variant) + ".hex";
}

std::string bytes(const Frame& frame) {
  const auto header =
      protocol::encode_header({.type = frame.type,
                               .fds = frame.fds,
                               .body = static_cast<std::uint32_t>(frame.body.size())});
  return std::string(header.begin(), header.end()) + frame.body;
}

std::vector<Frame> frames() {
  std::vector<Frame> all = channel_frames();
  for (auto part : {link_frames(), control_frames()}) {
    for (Frame& frame : part) all.push_back(std::move(frame));
  }
  return all;
}

}  // namespace handoff::golden
