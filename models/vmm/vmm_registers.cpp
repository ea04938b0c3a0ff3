// Accesses of vCPUs to the registers of devices.
//
// Models: the MSI-X table and its capability, and that of MSI (vmm_msi.cpp), as a VMM traps them
// (PCI Local Bus 3.0, 6.8). What a function's own core keeps of them it is told as well, except
// what holds messages of the host in an assigned function: the guest's is kept here. Its device
// registers are mapped into the guest, which reaches them without an exit.
#include <algorithm>
#include <cstring>

#include "models/pci/functions.hpp"
#include "models/vmm/vmm.hpp"
#include "models/vmm/vmm_steps.hpp"
#include "models/x86/register_data.hpp"

namespace irqfab::vmm {
namespace {

using host::Action;

constexpr std::uint64_t kEntryBytes = 16;
constexpr std::uint64_t kVectorControl = 12;
constexpr std::uint64_t kIoapicPage = 0xFEC00000;
constexpr std::uint64_t kIoapicBytes = 0x1000;
constexpr std::uint32_t kDirectRead = std::uint32_t{1} << 31;  // of a tag: no task waits for it
constexpr Duration kPatience = kPsPerMs;  // burnt for an answer before the task goes to sleep

/// The dword that is written at `offset`, if the access writes it.
std::optional<std::uint32_t> dword_at(const Access& access, std::uint64_t first,
                                      std::uint64_t offset) {
  if (offset < first || offset >= first + access.size) return std::nullopt;
  return static_cast<std::uint32_t>(access.data >> (8 * (offset - first)));
}

std::optional<pci::ConfigWrite> config_write_of(std::uint64_t offset, const Access& access) {
  return pci::config_write_of(offset,
                              BusWrite{access.address, access.data, kNoSpan, {}, access.size});
}

bool sends(std::uint32_t msix_control) {
  const std::uint32_t control = msix_control >> 16;
  return (control & pci::kMsixEnable) != 0 && (control & pci::kMsixFunctionMask) == 0;
}

}  // namespace

// ---- what comes in ----------------------------------------------------------------------------

std::optional<Vmm::Place> Vmm::place_of(std::uint64_t address) const {
  const auto within = [address](const std::vector<Base>& bases, std::uint64_t bytes,
                                Place::Space space) -> std::optional<Place> {
    const auto behind = std::upper_bound(bases.begin(), bases.end(), Base{address, ~0u});
    if (behind == bases.begin()) return std::nullopt;
    const auto [base, function] = *std::prev(behind);
    if (address - base >= bytes) return std::nullopt;
    return Place{space, function, address - base};
  };
  if (ioapic_ && address - kIoapicPage < kIoapicBytes) {
    return Place{Place::Space::Ioapic, 0, address - kIoapicPage};
  }
  const auto window = within(windows_, pci::kFunctionWindowBytes, Place::Space::Window);
  return window ? window : within(configs_, pci::kConfigSpaceBytes, Place::Space::Config);
}

bool Vmm::is_assigned(const Place& place) const {
  return place.space != Place::Space::Ioapic &&
         config_.plan.functions[place.function].attach == Attach::Assigned;
}

/// Registers of an assigned function that hold what the host has decided: the guest's are here.
bool Vmm::is_kept_here(const Place& place) const {
  if (!is_assigned(place)) return false;
  if (place.space == Place::Space::Config) return is_kept_msi(place);
  return place.offset < pci::kDeviceRegisterOffset;
}

/// One that nothing claims is answered as a master abort is: all ones.
void Vmm::on_access(CpuId vcpu, PortId from, const Message& message, SpanId by, const Here& here) {
  Access access;
  access.from = from;
  access.span = by;
  if (const auto* write = std::get_if<BusWrite>(&message)) {
    access.address = write->address;
    access.data = write->data;
    access.size = write->size;
  } else if (const auto* read = std::get_if<BusRead>(&message)) {
    access.kind = Access::Kind::Read;
    access.address = read->address;
    access.size = read->size;
    access.tag = read->tag;
  }
  const std::optional<Place> place = place_of(access.address);
  const bool mapped = place && is_assigned(*place) && place->space == Place::Space::Window &&
                      place->offset >= pci::kDeviceRegisterOffset && !is_trapped(*place);
  if (mapped) return reach_directly(vcpu, access, *place, here);
  seats_[raw(vcpu)].waiting.push(access);
  here.vcpus.leave_for_user(vcpu, ExitReason::Mmio, access.address, by, here.kernel, here.env);
}

/// A vCPU has one read under way at a time.
void Vmm::reach_directly(CpuId vcpu, const Access& access, const Place& place, const Here& here) {
  if (access.kind == Access::Kind::Read) seats_[raw(vcpu)].direct = access;
  pass_on(access, place, Tag{raw(vcpu) | kDirectRead}, here);
}

void Vmm::on_data(const BusData& data, const Here& here) {
  if ((raw(data.tag) & kHostRead) != 0) {
    HostPin& pin = host_pins_[raw(data.tag) & ~kHostRead];
    pin.answered = true;
    std::memcpy(&pin.answer, data.data.data(), sizeof pin.answer);
    return;
  }
  const std::uint32_t vcpu = raw(data.tag) & ~kDirectRead;
  if (vcpu >= first_device_) return;
  Seat& seat = seats_[vcpu];
  if ((raw(data.tag) & kDirectRead) != 0) {
    return here.env.send(seat.direct.from,
                         BusData{data.data, seat.direct.tag, data.status, seat.direct.span});
  }
  seat.data = data;
  seat.answer = Answer::Came;
  here.kernel.wake(seat.thread);
}

void Vmm::pass_on(const Access& access, const Place& place, Tag tag, const Here& here) {
  const std::uint32_t edge = config_.plan.functions[place.function].registers_edge;
  const PortId way = is_assigned(place) ? config_.bridges : config_.registers;
  const PortId port = port_of(spec_of(way), edge);
  if (access.kind == Access::Kind::Read) {
    here.env.send(port, BusRead{access.address, tag, access.span, {}, access.size});
  } else {
    here.env.send(port, BusWrite{access.address, access.data, kNoSpan, {}, access.size});
  }
}

// ---- under the big lock -----------------------------------------------------------------------

/// A function's own core says itself that it has read a device register.
Action Vmm::model(host::Task& task, Seat& seat, const Access& access, const Here& here) {
  const std::optional<Place> place = place_of(access.address);
  if (!place) return refuse(task, access, here);
  const bool says_itself = place->space == Place::Space::Window &&
                           access.kind == Access::Kind::Read &&
                           place->offset >= pci::kDeviceRegisterOffset;
  if (says_itself) return this->access(task, seat, here);
  task.pc = step::kAccess;
  return host::Charge{Event::DeviceModelled, place->offset};
}

Action Vmm::refuse(host::Task& task, const Access& access, const Here& here) const {
  here.env.guest_error(GuestFault::UnclaimedAddress);
  if (access.kind == Access::Kind::Write) return unlock(task);
  BusData nothing{{}, access.tag, BusStatus::NoDecode, access.span};
  nothing.data.fill(0xFF);
  return answer(task, access, nothing, here);
}

Action Vmm::access(host::Task& task, Seat& seat, const Here& here) {
  const Access& access = std::get<Access>(seat.job);
  const Place place = *place_of(access.address);
  if (place.space == Place::Space::Ioapic) {
    return access_ioapic(task, seat, access, place.offset, here);
  }
  if (access.kind == Access::Kind::Read) {
    if (is_kept_here(place))
      return answer(task, access,
                    x86::register_data(table_at(place, access), access.tag, access.span), here);
    seat.answer = Answer::Awaited;
    pass_on(access, place, Tag{raw(here.kernel.self().slot)}, here);
    return await(task, seat, here);
  }
  seat.function = place.function;
  if (opens(place, access)) {
    take(place, access);
    seat.then = Then::Forward;
  } else {
    forward(access, place, here);
    take(place, access);
    seat.then = Then::Finish;
  }
  return settle(task, seat, here);
}

/// Interrupt Disable of an assigned function is the host's.
void Vmm::forward(const Access& access, const Place& place, const Here& here) {
  const auto write = config_write_of(place.offset, access);
  const bool of_command = is_assigned(place) && place.space == Place::Space::Config && write &&
                          write->offset == pci::kConfigCommand;
  if (of_command) {
    Function& function = functions_[place.function];
    function.command = static_cast<std::uint16_t>(write->merged_into(function.command));
    return write_command(place.function, here);
  }
  if (!is_kept_here(place)) pass_on(access, place, Tag{}, here);
}

/// The vCPU's thread that waits for a function runs the function's model meanwhile.
Vmm::Seat* Vmm::reader_of(std::uint32_t function) {
  for (std::uint32_t vcpu = 0; vcpu < first_device_; ++vcpu) {
    Seat& seat = seats_[vcpu];
    if (seat.answer != Answer::Awaited) continue;
    if (place_of(std::get<Access>(seat.job).address)->function == function) return &seat;
  }
  return nullptr;
}

/// The thread keeps its CPU for a while: a function of the VMM's is a call away. What the read did
/// to the function's line is done before the guest has the answer.
Action Vmm::await(host::Task& task, Seat& seat, const Here& here) {
  if (seat.answer == Answer::Came) {
    const Place place = *place_of(std::get<Access>(seat.job).address);
    if (is_trapped(place)) seat.lines.push(DriveLine{kNoSpan, place.function, Level::Low});
  }
  if (seat.answer == Answer::Came && !seat.lines.empty()) {
    return drive(task, seat, seat.lines.pop(), here);
  }
  if (seat.answer == Answer::Came) {
    const Access& access = std::get<Access>(seat.job);
    seat.answer = Answer::None;
    return answer(task, access, BusData{seat.data.data, access.tag, seat.data.status, access.span},
                  here);
  }
  task.pc = step::kAwait;
  if (task.outcome == host::Outcome::None) return host::Poll{kPatience};
  return host::Wait{answers_};
}

Action Vmm::answer(host::Task& task, const Access& access, const BusData& data,
                   const Here& here) const {
  here.env.send(access.from, data);
  task.span = kNoSpan;
  return unlock(task);
}

/// May the function send what it could not before? Then whatever carries it is put in order first.
bool Vmm::opens(const Place& place, const Access& access) const {
  if (place.space == Place::Space::Window) {
    const std::uint64_t control = place.offset / kEntryBytes * kEntryBytes + kVectorControl;
    const auto value = dword_at(access, place.offset, control);
    return value && (*value & 1) == 0;
  }
  if (is_msi(place)) return opens_msi(place, access);
  const auto write = config_write_of(place.offset, access);
  const bool of_control = write && write->offset == pci::kConfigMsixCapability;
  return of_control && sends(write->merged_into(functions_[place.function].msix_control));
}

/// What the access makes of the function's vectors.
void Vmm::take(const Place& place, const Access& access) {
  Function& function = functions_[place.function];
  if (place.space == Place::Space::Window) {
    const bool whole = (access.size == 4 || access.size == 8) && place.offset % access.size == 0;
    if (!whole || place.offset >= pci::kMsixPbaOffset) return;
    for (std::uint64_t offset = place.offset; offset < place.offset + access.size; offset += 4) {
      function.vectors.write_table(offset, *dword_at(access, place.offset, offset));
    }
    return;
  }
  if (is_msi(place)) return take_msi(place, access);
  const auto write = config_write_of(place.offset, access);
  if (!write || write->offset != pci::kConfigMsixCapability) return;
  function.msix_control = write->merged_into(function.msix_control);
  const std::uint32_t control = function.msix_control >> 16;
  const bool masked = (control & pci::kMsixFunctionMask) != 0;
  function.vectors.set_function_mask(masked ? Mask::On : Mask::Off);
  (control & pci::kMsixEnable) != 0 ? function.vectors.enable() : function.vectors.disable();
}

/// What a read of an assigned function's table gives, or of its MSI capability.
std::uint64_t Vmm::table_at(const Place& place, const Access& access) const {
  if (place.space == Place::Space::Config) {
    const std::uint64_t dword = place.offset & ~std::uint64_t{3};
    const std::uint32_t value = functions_[place.function].msi->config_dword(FunctionRow{0}, dword);
    return value >> (8 * (place.offset - dword));
  }
  const FunctionVectors& vectors = functions_[place.function].vectors;
  const std::uint64_t first = place.offset & ~std::uint64_t{3};
  const std::uint64_t low = vectors.read_table(first);
  return access.size == 8 ? low | std::uint64_t{vectors.read_table(first + 4)} << 32 : low;
}

}  // namespace irqfab::vmm
