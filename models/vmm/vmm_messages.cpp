// How a vector's message gets to the vCPUs: by an eventfd and its irqfd, by a call of the VMM's
// own, or on a route that is made for it.
#include <utility>

#include "models/vmm/vmm.hpp"
#include "models/vmm/vmm_steps.hpp"

namespace irqfab::vmm {

using host::Action;
using kvm::LayerCall;

/// The host's handler of an assigned function's interrupt. locals: vector of the host, function,
/// vector of the function
Action Vmm::host_interrupted(host::Task& task, const Here& here) {
  enum : std::uint16_t { kEntered, kSignal, kDone };
  const VectorAt at{static_cast<std::uint32_t>(task.locals[1]), VectorIndex(task.locals[2])};
  switch (task.pc) {
    case kEntered:
      task.pc = kSignal;
      return host::Charge{Event::HostInterrupted, task.locals[0]};
    case kSignal:
      if (functions_[at.function].vectors.carrier(at.vector) == Carrier::Handler &&
          here.vcpus.layer().bound(eventfd(at))) {
        return tell_handler(task, at, here);
      }
      return call(task, here, LayerCall::EventfdSignal, kDone, {eventfd(at)});
    default:
      look_for_unread(at, here);
      return host::Done{};
  }
}

/// The main loop's own eventfd, while another's irqfd waits for the vector to be unmasked.
Action Vmm::tell_handler(host::Task& task, VectorAt at, const Here& here) {
  const SpanId span = std::exchange(task.span, kNoSpan);
  give(main_loop(), SendMessage{span, at, functions_[at.function].vectors.message(at.vector)},
       here);
  return host::Done{};
}

/// By a device's own thread, or the worker that stands for it in the kernel.
Action Vmm::raise(host::Task& task, const SendMessage& send, const Here& here) {
  if (config_.plan.functions[send.at.function].attach == Attach::Vhost) {
    return call(task, here, LayerCall::EventfdSignal, step::kSignalled, {eventfd(send.at)});
  }
  if (functions_[send.at.function].vectors.carrier(send.at.vector) == Carrier::Irqfd) {
    return call(task, here, LayerCall::EventfdWrite, step::kSignalled, {eventfd(send.at), 1});
  }
  return lock(task);
}

Action Vmm::signalled(host::Task& task, Seat& seat, const Here& here) {
  look_for_unread(std::get<SendMessage>(seat.job).at, here);
  task.pc = step::kBegin;
  return host::go_on();
}

/// What no irqfd took waits in the eventfd, which the main loop polls.
void Vmm::look_for_unread(VectorAt at, const Here& here) {
  const kvm::IrqLayer& layer = here.vcpus.layer();
  const host::EventFdHandle fd = layer.eventfd(eventfd(at));
  const bool unread = here.kernel.machine().eventfds().count(fd) > 0;
  if (unread && !layer.bound(eventfd(at))) give(main_loop(), ReadEventfd{at}, here);
}

/// The main loop, with the eventfd's lock held, so that no signal is half made. The price of the
/// call passes once it is known whose interrupt it is for. An irqfd that came meanwhile may have
/// taken it.
Action Vmm::read_eventfd(host::Task& task, Seat& seat, const Here& here) {
  kvm::IrqLayer& layer = here.vcpus.layer();
  const VectorAt at = std::get<ReadEventfd>(seat.job).at;
  const SpanId span = layer.consume(eventfd(at), here.kernel).span;
  if (is_line(at)) {
    seat.job = DriveLine{span, at.function, Level::High};
  } else {
    seat.job = SendMessage{span, at, functions_[at.function].vectors.message(at.vector)};
  }
  task.span = span;
  task.pc = step::kTaken;
  return host::Release{layer.lock_of(eventfd(at))};
}

Action Vmm::has_read(host::Task& task) const {
  if (task.span != kNoSpan) return lock(task);
  task.pc = step::kBegin;
  return host::go_on();
}

// ---- under the big lock -----------------------------------------------------------------------

/// A vector that was masked after its message was sent keeps it.
Action Vmm::deliver(host::Task& task, const SendMessage& send, const Here& here) {
  FunctionVectors& vectors = functions_[send.at.function].vectors;
  if (vectors.enabled() && vectors.masked(send.at.vector)) {
    const SpanId joins = vectors.pend(send.at.vector, task.span);
    if (joins != kNoSpan) here.env.coalesce(task.span, joins);
    task.span = kNoSpan;
    return unlock(task);
  }
  switch (config_.plan.delivery) {
    case Delivery::Userspace:
      here.vcpus.layer().chip().signal_msi(send.message, task.span, here.env);
      task.span = kNoSpan;
      here.vcpus.pass_signals(here.kernel, here.env);
      return unlock(task);
    case Delivery::DynamicRoute:
      return look_for_route(task, send.message);
    case Delivery::Irqfd:
      if (config_.plan.policy == RoutePolicy::OnDemand) return look_for_route(task, send.message);
      break;
    case Delivery::SignalMsi:
      break;
  }
  return call(task, here, LayerCall::SignalMsi, step::kReady,
              {send.message.address, send.message.data, 0});
}

Action Vmm::look_for_route(host::Task& task, const x86::MsiMessage& message) const {
  task.pc = step::kSeek;
  return host::Charge{Event::RouteSought, DynamicRoutes::bucket(message)};
}

/// What came of the search so far. locals of IrqLine: GSI, source, level
Action Vmm::found(host::Task& task, Seat& seat, const DynamicRoutes::Answer& answer,
                  const Here& here) {
  if (answer.flushed > 0) here.env.note(Event::RoutesFlushed, kNoSpan, answer.flushed);
  switch (answer.next) {
    case DynamicRoutes::Next::Inject:
      seat.gsi = answer.gsi;
      return call(task, here, LayerCall::IrqLine, step::kInjected,
                  {raw(answer.gsi), kvm::kUserspaceSource, raw(Level::High)});
    case DynamicRoutes::Next::Commit:
      if (answer.made) here.env.note(Event::RouteMade, kNoSpan, raw(answer.gsi));
      return commit(task, here, step::kCommitted);
    case DynamicRoutes::Next::NoGsi:
      here.env.drop(task.span, DropReason::NoGsi);
      break;
    case DynamicRoutes::Next::Failed:
      here.env.drop(task.span, DropReason::NoRoute);
      break;
  }
  task.span = kNoSpan;
  return unlock(task);
}

/// KVM_SET_GSI_ROUTING with what the table says now.
Action Vmm::commit(host::Task& task, const Here& here, std::uint16_t then) {
  const std::uint32_t staged = here.vcpus.layer().stage(table_.commit());
  return call(task, here, LayerCall::SetGsiRouting, then, {staged});
}

}  // namespace irqfab::vmm
