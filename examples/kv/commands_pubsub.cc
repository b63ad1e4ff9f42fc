// SUBSCRIBE UNSUBSCRIBE PUBLISH
#include "engine.h"

namespace kv {
namespace {

void reply_channel(Call& call, std::string_view what, const std::string* channel) {
  call.reply.array(3);
  call.reply.bulk(what);
  if (channel != nullptr) {
    call.reply.bulk(*channel);
  } else {
    call.reply.nil();
  }
  call.reply.integer(static_cast<std::int64_t>(call.session.state.channels.size()));
}

void subscribe(Call& call) {
  for (const std::string& channel : call.args.subspan(1)) {
    call.engine.channels.subscribe(call.session, channel);
    reply_channel(call, "subscribe", &channel);
  }
}

void unsubscribe(Call& call) {
  const auto& channels = call.session.state.channels;
  std::vector<std::string> leaving(call.args.begin() + 1, call.args.end());
  if (leaving.empty()) leaving.assign(channels.begin(), channels.end());
  if (leaving.empty()) return reply_channel(call, "unsubscribe", nullptr);
  for (const std::string& channel : leaving) {
    call.engine.channels.unsubscribe(call.session, channel);
    reply_channel(call, "unsubscribe", &channel);
  }
}

void publish(Call& call) {
  const std::size_t receivers = call.engine.channels.publish(call.args[1], call.args[2]);
  call.reply.integer(static_cast<std::int64_t>(receivers));
}

constexpr Command kCommands[] = {
    {"subscribe", -2, kPubSub, subscribe},
    {"unsubscribe", -1, kPubSub, unsubscribe},
    {"publish", 3, kFast, publish},
};

}  // namespace

std::span<const Command> pubsub_commands() { return kCommands; }

}  // namespace kv
