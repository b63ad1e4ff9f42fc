// Sends what the machine orders to the processes of a service. A process that can't be reached
// misses the deadline of the order, which the machine acts upon. Where silence would pass for an
// answer, the machine hears of it at once.
#pragma once

#include <functional>

#include "supervisor/core/effects.h"
#include "supervisor/service/process_table.h"

namespace handoff::supervisor {

class Orders {
 public:
  // processes and config outlive this object; unreachable gets what then has happened.
  Orders(ProcessTable& processes, const ServiceConfig& config,
         std::function<void(Event)> unreachable);

  void carry_out(const SendDonate& donate);
  void carry_out(const SendStop& stop);
  void carry_out(const SendDrain& drain);
  void carry_out(const SendRelink& relink);
  void carry_out(const SendSpread& spread);
  void carry_out(const SendCancel& cancel);
  void carry_out(const EndStart& end);
  void carry_out(const Signal& signal);

 private:
  ProcessTable& processes_;
  const ServiceConfig& config_;
  std::function<void(Event)> unreachable_;
};

}  // namespace handoff::supervisor
