#include "random.h"

namespace chaos {

Cell RandomCells::next() {
  Cell cell;
  cell.service = one_of(kServices, selection_.service);
  cell.victim = one_of(kVictims, selection_.victim);
  cell.blow = one_of(kBlows, selection_.blow);
  const auto us = random_() % static_cast<std::uint64_t>(latest_.count());
  cell.point = "@" + std::to_string(us) + "us";
  return cell;
}

}  // namespace chaos
