// Steps, messages and bugs as people read them.
#include "bugs.h"
#include "world.h"

namespace handoff::simulation {

const char* name(Bug bug) {
  static constexpr const char* kNames[] = {"None",
                                           "RunWithoutClaim",
                                           "ThawWithoutClaim",
                                           "DonorClaimsWhatIsTaken",
                                           "ReleaseBeforePrepared",
                                           "EofIsReleaseTooEarly",
                                           "HeirClaimsWhatIsTaken",
                                           "LostDelta",
                                           "NoFreeze",
                                           "CloseInsteadOfAbort",
                                           "ThawDespiteLost",
                                           "RunDespiteLost",
                                           "KeepWithoutExit",
                                           "ServeStale",
                                           "IgnoreAbort",
                                           "ThawForgotten",
                                           "NoBudget",
                                           "ChannelLeaked",
                                           "HeirStays",
                                           "CancelBeforeWords",
                                           "RefusalsForgotten",
                                           "RefusalsUnread",
                                           "RefusedIsKept",
                                           "LeftIsNotClosed",
                                           "KeptUntold",
                                           "LateExits",
                                           "TermBeforeOwner",
                                           "SilenceIsFailure",
                                           "DoneOnRegistered",
                                           "TimerBeforeWords",
                                           "DeathIsFailure",
                                           "CancelEndsHeir",
                                           "KillForgotten"};
  static_assert(std::size(kNames) == kBugs);
  return kNames[static_cast<std::size_t>(bug)];
}

const char* name(Message message) {
  static constexpr const char* kNames[] = {"Hello",
                                           "Listeners",
                                           "Session",
                                           "Closed",
                                           "CopyEnd",
                                           "Prepare",
                                           "Release",
                                           "Hello",
                                           "Copied",
                                           "Prepared",
                                           "Resumed",
                                           "Abort",
                                           "Donate",
                                           "Cancel",
                                           "Register",
                                           "Owner",
                                           "Failed",
                                           "Progress(copy)",
                                           "Progress(switch)",
                                           "Retired",
                                           "Retired(heir died)",
                                           "Late"};
  static_assert(std::size(kNames) == kMessages);
  return kNames[static_cast<std::size_t>(message)];
}

const char* name(Step::Kind kind) {
  static constexpr const char* kNames[] = {"donor hears",
                                           "donor sends",
                                           "donor receives",
                                           "donor receives too late",
                                           "donor sees the heir's exit",
                                           "donor's timer",
                                           "donor's SIGKILL reaches the heir",
                                           "donor exits",
                                           "heir is ready",
                                           "heir hears",
                                           "heir receives",
                                           "heir sees the donor's exit",
                                           "heir's timer",
                                           "heir's SIGKILL reaches the donor",
                                           "heir's loop runs",
                                           "heir exits",
                                           "supervisor hears of the donor",
                                           "supervisor hears of the heir",
                                           "supervisor sees the donor's exit",
                                           "supervisor sees the heir's exit",
                                           "supervisor's timer",
                                           "donor moves session",
                                           "heir moves session",
                                           "operator cancels",
                                           "donor dies",
                                           "heir dies",
                                           "supervisor dies",
                                           "donor hangs",
                                           "heir hangs",
                                           "supervisor hangs",
                                           "donor hangs, its buffer full",
                                           "heir hangs, its buffer full",
                                           "donor wakes",
                                           "heir wakes",
                                           "supervisor wakes"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string describe(const World& world, const Step& step) {
  using K = Step::Kind;
  std::string text = name(step.kind);
  const auto first = [&text](const Mail& mail, const char* otherwise) {
    text += std::string(": ") + (mail.empty() ? otherwise : name(mail.front().message));
    if (!mail.empty() && mail.front().message == Message::kSession) {
      text += " " + std::to_string(mail.front().value / 2);
    }
  };
  switch (step.kind) {
    case K::kDonorHears:
      first(world.donor.hears, "nothing");
      break;
    case K::kDonorSends:
      first(world.donor.script, "nothing");
      break;
    case K::kDonorReceives:
    case K::kDonorReceivesLate:
      first(world.to_donor, "EOF");
      break;
    case K::kHeirHears:
      first(world.heir.hears, "nothing");
      break;
    case K::kHeirReceives:
      first(world.to_heir, "EOF");
      break;
    case K::kSupervisorHearsDonor:
      first(world.supervisor.from_donor, "nothing");
      break;
    case K::kSupervisorHearsHeir:
      first(world.supervisor.from_heir, "nothing");
      break;
    case K::kDonorMoves:
    case K::kHeirMoves:
      text += " " + std::to_string(step.session);
      break;
    default:
      break;
  }
  if (step.refusal != Step::Refusal::kNone) text += ", and refuses";
  if (step.cut > 0) text += ", and dies after " + std::to_string(step.cut) + " of its effects";
  return text;
}

}  // namespace handoff::simulation
