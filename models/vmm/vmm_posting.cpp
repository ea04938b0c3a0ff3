// The remapping entries of assigned vectors, where the host's unit posts: what the host's kernel
// makes of them as routes and irqfds come, change and go.
//
// Models: VT-d 5.2.5 "Usage Model: Interrupt Posting in Virtual Machine Monitors", as KVM's irq
// bypass does it: while an irqfd carries a vector and its route is a message that one vCPU gets, a
// fixed one or one for the lowest priority, the entry is in posted format; otherwise it is the
// host's interrupt, whose handler signals the eventfd. A message for several vCPUs cannot be
// posted: a descriptor is one vCPU's. An entry is written whole, its lower half, which is all that
// differs; then its cached copy is invalidated and a wait awaited, by looks at the dword that it
// writes (VT-d 6.5.2). Not modelled: a queue that is full, invalidations of more than one entry at
// a time.
#include "models/vmm/vmm.hpp"
#include "models/vmm/vmm_steps.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/posted_descriptor.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::vmm {
namespace {

using host::Action;
using x86::Irte;
using x86::vtd::IecDescriptor;
using x86::vtd::WaitDescriptor;

constexpr Duration kPatience = kPsPerMs;  // burnt for the unit before the task goes to sleep
constexpr std::uint64_t kDone = 1;

bool can_be_posted(const x86::ApicMessage& message) {
  return message.delivery_mode == x86::DeliveryMode::Fixed ||
         message.delivery_mode == x86::DeliveryMode::LowestPriority;
}

}  // namespace

/// The one vCPU that gets the message.
std::optional<CpuId> Vmm::post_target(const x86::ApicMessage& message,
                                      const kvm::IrqLayer& layer) const {
  if (!can_be_posted(message)) return std::nullopt;
  const x86::LapicBank& lapics = layer.chip().lapics();
  std::optional<CpuId> target;
  for (std::uint32_t n = 0; n < first_device_; ++n) {
    if (!lapics.addresses(message, CpuId{n})) continue;
    if (target) return config_.mutants.has(Mutant::MulticastPosted) ? target : std::nullopt;
    target = CpuId{n};
  }
  return target;
}

std::uint64_t Vmm::host_entry(VectorAt at) const {
  const HostInterrupt& to = config_.plan.functions[at.function].vectors[raw(at.vector)].host;
  x86::ApicMessage message;
  message.destination = ApicId{raw(to.cpu)};
  message.vector = to.vector;
  return x86::remapped_irte(message, x86::InterruptMode::Xapic).low;
}

std::uint64_t Vmm::wanted_entry(VectorAt at, const kvm::IrqLayer& layer) const {
  const FunctionVectors& vectors = functions_[at.function].vectors;
  const std::optional<Gsi> gsi = vectors.gsi(at.vector);
  const bool carried = vectors.carrier(at.vector) == Carrier::Irqfd && gsi;
  const x86::MsiMessage* route = carried && table_.in_kernel(*gsi) ? table_.message(*gsi) : nullptr;
  if (route == nullptr) return host_entry(at);
  const x86::ApicMessage message = x86::decode(*route, layer.chip().config().destination);
  const std::optional<CpuId> vcpu = post_target(message, layer);
  if (!vcpu) return host_entry(at);
  x86::PostTarget target;
  target.vector = message.vector;
  target.descriptor =
      config_.plan.posting->descriptors + raw(*vcpu) * x86::PostedDescriptor::kBytes;
  return x86::posted_irte(target).low;
}

/// A new table may have changed the route of any vector.
void Vmm::look_at_entries(const VectorDuty& duty, std::uint32_t function) {
  std::uint32_t& in_order = functions_[function].entries_in_order;
  const std::uint32_t first = duty.duty == Duty::Commit ? 0 : raw(duty.vector);
  in_order = std::min(in_order, first);
}

std::optional<VectorAt> Vmm::entry_to_write(std::uint32_t function, const kvm::IrqLayer& layer) {
  if (!posts(function)) return std::nullopt;
  Function& of = functions_[function];
  for (; of.entries_in_order < of.entries.size(); ++of.entries_in_order) {
    const VectorAt at{function, VectorIndex{static_cast<std::uint16_t>(of.entries_in_order)}};
    if (wanted_entry(at, layer) != of.entries[of.entries_in_order]) return at;
  }
  return std::nullopt;
}

