#include "supervisor/host/saved_manifest.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/base/json_read.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr std::uint32_t kMost = UINT32_MAX;

std::vector<std::uint32_t> versions_in(const json& in) {
  std::vector<std::uint32_t> out;
  for (const json& one : in) out.push_back(need_number<std::uint32_t>(one, 0, kMost));
  return out;
}

json kind_json(const core::Kind& kind) {
  json out{{"name", kind.name},
           {"version", kind.version},
           {"reads", kind.reads},
           {"writes", kind.writes}};
  if (kind.section) out["section"] = true;
  if (kind.region) out["region"] = true;
  if (!kind.listener.empty()) out["listener"] = kind.listener;
  return out;
}

core::Kind kind_from(const json& in) {
  return {.name = in.at("name").get<std::string>(),
          .section = in.value("section", false),
          .version = need_number<std::uint32_t>(in.at("version"), 0, kMost),
          .reads = versions_in(in.at("reads")),
          .writes = versions_in(in.at("writes")),
          .region = in.value("region", false),
          .listener = in.value("listener", "")};
}

}  // namespace

core::Manifest lasting(core::Manifest manifest) {
  for (core::Named& named : manifest.named) named = {.name = std::move(named.name)};
  return manifest;
}

json manifest_json(const core::Manifest& manifest) {
  json kinds = json::array();
  for (const core::Kind& kind : manifest.kinds) kinds.push_back(kind_json(kind));
  json named = json::array();
  for (const core::Named& one : manifest.named) named.push_back(one.name);
  return {{"service", manifest.service},
          {"release", manifest.release},
          {"kinds", std::move(kinds)},
          {"named", std::move(named)},
          {"knows_listeners", manifest.knows_listeners}};
}

core::Manifest manifest_from(const json& in) {
  core::Manifest out{.service = in.at("service").get<std::string>(),
                     .release = in.at("release").get<std::string>(),
                     .knows_listeners = in.at("knows_listeners").get<bool>()};
  for (const json& kind : in.at("kinds")) out.kinds.push_back(kind_from(kind));
  for (auto& name : in.at("named").get<std::vector<std::string>>()) {
    out.named.push_back({.name = std::move(name)});
  }
  return out;
}

}  // namespace handoff::supervisor
