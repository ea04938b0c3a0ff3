// What the vectors of a function need of routes and irqfds, call by call, until all is as they want
// it (vector_state.hpp).
#include "models/vmm/vmm.hpp"
#include "models/vmm/vmm_steps.hpp"

namespace irqfab::vmm {

using host::Action;
using kvm::LayerCall;

/// Until all is as the vectors want it.
Action Vmm::settle(host::Task& task, Seat& seat, const Here& here) {
  FunctionVectors& vectors = functions_[seat.function].vectors;
  if (const auto at = entry_to_write(seat.function, here.vcpus.layer())) {
    return write_entry(task, seat, *at, wanted_entry(*at, here.vcpus.layer()), here);
  }
  const std::optional<VectorDuty> duty = vectors.next(table_);
  if (!duty) return settled_all(task, seat, here);
  seat.duty = *duty;
  const VectorAt at{seat.function, duty->vector};
  const auto deassign = static_cast<std::uint64_t>(kvm::IrqfdFlag::Deassign);
  switch (duty->duty) {
    case Duty::Deassign:
      return call(task, here, LayerCall::Irqfd, step::kSettled,
                  {eventfd(at), raw(duty->gsi), deassign});
    case Duty::Assign:
      return call(task, here, LayerCall::Irqfd, step::kSettled, {eventfd(at), raw(duty->gsi), 0});
    case Duty::Commit:
      return commit(task, here, step::kSettled);
    case Duty::Signal:
      return signal_pending(task, *duty, at, here);
    case Duty::Cancel:
      give_up_pending(at, here);
      break;
    case Duty::ToHandler:
    case Duty::ToIrqfd:
      break;
  }
  vectors.done(*duty, 0, table_);
  look_at_entries(*duty, seat.function);
  task.pc = step::kSettle;
  return host::go_on();
}

Action Vmm::settled(host::Task& task, Seat& seat, const Here& here) {
  functions_[seat.function].vectors.done(seat.duty, answer_of(task), table_);
  look_at_entries(seat.duty, seat.function);
  const bool unbound = seat.duty.duty == Duty::Deassign;
  if (unbound) look_for_unread({seat.function, seat.duty.vector}, here);
  return settle(task, seat, here);
}

Action Vmm::settled_all(host::Task& task, Seat& seat, const Here& here) {
  if (seat.then == Then::Forward) {
    const Access& access = std::get<Access>(seat.job);
    forward(access, *place_of(access.address), here);
  }
  return unlock(task);
}

/// What came while the vector was masked, to whoever carries it now.
Action Vmm::signal_pending(host::Task& task, const VectorDuty& duty, VectorAt at,
                           const Here& here) {
  FunctionVectors& vectors = functions_[at.function].vectors;
  const SpanId span = vectors.take_pending(at.vector);
  const bool by_irqfd = vectors.carrier(at.vector) == Carrier::Irqfd;
  vectors.done(duty, 0, table_);
  if (!by_irqfd) {
    give(main_loop(), SendMessage{span, at, vectors.message(at.vector)}, here);
    task.pc = step::kSettle;
    return host::go_on();
  }
  task.span = span;
  return call(task, here, LayerCall::EventfdWrite, step::kSettle, {eventfd(at), 1});
}

/// A function whose messages are off has lost it. Of one whose vector was only released on demand
/// the main loop keeps it.
void Vmm::give_up_pending(VectorAt at, const Here& here) {
  FunctionVectors& vectors = functions_[at.function].vectors;
  const SpanId span = vectors.take_pending(at.vector);
  if (!vectors.enabled()) return here.env.cancel(span, CancelOp::PbaCleared);
  give(main_loop(), SendMessage{span, at, vectors.message(at.vector)}, here);
}

std::uint32_t Vmm::fallbacks(std::uint32_t function) const {
  const FunctionVectors& vectors = functions_[function].vectors;
  std::uint32_t count = 0;
  for (std::size_t n = 0; n < vectors.size(); ++n) {
    count += vectors.fell_back(VectorIndex(static_cast<std::uint16_t>(n)));
  }
  return count;
}

/// On demand, by nobody's access.
Action Vmm::change_route(host::Task& task, Seat& seat, const ChangeRoute& change,
                         const Here& here) {
  FunctionVectors& vectors = functions_[change.at.function].vectors;
  seat.function = change.at.function;
  seat.then = Then::Finish;
  switch (change.kind) {
    case ChangeRoute::Kind::Update:
      return commit(task, here, step::kUpdated);
    case ChangeRoute::Kind::Release:
      vectors.release(change.at.vector);
      break;
    case ChangeRoute::Kind::Bind:
      vectors.use(change.at.vector);
      break;
    case ChangeRoute::Kind::Move:
      return move_host_interrupt(task, seat, change, here);
  }
  return settle(task, seat, here);
}

}  // namespace irqfab::vmm