void Vmm::write_host(std::uint64_t address, std::uint64_t data, std::uint8_t size,
                     const Here& here) {
  here.env.send(config_.host_bus, BusWrite{address, data, kNoSpan, {}, size});
}

void Vmm::queue_invalidation(std::uint64_t low, std::uint64_t high, const Here& here) {
  const PostingPlan& unit = *config_.plan.posting;
  write_host(unit.queue + queue_tail_, low, 8, here);
  write_host(unit.queue + queue_tail_ + 8, high, 8, here);
  queue_tail_ = (queue_tail_ + x86::vtd::kDescriptorBytes) % unit.queue_bytes;
}

Action Vmm::write_entry(host::Task& task, Seat& seat, VectorAt at, std::uint64_t low,
                        const Here& here) {
  const PostingPlan& unit = *config_.plan.posting;
  const std::uint64_t index = config_.plan.functions[at.function].vectors[raw(at.vector)].entry;
  functions_[at.function].entries[raw(at.vector)] = low;
  std::uint64_t invalidate =
      static_cast<std::uint64_t>(x86::vtd::DescriptorType::InterruptEntryCache);
  invalidate = IecDescriptor::G::set(invalidate, 1);
  invalidate = IecDescriptor::IIDX::set(invalidate, index);
  std::uint64_t wait = static_cast<std::uint64_t>(x86::vtd::DescriptorType::Wait);
  wait = WaitDescriptor::SW::set(wait, 1);
  wait = WaitDescriptor::StatusData::set(wait, kDone);
  write_host(unit.table + index * Irte::kBytes, low, 8, here);
  write_host(unit.status, 0, 4, here);
  queue_invalidation(invalidate, 0, here);
  queue_invalidation(wait, unit.status, here);
  write_host(unit.registers + x86::vtd::IQT_REG, queue_tail_, 4, here);
  invalidator_ = static_cast<std::uint32_t>(&seat - seats_.data());
  seat.invalidated = Answer::Awaited;
  here.env.send(config_.host_bus, BusRead{unit.status, Tag{}, kNoSpan, {}, 4});
  return await_invalidation(task, seat, here);
}

/// The task looks again until the unit has written.
void Vmm::on_host_data(const BusData& data, const Here& here) {
  Seat& seat = seats_[invalidator_];
  if (seat.invalidated != Answer::Awaited) return;
  const bool done = data.status != BusStatus::Ok || data.data[0] == kDone;
  if (!done) {
    const std::uint64_t status = config_.plan.posting->status;
    return here.env.send(config_.host_bus, BusRead{status, Tag{}, kNoSpan, {}, 4});
  }
  seat.invalidated = Answer::Came;
  here.kernel.wake(seat.thread);
}

Action Vmm::await_invalidation(host::Task& task, Seat& seat, const Here& here) {
  if (seat.invalidated == Answer::Came) {
    seat.invalidated = Answer::None;
    const auto* change = std::get_if<ChangeRoute>(&seat.job);
    const bool moved = change != nullptr && change->kind == ChangeRoute::Kind::Move;
    return moved ? unlock(task) : settle(task, seat, here);
  }
  const bool begins = task.pc != step::kInvalid;
  task.pc = step::kInvalid;
  if (begins || task.outcome == host::Outcome::None) return host::Poll{kPatience};
  return host::Wait{answers_};
}

/// What the host decides takes effect when it has the interrupt; a posted entry is the guest's.
Action Vmm::move_host_interrupt(host::Task& task, Seat& seat, const ChangeRoute& change,
                                const Here& here) {
  const VectorAt at = change.at;
  if (!posts(at.function)) return unlock(task);
  config_.plan.functions[at.function].vectors[raw(at.vector)].host.cpu = change.to;
  const bool clobbers = config_.mutants.has(Mutant::AffinityClobbersPosted);
  const std::uint64_t low = clobbers ? host_entry(at) : wanted_entry(at, here.vcpus.layer());
  if (low == remapping_entry(at)) return unlock(task);
  return write_entry(task, seat, at, low, here);
}

}  // namespace irqfab::vmm
