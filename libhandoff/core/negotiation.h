// From the two Hellos alone: whether this donor can hand over to this heir, and in which version
// each kind of state travels.
#pragma once

#include <optional>
#include <utility>

#include "libhandoff/core/manifest.h"
#include "libhandoff/core/types.h"
#include "tl/expected.hpp"

namespace handoff::core {

struct Plan {
  std::uint32_t protocol = 0;
  // For each of the donor's kinds, the state version that travels; 0 for one that stays with the
  // donor.
  std::vector<std::uint32_t> versions;
};

// One side's input. Both sides compare the same two manifests and get the same answer. Refused are:
// no protocol version in common, another service, a kind or named fd that the heir does not claim
// (invariant I7, docs/invariants.md), a kind without a version that the donor writes and the heir
// reads.
struct Offer {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::uint32_t lane = 0;
  std::uint32_t lanes = 1;
  Manifest manifest;
  bool links = false;               // this side knows what a link is
  bool drain_incompatible = false;  // donor: a kind without a version in common may stay
};
tl::expected<Plan, Reason> negotiate(const Offer& donor, const Offer& heir);
// Everything that stands in the way, in the order in which negotiate() looks; it returns the first.
std::vector<Reason> mismatches(const Offer& donor, const Offer& heir);

// The version in which a kind travels: the highest that the donor writes and the heir reads; 0 if
// there is none.
std::uint32_t travels_as(const Kind& donor, const Kind& heir);
// The kind of the same name and sort; nullptr if there is none. What a release calls the kind of a
// listener is that listener's name, and the release before may have declared a kind of that name.
// A release that has no kind of any listener takes each for its kind "session".
const Kind* find_kind(const Manifest& in, const Kind& like);
// What the service calls the kind.
const std::string& own_name(const Kind& kind);
// Whether a release with that manifest can have sessions of that listener; "": of any. A manifest
// without names doesn't say, and then it can.
bool claims_listener(const Manifest& in, const std::string& listener);
// The versions from one to another, step by step: "1 -> 2 -> 3".
std::string chain_text(std::uint32_t from, std::uint32_t to);

// For each of the giver's kinds the version in which it goes over a link, 0 for one that can't go.
// Sections and regions never go over a link, nor do sessions of a listener that the taker names
// others beside and not this one.
std::vector<std::uint32_t> link_versions(const Manifest& giver, const Manifest& taker);

// The steps that convert one kind of state: N to N+1 and N+1 to N.
using Step = std::pair<std::uint32_t, std::uint32_t>;

// The steps from one version to another, in order; empty if from == to; nullopt if there is no way.
std::optional<std::vector<Step>> find_chain(const std::vector<Step>& steps, std::uint32_t from,
                                            std::uint32_t to);
// The versions that can be turned into own, and those that own can be turned into. Both are sorted
// and include own.
std::vector<std::uint32_t> readable(const std::vector<Step>& steps, std::uint32_t own);
std::vector<std::uint32_t> writable(const std::vector<Step>& steps, std::uint32_t own);

}  // namespace handoff::core
