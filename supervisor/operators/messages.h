// The operator protocol's objects about a handoff: what `handoff upgrade --json` prints, and what
// goes over the control socket. Scripts read the names, so they stay; fields may be added.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "supervisor/core/effects.h"

namespace handoff::supervisor {

// One side of a handoff, for people. generation 0: there was none.
struct Party {
  std::string release;  // "" if it has not said
  Generation generation = 0;
  int pid = 0;
  std::string digest;
  std::string path;
};

nlohmann::json party_json(const Party& party);
nlohmann::json announce_json(const std::string& service, const Announce& announce,
                             Duration elapsed);
nlohmann::json report_json(const std::string& service, const Report& report, const Party& from,
                           const Party& to);
// {"sort","name","becomes"}, and "sessions" of a kind of them.
nlohmann::json left_out_json(const core::LeftOut& one, Fate fate);
// Of each reason to stay with the old process how many sessions have it: [{"why","sessions"}].
nlohmann::json staying_json(const std::vector<core::Staying>& staying);
// Before the first phase: what may go wrong, and does not keep it from being tried. Clients from
// before there were warnings take it for the first phase.
nlohmann::json warning_json(const std::string& service, const std::string& code,
                            const std::string& message);
// Also what any other request gets that is not carried out.
nlohmann::json refusal_json(const std::string& service, const std::string& code,
                            const std::string& message);

}  // namespace handoff::supervisor
