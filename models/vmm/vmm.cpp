#include "models/vmm/vmm.hpp"

#include <algorithm>
#include <tuple>
#include <type_traits>

#include "models/vmm/vmm_steps.hpp"

namespace irqfab::vmm {
namespace {

using host::Action;

// Programs, from Config::first_program on.
constexpr std::uint16_t kThread = 0;
constexpr std::uint16_t kUserExit = 1;
constexpr std::uint16_t kHostInterrupt = 2;
constexpr std::uint16_t kHostLine = 3;
constexpr std::uint16_t kUnmaskLine = 4;

host::ProgramId program_of(const Vmm::Config& config, std::uint16_t which) {
  return host::ProgramId(static_cast<std::uint16_t>(raw(config.first_program) + which));
}

}  // namespace

// ---- what comes in ----------------------------------------------------------------------------

std::optional<VectorAt> Vmm::vector_of(SpanId span) const {
  if (span == kNoSpan) return std::nullopt;
  const std::vector<FunctionPlan>& plans = config_.plan.functions;
  const std::uint32_t source = raw(source_of(span));
  const auto behind = std::upper_bound(
      plans.begin(), plans.end(), source,
      [](std::uint32_t s, const FunctionPlan& plan) { return s < plan.first_source; });
  if (behind == plans.begin()) return std::nullopt;
  const auto at = std::prev(behind);
  const std::uint32_t vector = source - at->first_source;
  if (vector >= at->vectors.size()) return std::nullopt;
  return VectorAt{static_cast<std::uint32_t>(at - plans.begin()),
                  VectorIndex(static_cast<std::uint16_t>(vector))};
}

std::uint32_t Vmm::first_seat_of(std::uint32_t function) const {
  return first_device_ + config_.plan.functions[function].device;
}

std::uint32_t Vmm::seat_of(const VectorAt& at) const {
  return first_seat_of(at.function) + raw(at.vector) % config_.plan.functions[at.function].threads;
}

/// A thread that has nothing to do sleeps until it gets something.
void Vmm::give(std::uint32_t seat, const Job& job, const Here& here) {
  seats_[seat].waiting.push(job);
  host::Start start;
  start.program = program_of(config_, kThread);
  start.span = span_waiting_in(job);
  start.locals = {seat};
  start.before = host::Before::Sleep;
  here.kernel.start(seats_[seat].thread, start);
}

bool Vmm::on_message(const BusWrite& message, const Here& here) {
  const std::optional<VectorAt> at = vector_of(message.span);
  if (!at) return false;
  const x86::MsiMessage said{message.address, static_cast<std::uint32_t>(message.data)};
  give(seat_of(*at), SendMessage{message.span, *at, said}, here);
  return true;
}

bool Vmm::on_host_interrupt(const BusWrite& message, host::HostCpu cpu, const Here& here) {
  const std::optional<VectorAt> at = vector_of(message.span);
  const bool by_message = at && config_.plan.functions[at->function].attach == Attach::Assigned;
  const std::uint64_t vector = message.data & 0xFF;
  const auto pin = host_pin_of(cpu, Vector(static_cast<std::uint8_t>(vector)));
  if (!by_message && !pin) return false;
  host::Start handler;
  handler.span = message.span;
  if (by_message) {
    handler.program = program_of(config_, kHostInterrupt);
    handler.locals = {vector, at->function, raw(at->vector)};
  } else {
    handler.program = program_of(config_, kHostLine);
    handler.locals = {vector, *pin, 0};
  }
  here.vcpus.interrupt(cpu, handler, here.kernel, here.env);
  return true;
}

bool Vmm::on_line(std::uint32_t edge, const PinChange& change, const Here& here) {
  const std::vector<FunctionPlan>& plans = config_.plan.functions;
  const auto at = std::find_if(plans.begin(), plans.end(), [&](const FunctionPlan& plan) {
    return plan.intx && plan.intx_edge == edge && plan.intx_driver == change.driver;
  });
  if (at == plans.end()) return false;
  const auto function = static_cast<std::uint32_t>(at - plans.begin());
  const DriveLine line{change.span, function, change.level};
  if (Seat* reader = reader_of(function)) {
    reader->lines.push(line);
  } else {
    give(first_seat_of(function), line, here);
  }
  return true;
}

bool Vmm::on_call(const HostCall& call, const Here& here) {
  const auto kind = [&call]() -> std::optional<ChangeRoute::Kind> {
    switch (static_cast<VmmCall>(call.call)) {
      case VmmCall::UpdateRoutes:
        return ChangeRoute::Kind::Update;
      case VmmCall::ReleaseIrqfd:
        return ChangeRoute::Kind::Release;
      case VmmCall::BindIrqfd:
        return ChangeRoute::Kind::Bind;
      case VmmCall::MoveHostInterrupt:
        return ChangeRoute::Kind::Move;
    }
    return std::nullopt;
  }();
  if (!kind) return false;
  const std::optional<VectorAt> at = vector_of(make_span(SourceId(call.a), 0));
  if (at) {
    give(caller(), ChangeRoute{*kind, *at, host::HostCpu(static_cast<std::uint16_t>(call.b))},
         here);
  } else {
    here.env.guest_error(GuestFault::TableIndexOutOfRange);
  }
  return true;
}

// ---- programs ---------------------------------------------------------------------------------

Vmm::Seat& Vmm::seat_of(const host::Task& task, const Here& here) {
  if (task.program == program_of(config_, kUserExit)) return seats_[raw(here.kernel.self().slot)];
  return seats_[task.locals[0]];
}

Action Vmm::run(host::Task& task, const Here& here) {
  if (task.program == program_of(config_, kHostInterrupt)) return host_interrupted(task, here);
  if (task.program == program_of(config_, kHostLine)) return host_line(task, here);
  if (task.program == program_of(config_, kUnmaskLine)) return unmask_line(task, here);
  Seat& seat = seat_of(task, here);
  switch (task.pc) {
    case step::kSignalled:
      return signalled(task, seat, here);
    case step::kReading:
      return read_eventfd(task, seat, here);
    case step::kTaken:
      task.pc = step::kReturning;
      return host::Charge{Event::SyscallEntered};
    case step::kReturning:
      task.pc = step::kRead;
      return host::Charge{Event::SyscallReturned};
    case step::kRead:
      return has_read(task);
    case step::kLocked:
      return locked(task, seat, here);
    case step::kSeek:
      return found(task, seat, dynamic_.seek(std::get<SendMessage>(seat.job).message, table_),
                   here);
    case step::kCommitted:
      return found(task, seat, dynamic_.committed(answer_of(task), table_), here);
    case step::kInjected:
      dynamic_.done(seat.gsi, table_);
      return unlock(task);
    case step::kAccess:
      return access(task, seat, here);
    case step::kAwait:
      return await(task, seat, here);
    case step::kMirrored:
      table_.answered(answer_of(task));
      return send_pins(task, seat, here);
    case step::kPins:
      return send_pins(task, seat, here);
    case step::kSettle:
      return settle(task, seat, here);
    case step::kSettled:
      return settled(task, seat, here);
    case step::kInvalid:
      return await_invalidation(task, seat, here);
    case step::kUpdated:
      table_.answered(answer_of(task));
      return unlock(task);
    case step::kReady:
      return ready(task, seat, here);
    case step::kUnlocked:
      return unlocked(task);
    default:
      return is_exit(task) ? begin_exit(task, seat) : begin(task, seat, here);
  }
}

SpanId Vmm::works_for(const host::Task& task, const kvm::IrqLayer& layer) const {
  const bool begins = task.program == program_of(config_, kThread) && task.pc == step::kBegin;
  if (!begins || seats_[task.locals[0]].waiting.empty()) return task.span;
  const auto* read = std::get_if<ReadEventfd>(&seats_[task.locals[0]].waiting.front());
  return read == nullptr ? task.span : layer.unread(eventfd(read->at));
}

bool Vmm::is_exit(const host::Task& task) const {
  return task.program == program_of(config_, kUserExit);
}

/// locals: the seat
Action Vmm::begin(host::Task& task, Seat& seat, const Here& here) {
  task.span = kNoSpan;
  if (seat.waiting.empty()) return host::Done{};
  seat.job = seat.waiting.pop();
  task.span = span_waiting_in(seat.job);
  if (const auto* send = std::get_if<SendMessage>(&seat.job)) return raise(task, *send, here);
  if (const auto* read = std::get_if<ReadEventfd>(&seat.job)) {
    const host::LockId lock = here.vcpus.layer().lock_of(eventfd(read->at));
    const bool at_once = here.kernel.machine().owner(lock) == host::kNoTask;
    // Whoever has the lock may take the interrupt out of the eventfd.
    if (at_once) task.span = here.vcpus.layer().unread(eventfd(read->at));
    task.pc = step::kReading;
    return host::Acquire{lock};
  }
  return lock(task);
}

/// Arguments: vCPU, exit reason, and what the exit is about.
Action Vmm::begin_exit(host::Task& task, Seat& seat) {
  const auto reason = static_cast<ExitReason>(task.locals[host::kFirstArgument + 1]);
  const std::uint64_t operand = task.locals[host::kFirstArgument + 2];
  if (reason == ExitReason::Mmio) {
    if (seat.waiting.empty()) return host::finish(task);
    seat.job = seat.waiting.pop();
    task.span = std::get<Access>(seat.job).span;
  } else if (reason == ExitReason::Hlt) {
    seat.job = std::monostate{};
  } else if (config_.irqchip == kvm::IrqchipKind::Split) {
    seat.job = EndLevel{Vector(static_cast<std::uint8_t>(operand))};
  } else {
    seat.job = AccessApic{operand};
  }
  return lock(task);
}

Action Vmm::lock(host::Task& task) const {
  task.pc = step::kLocked;
  return host::Acquire{big_lock_};
}

Action Vmm::locked(host::Task& task, Seat& seat, const Here& here) {
  const auto work = [&](auto& job) -> Action {
    using Kind = std::decay_t<decltype(job)>;
    if constexpr (std::is_same_v<Kind, SendMessage>) return deliver(task, job, here);
    if constexpr (std::is_same_v<Kind, DriveLine>) return drive(task, seat, job, here);
    if constexpr (std::is_same_v<Kind, Access>) return model(task, seat, job, here);
    if constexpr (std::is_same_v<Kind, ChangeRoute>) return change_route(task, seat, job, here);
    if constexpr (std::is_same_v<Kind, EndLevel>) return end_level(task, seat, job.vector, here);
    if constexpr (std::is_same_v<Kind, AccessApic>) {
      task.pc = step::kReady;
      return host::Charge{Event::DeviceModelled, job.operand};
    }
    return unlock(task);
  };
  return std::visit(work, seat.job);
}

/// What was to be done is done, but for lines that the guest has ended, and a read may still want
/// its answer.
Action Vmm::ready(host::Task& task, Seat& seat, const Here& here) {
  if (!seat.unmasks.empty()) {
    task.span = kNoSpan;
    return call(task, here, kvm::LayerCall::EventfdWrite, step::kReady,
                {unmask_eventfd(seat.unmasks.pop()), 1});
  }
  return seat.answer == Answer::None ? unlock(task) : await(task, seat, here);
}

Action Vmm::unlock(host::Task& task) const {
  task.pc = step::kUnlocked;
  return host::Release{big_lock_};
}

Action Vmm::unlocked(host::Task& task) const {
  if (is_exit(task)) return host::finish(task);
  task.pc = step::kBegin;
  return host::go_on();
}

/// The task goes on with `then` when the layer has answered.
Action Vmm::call(host::Task& task, const Here& here, kvm::LayerCall what, std::uint16_t then,
                 const std::array<std::uint64_t, 4>& arguments) const {
  std::copy(arguments.begin(), arguments.end(), task.locals.begin() + host::kFirstArgument);
  task.pc = then;
  host::call(task, here.vcpus.layer().program(what));
  return host::go_on();
}

// ---- what there is to see ---------------------------------------------------------------------

std::string Vmm::thread_name(TaskId task) const {
  const auto at = std::find_if(seats_.begin(), seats_.end(),
                               [task](const Seat& seat) { return seat.thread.slot == task; });
  if (at == seats_.end()) return "";
  const auto seat = static_cast<std::uint32_t>(at - seats_.begin());
  if (seat < first_device_) return "vcpu" + std::to_string(seat);
  if (seat == main_loop()) return "main-loop";
  if (seat == caller()) return "caller";
  return "device-thread" + std::to_string(seat - first_device_);
}

bool operator==(const Vmm& a, const Vmm& b) {
  const auto all = [](const Vmm& v) {
    return std::tie(v.functions_, v.host_pins_, v.table_, v.dynamic_, v.pins_, v.ioapic_, v.seats_);
  };
  return all(a) == all(b);
}

void Vmm::held_spans(std::vector<SpanId>& out) const {
  for (const Seat& seat : seats_) {
    seat.waiting.for_each([&out](const Job& job) {
      if (span_waiting_in(job) != kNoSpan) out.push_back(span_waiting_in(job));
    });
    seat.pins.for_each([&out](const PinMessage& pin) {
      if (pin.span != kNoSpan) out.push_back(pin.span);
    });
    seat.lines.for_each([&out](const DriveLine& line) {
      if (line.span != kNoSpan) out.push_back(line.span);
    });
  }
  for (const HostPin& pin : host_pins_) {
    if (pin.kept != kNoSpan) out.push_back(pin.kept);
  }
  for (const Function& function : functions_) function.vectors.held_spans(out);
  if (ioapic_) ioapic_->held_spans(out);
}

}  // namespace irqfab::vmm
