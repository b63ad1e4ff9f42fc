// How an upgrade is told to a person: a live line on a terminal, a line for each phase elsewhere,
// and a summary at the end. Text only; the printing is upgrade.cc's.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "supervisor/cli/exit_status.h"

namespace handoff::supervisor {

// "handoff: chat: memory may be short: ...", of a warning.
std::string warning_line(const nlohmann::json& event);
// "copy    3,000 of 10,000 sessions, 12.0 MB".
std::string phase_line(const nlohmann::json& event);
// "listener admin: closed", of what the new release does not claim.
std::string left_out_line(const nlohmann::json& one);
// "1 can't move and stays with the old release: tls"; "" if none does. sessions: an object
// that has "staying".
std::string staying_line(const nlohmann::json& sessions);
// "listener public listens at X, and the configuration says Y: ...", of one that has "configured".
std::string elsewhere_line(const nlohmann::json& listener, const std::string& service);
// Everything about a handoff that was done, or lost someone.
std::string summary(const nlohmann::json& done);
// Why it failed, what runs now, what to do. progressive: it was asked for in shares.
std::string failure(const nlohmann::json& done, bool progressive = false);

}  // namespace handoff::supervisor
