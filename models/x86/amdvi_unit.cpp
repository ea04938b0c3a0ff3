// Requests: the two tables, blocking, and the order in which requests leave.
#include "models/x86/amdvi_unit.hpp"

#include <cassert>
#include <cstring>
#include <tuple>

namespace irqfab::x86 {

using namespace amdvi;

namespace {

/// What a read of memory failed with, in the terms of the event log.
std::uint64_t type_of(BusStatus status) {
  const ErrorType type =
      status == BusStatus::NoDecode ? ErrorType::MasterAbort : ErrorType::TargetAbort;
  return LogEntry::Type::set(0, static_cast<std::uint64_t>(type));
}

}  // namespace

AmdViUnit::AmdViUnit(const Config& config)
    : config_(config),
      slots_(config.requests, config.requests),
      dtes_(config.dte_entries),
      irtes_(config.irte_entries) {}

void AmdViUnit::receive(PortId port, const Message& message, Env& env) {
  const auto* write = std::get_if<BusWrite>(&message);
  const auto* read = std::get_if<BusRead>(&message);
  if (spec_of(port) == spec_of(kInput)) {
    if (write != nullptr) on_request(port, *write, env);
    if (read != nullptr) {  // memory is not behind this port
      env.guest_error(GuestFault::UnclaimedAddress);
      env.send(port, BusData{{}, read->tag, BusStatus::NoDecode});
    }
  } else if (port == kRegisters) {
    if (write != nullptr) on_register_write(*write, env);
    if (read != nullptr) env.send(port, answer_to(*read, env));
  } else if (const auto* answer = std::get_if<BusData>(&message)) {
    if (answer->tag == command_tag()) {
      on_command(*answer, env);
    } else {
      on_table_data(answer->tag, *answer, env);
    }
  } else if (std::holds_alternative<MarkerDone>(message)) {
    on_marker_done(env);
  }
}

void AmdViUnit::on_request(PortId input, const BusWrite& write, Env& env) {
  assert(!busy());
  Request request;
  request.write = write;
  if (!is_msi_address(write.address) || !Control::IommuEn::is_set(control_)) {
    return forward(input, request, env);
  }
  if (write.size != 4) {  // an interrupt request is one DWORD
    env.guest_error(GuestFault::WrongAccessSize);
    return block(request, env);
  }
  const RequesterId device = request.device();
  if (raw(device) >= devices()) {
    return block(request, EventCode::IllegalDevTableEntry, 0, write.address, env);
  }
  const Dte* dte = dtes_.find(device, 0);
  if (dte == nullptr) {
    const WalkKey key{device, 0, Stage::Device, Basis::Current};
    const Slots::Walk* walk = slots_.joinable(key);
    if (walk != nullptr) return slots_.wait(walk->tag, input, request);
    const Tag tag = slots_.start(key);
    slots_.wait(tag, input, request);
    const std::uint64_t entry =
        (device_table_ & DeviceTableBase::Base::kMask) + raw(device) * Dte::kBytes;
    return env.send(kMemory, BusRead{entry + Dte::kByteOffset, tag, write.span, {}, 16});
  }
  const Course course = follow(*dte, request, env);
  if (course == Course::Blocked) return;
  if (course == Course::Pass) return forward(input, request, env);
  if (const Irte* irte = cached(request)) {
    env.note(Event::IrteHit, write.span, request.index);
    if (translate(*irte, request, env)) forward(input, request, env);
    return;
  }
  slots_.wait(walk_entry_of(request, env), input, request);
}

/// The walk under way for the request's entry, or a new one.
Tag AmdViUnit::walk_entry_of(const Request& request, Env& env) {
  const WalkKey key{request.device(), request.index, Stage::Interrupt, request.basis};
  if (const Slots::Walk* walk = slots_.joinable(key)) return walk->tag;
  const Tag tag = slots_.start(key);
  const std::uint64_t bytes = bytes_of(format());
  env.send(kMemory, BusRead{request.table + request.index * bytes,
                            tag,
                            request.write.span,
                            {},
                            static_cast<std::uint8_t>(bytes)});
  return tag;
}

const Irte* AmdViUnit::cached(const Request& request) const {
  return irtes_.find(request.device(), request.index);
}

void AmdViUnit::on_table_data(Tag tag, const BusData& answer, Env& env) {
  const Slots::Walk* walk = slots_.find(tag);
  if (walk == nullptr) return;  // an answer to no question
  if (walk->key.stage == Stage::Device) {
    on_device_entry(tag, answer, env);
  } else {
    on_interrupt_entry(tag, answer, env);
  }
  slots_.release([&](const Request& request, Slots::Turn turn) { emit(request, turn, env); });
  drain(env);
}

void AmdViUnit::on_device_entry(Tag tag, const BusData& answer, Env& env) {
  const Slots::Walk walk = *slots_.find(tag);
  Dte dte;
  std::memcpy(&dte.bits, answer.data.data(), sizeof dte.bits);
  const bool read = answer.status == BusStatus::Ok;
  if (read && !walk.stale && dte.valid() && !dte.malformed()) dtes_.fill(walk.key.device, 0, dte);

  slots_.land(tag, [&](Request& request) {
    if (!read) {
      const std::uint64_t entry =
          (device_table_ & DeviceTableBase::Base::kMask) + raw(walk.key.device) * Dte::kBytes;
      block(request, EventCode::DevTabHardwareError, type_of(answer.status), entry, env);
      return Slots::Next::gone();
    }
    env.note(Event::DteFetched, request.write.span, raw(walk.key.device));
    if (walk.stale) request.basis = Basis::Invalidated;
    switch (follow(dte, request, env)) {
      case Course::Pass:
        return Slots::Next::ready();
      case Course::LookUp:
        return look_up(request, env);
      case Course::Blocked:
        break;
    }
    return Slots::Next::gone();
  });
}

AmdViUnit::Slots::Next AmdViUnit::look_up(Request& request, Env& env) {
  const Irte* irte = cached(request);
  if (irte == nullptr) return Slots::Next::walk(walk_entry_of(request, env));
  env.note(Event::IrteHit, request.write.span, request.index);
  return translate(*irte, request, env) ? Slots::Next::ready() : Slots::Next::gone();
}

void AmdViUnit::on_interrupt_entry(Tag tag, const BusData& answer, Env& env) {
  const Slots::Walk walk = *slots_.find(tag);
  Irte irte;
  std::memcpy(&irte.low, answer.data.data(), sizeof irte.low);
  std::memcpy(&irte.high, answer.data.data() + sizeof irte.low, sizeof irte.high);
  if (format() == IrteFormat::Basic) irte = Irte{Field<31, 0>::get(irte.low), 0};
  const bool read = answer.status == BusStatus::Ok;
  const bool current = !walk.stale && walk.key.basis == Basis::Current;
  if (read && current && irte.remaps() && !irte.malformed(format())) {
    irtes_.fill(walk.key.device, walk.key.index, irte);
  }
  slots_.land(tag, [&](Request& request) {
    if (!read) {
      block(request, EventCode::PageTabHardwareError, type_of(answer.status),
            request.table + request.index * bytes_of(format()), env);
      return Slots::Next::gone();
    }
    env.note(Event::IrteFetched, request.write.span, request.index);
    return translate(irte, request, env) ? Slots::Next::ready() : Slots::Next::gone();
  });
}

/// What the device's entry says about the request (2.2.2, "Device Table Entry Format").
AmdViUnit::Course AmdViUnit::follow(const Dte& dte, Request& request, Env& env) {
  if (!dte.valid()) return Course::Pass;
  if (dte.malformed()) {
    const std::uint64_t flags = LogEntry::RZ::set(0, dte.has_reserved_bits());
    block(request, EventCode::IllegalDevTableEntry, flags, request.write.address, env);
    return Course::Blocked;
  }
  if (Dte::IG::is_set(dte.bits)) request.reporting = Reporting::Suppress;
  const auto data = static_cast<std::uint32_t>(request.write.data);
  const auto type = static_cast<DeliveryMode>(MsiData::DeliveryMode::get(data));
  if (goes_to_irr(type)) return follow_table(dte, request, env);
  // With 2048 interrupts a device, DM says that the bits of the type belong to the index.
  if (MsiAddress::Dm::is_set(request.write.address)) {
    if (Control::NumIntRemapMode::get(control_) == kRemapMode2048) {
      return follow_table(dte, request, env);
    }
    fault(request, 0, env);
    return Course::Blocked;
  }
  switch (type) {
    case DeliveryMode::Smi:
      return Course::Pass;
    case DeliveryMode::Nmi:
      return pass_if(Dte::NMIPass::is_set(dte.bits), request, env);
    case DeliveryMode::Init:
      return pass_if(Dte::INITPass::is_set(dte.bits), request, env);
    case DeliveryMode::ExtInt:
      return pass_if(Dte::EIntPass::is_set(dte.bits), request, env);
    default:
      break;
  }
  return pass_if(false, request, env);
}

AmdViUnit::Course AmdViUnit::pass_if(bool allowed, const Request& request, Env& env) {
  if (allowed) return Course::Pass;
  fault(request, 0, env);
  return Course::Blocked;
}

/// Fixed and arbitrated interrupts (2.2.5): the data's low 11 bits are the index.
AmdViUnit::Course AmdViUnit::follow_table(const Dte& dte, Request& request, Env& env) {
  if (dte.handling() == Dte::Handling::Forward) return Course::Pass;
  using Index = Field<10, 0>;
  request.index = static_cast<std::uint16_t>(Index::get(request.write.data));
  request.table = dte.table();
  if (dte.handling() == Dte::Handling::Abort || request.index >= dte.table_entries()) {
    fault(request, 0, env);
    return Course::Blocked;
  }
  return Course::LookUp;
}

/// Applies the entry, or blocks the request and answers false.
bool AmdViUnit::translate(const Irte& irte, Request& request, Env& env) {
  if (irte.faults_suppressed()) request.reporting = Reporting::Suppress;
  if (!irte.remaps()) {
    fault(request, 0, env);
    return false;
  }
  if (irte.malformed(format())) {
    using E = LogEntry;
    fault(request, E::PR::set(E::RZ::set(0, 1), 1), env);
    return false;
  }
  const MsiMessage message = irte.message(format());
  request.write.address = message.address;
  request.write.data = message.data;
  request.translated = true;
  return true;
}

void AmdViUnit::forward(PortId input, const Request& request, Env& env) {
  if (slots_.holds_any_of(input)) return slots_.hold(input, request);
  emit(request, Slots::Turn::AtOnce, env);
}

void AmdViUnit::emit(const Request& request, Slots::Turn turn, Env& env) {
  const SpanId span = request.write.span;
  if (turn == Slots::Turn::HeldForOrder && span != kNoSpan) {
    env.note(Event::HeldForOrder, span);
  }
  if (request.translated) env.note(Event::Remapped, span, request.index);
  env.send(kOutput, request.write);
}

void AmdViUnit::block(const Request& request, Env& env) {
  env.drop(request.write.span, DropReason::RemapFault);
}

void AmdViUnit::block(const Request& request, EventCode code, std::uint64_t flags,
                      std::uint64_t address, Env& env) {
  using E = LogEntry;
  std::uint64_t low = E::DeviceID::set(flags, raw(request.device()));
  low = E::I::set(low, 1);
  low = E::Code::set(low, static_cast<std::uint64_t>(code));
  if (log(low, address, env)) {
    env.note(Event::RemapFaulted, request.write.span, static_cast<std::uint64_t>(code));
  }
  block(request, env);
  update_interrupt(env);
}

/// IO_PAGE_FAULT, unless an entry wants none (IG, SupIOPF).
void AmdViUnit::fault(const Request& request, std::uint64_t flags, Env& env) {
  if (request.reporting == Reporting::Suppress) return block(request, env);
  block(request, EventCode::IoPageFault, flags, request.write.address, env);
}

IrteFormat AmdViUnit::format() const {
  if (!Control::GAEn::is_set(control_)) return IrteFormat::Basic;
  return Control::XTEn::is_set(control_) ? IrteFormat::LongXt : IrteFormat::Long;
}

/// How many entries the device table has.
std::uint32_t AmdViUnit::devices() const {
  constexpr std::uint32_t kEntriesAPage = 4096 / Dte::kBytes;
  return static_cast<std::uint32_t>(DeviceTableBase::Size::get(device_table_) + 1) * kEntriesAPage;
}

void AmdViUnit::held_spans(std::vector<SpanId>& out) const {
  slots_.for_each([&](const Request& request) {
    if (request.write.span != kNoSpan) out.push_back(request.write.span);
  });
}

bool operator==(const AmdViUnit& a, const AmdViUnit& b) {
  const auto parts = [](const AmdViUnit& unit) {
    return std::tie(unit.slots_, unit.dtes_, unit.irtes_, unit.events_, unit.device_table_,
                    unit.command_buffer_, unit.command_head_, unit.command_tail_, unit.control_,
                    unit.wait_status_, unit.msi_capability_, unit.msi_message_, unit.xt_interrupt_,
                    unit.interrupting_, unit.commands_running_, unit.command_state_, unit.fence_,
                    unit.wait_low_, unit.wait_high_);
  };
  return parts(a) == parts(b);
}

}  // namespace irqfab::x86
