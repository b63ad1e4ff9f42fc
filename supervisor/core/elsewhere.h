// Listeners that are at another address than the configuration says. Connections wait in a
// listener, so nothing but an upgrade moves it (decision 40). Until then the operator is told where
// it is.
#pragma once

#include <string>
#include <vector>

#include "libhandoff/core/address.h"

namespace handoff::supervisor {

// A listener that is bound, with its real port.
struct BoundListener {
  std::string name;
  std::string address;
};
// A listener of the configuration.
struct SaidListener {
  std::string name;
  core::Address address;
};

struct Elsewhere {
  std::string name;
  std::string address;     // where it is
  std::string configured;  // where it should be
  friend bool operator==(const Elsewhere&, const Elsewhere&) = default;
};

// In the order of bound. A listener that the configuration does not name has nowhere else to be.
std::vector<Elsewhere> elsewhere(const std::vector<BoundListener>& bound,
                                 const std::vector<SaidListener>& said);

// "listener public listens at X, and the configuration says Y: ...", with what to do.
std::string tell(const Elsewhere& one, const std::string& service);

}  // namespace handoff::supervisor
