// KVM_SET_GSI_ROUTING: tables come, irqfds are told, and tables go when nobody reads them any more.
#include <algorithm>
#include <utility>

#include "models/kvm/irq_layer.hpp"
#include "models/kvm/irq_layer_locals.hpp"

namespace irqfab::kvm {
namespace {

using host::Acquire;
using host::Action;
using host::Charge;
using host::go_on;
using host::Release;

constexpr std::uint16_t kRefresh = 5, kReturn = 10;  // steps of set_gsi_routing()

}  // namespace

std::uint32_t IrqLayer::stage(std::vector<Route> routes) {
  const auto free = std::find_if(updates_.begin(), updates_.end(),
                                 [](const Update& update) { return !update.taken; });
  const auto handle = static_cast<std::uint32_t>(free - updates_.begin());
  if (free == updates_.end()) updates_.emplace_back();
  updates_[handle] = {std::move(routes), {}, true};
  return handle;
}

/// Argument: the staged table. In argument 1 the version that it replaces, in 2 and 3 how far the
/// refresh has come.
Action IrqLayer::set_gsi_routing(host::Task& task) {
  Update& update = updates_[argument(task, 0)];
  const auto entries = static_cast<std::uint32_t>(update.routes.size());
  const bool copies = entries > 0 && entries <= config_.irqchip.max_routes;
  switch (task.pc++) {
    case 0:
      return Charge{Event::SyscallEntered};
    case 1:
      if (!copies) return go_on();
      return Charge{Event::RoutesCopied, entries, entries};
    case 2:
      set_answer(task, build(update));
      if (task.value == 0) return Acquire{locks_.irq};
      jump(task, kReturn);
      return go_on();
    case 3:
      argument(task, 1) = version_;
      argument(task, 2) = argument(task, 3) = 0;
      publish(update);
      return go_on();
    case 4:
      return Acquire{locks_.irqfds};
    case kRefresh:
      return refresh(task);
    case kRefresh + 1:
      return Release{locks_.irqfds};
    case kRefresh + 2:
      if (config_.mutants.has(Mutant::RoutesFreedEarly)) free_table(argument(task, 1));
      return Release{locks_.irq};
    case kRefresh + 3:
      return grace();
    case kRefresh + 4:
      free_table(argument(task, 1));
      return Charge{Event::RoutesUpdated, entries};
    case kReturn:
      update = {};
      return Charge{Event::SyscallReturned};
    default:
      return host::finish(task);
  }
}

/// 0, or what refuses the table.
Answer IrqLayer::build(Update& update) const {
  const Irqchip::Config& chip = config_.irqchip;
  update.table = GsiRouting(chip.kind, chip.destination, chip.max_routes);
  return update.table.replace(update.routes);
}

void IrqLayer::publish(Update& update) {
  retired_.push_back({version_, std::exchange(chip_.routing(), std::move(update.table))});
  ++version_;
  chip_.routes_changed();
}

Answer IrqLayer::set_routes_now(const std::vector<Route>& routes) {
  const Answer refused = chip_.routing().replace(routes);
  if (refused != 0) return refused;
  chip_.routes_changed();
  for (Eventfd& row : eventfds_) {
    if (row.irqfd.state == IrqfdState::Active) refresh_now(row.irqfd);
  }
  return 0;
}

/// Only what was replaced can be gone; readers find the table in force where it is.
const GsiRouting* IrqLayer::table(std::uint32_t version) const {
  if (version == version_) return &chip_.routing();
  const auto at = std::find_if(retired_.begin(), retired_.end(),
                               [version](const Retired& old) { return old.version == version; });
  return at == retired_.end() ? nullptr : &at->table;
}

void IrqLayer::free_table(std::uint32_t version) {
  retired_.erase(std::remove_if(retired_.begin(), retired_.end(),
                                [version](const Retired& old) { return old.version == version; }),
                 retired_.end());
}

host::Synchronize IrqLayer::grace() const {
  const bool hurries = config_.grace == GraceForm::SrcuExpedited;
  return {domain_, hurries ? host::Speed::Expedited : host::Speed::Normal};
}

// ---- the entries of irqfds --------------------------------------------------------------------

/// A GSI that is one message; of several entries the last counts.
std::optional<x86::MsiMessage> IrqLayer::message_of(Gsi gsi) {
  const bool unchecked = config_.mutants.has(Mutant::RouteIndexUnchecked);
  if (unchecked && raw(gsi) >= chip_.routing().gsis()) fault(LayerFault::RouteIndexOutOfTable);
  const GsiRouting::Entries entries = chip_.routing().of(gsi);
  if (entries.empty() || entries.last[-1].target != RouteTarget::Msi) return std::nullopt;
  return entries.last[-1].message;
}

void IrqLayer::refresh_now(Irqfd& irqfd) {
  const std::optional<x86::MsiMessage> wanted = message_of(irqfd.gsi);
  irqfd.entry.message = wanted.has_value();
  irqfd.entry.msi = wanted.value_or(x86::MsiMessage{});
  irqfd.entry.table = irqfd.entry.data_table = version_;
}

void IrqLayer::clear(Entry& entry) {
  entry.message = false;
  entry.sequence += 2;
}

/// The next part of the next irqfd, until none is left. In IrqfdForm::Copy an entry that would stay
/// as it is is not written, which nobody can tell; pointers always are, for the old table goes.
Action IrqLayer::refresh(host::Task& task) {
  enum Part : std::uint64_t { kBegin, kAddress, kData, kEnd };
  std::uint64_t& at = argument(task, 2);
  std::uint64_t& part = argument(task, 3);
  if (part == kBegin) at = next_to_refresh(at);
  if (at == eventfds_.size()) {
    pass(task);
    return Release{locks_.irqfds};
  }
  jump(task, kRefresh);
  Irqfd& irqfd = eventfds_[at].irqfd;
  if (config_.form == IrqfdForm::Pointer) {
    refresh_now(irqfd);
    ++at;
    return go_on();
  }
  const std::optional<x86::MsiMessage> wanted = message_of(irqfd.gsi);
  Entry& entry = irqfd.entry;
  switch (part++) {
    case kBegin:
      ++entry.sequence;
      break;
    case kAddress:
      entry.message = wanted.has_value();
      entry.msi.address = wanted.value_or(x86::MsiMessage{}).address;
      entry.table = version_;
      break;
    case kData:
      entry.msi.data = wanted.value_or(x86::MsiMessage{}).data;
      entry.data_table = version_;
      break;
    default:
      ++entry.sequence;
      part = kBegin;
      ++at;
  }
  return go_on();
}

/// From `at` on; the number of eventfds if there is none.
std::uint64_t IrqLayer::next_to_refresh(std::uint64_t at) {
  if (config_.form == IrqfdForm::Workqueue) return eventfds_.size();
  for (; at < eventfds_.size(); ++at) {
    Irqfd& irqfd = eventfds_[at].irqfd;
    if (irqfd.state != IrqfdState::Active) continue;
    const std::optional<x86::MsiMessage> wanted = message_of(irqfd.gsi);
    Entry& entry = irqfd.entry;
    const bool same = entry.message ? wanted == entry.msi : !wanted;
    if (!same || (config_.form == IrqfdForm::Pointer && entry.message)) break;
    entry.table = entry.data_table = version_;
  }
  return at;
}

}  // namespace irqfab::kvm
