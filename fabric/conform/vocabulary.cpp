#include "fabric/conform/vocabulary.hpp"

#include <algorithm>

namespace irqfab::conform {
namespace {

constexpr std::uint64_t k8 = 0xFF, k16 = 0xFFFF, k32 = 0xFFFFFFFF, k64 = ~std::uint64_t{0};
constexpr std::uint64_t kMostApicId = 4095;
constexpr std::uint64_t kMostMilliseconds = 600'000;

constexpr FieldRow number(std::string_view name, std::uint64_t most, Use use = Use::Needed) {
  return {name, Kind::Number, use, most};
}
constexpr FieldRow flag(std::string_view name, Use use = Use::Needed) {
  return number(name, 1, use);
}
constexpr FieldRow text(std::string_view name, Use use = Use::Needed) {
  return {name, Kind::Text, use};
}
constexpr FieldRow word(std::string_view name, std::string_view words) {
  return {name, Kind::Word, Use::Needed, 0, words};
}
constexpr FieldRow answer(std::string_view name) { return {name, Kind::Answer, Use::Result}; }

constexpr FieldRow kCpu = number("cpu", k32);
constexpr FieldRow kRet = answer("ret");
constexpr FieldRow kNote = text("note", Use::Ignored);
constexpr FieldRow kReg = text("reg", Use::Ignored);
constexpr FieldRow kAs = text("as");

template <std::size_t N>
constexpr OpRow op(std::string_view name, const FieldRow (&fields)[N]) {
  return {name, fields, N};
}

// ---- kvm_x86 ----------------------------------------------------------------------------------

constexpr FieldRow kCreateVm[] = {
    word("irqchip", "full|split|none"),
    {"apic_ids", Kind::Ids, Use::Needed, kMostApicId},
    number("x2apic_api", k32, Use::Optional),
    answer("x2apic_api_ret"),
    kNote,
};
constexpr FieldRow kSetLapic[] = {
    kCpu, number("svr", k32), number("ldr", k32), number("dfr", k32), number("tpr", k32), kRet,
    kNote};
constexpr FieldRow kSetLapicReg[] = {kCpu, number("reg", 0x3F0), number("value", k32), kRet, kNote};
constexpr FieldRow kMoveIrr[] = {kCpu, number("vector", k8), kRet, kNote};
constexpr FieldRow kSetApicBase[] = {kCpu, number("value", k64), kRet, kNote};
constexpr FieldRow kSetMpState[] = {kCpu, number("value", k32), kRet, kNote};
constexpr FieldRow kSetGsiRouting[] = {
    number("flags", k32, Use::Optional), number("nr", k32), {"routes", Kind::Routes}, kRet, kNote};
constexpr FieldRow kSetRte[] = {number("pin", 23), number("rte", k64), kRet, kNote};
constexpr FieldRow kSetPic[] = {
    {"chip", Kind::WordOrNumber, Use::Needed, 1, "pic_master|pic_slave"},
    number("imr", k8),
    number("irq_base", k8),
    number("elcr", k8),
    kRet,
    kNote};
constexpr FieldRow kEventfd[] = {text("fd"), number("init", k32, Use::Optional),
                                 flag("semaphore", Use::Optional), kNote};
constexpr FieldRow kEventfdWrite[] = {text("fd"), number("value", k64), kRet, kNote};
constexpr FieldRow kEventfdRead[] = {text("fd"), kRet, kNote};
constexpr FieldRow kEventfdClose[] = {text("fd"), kRet, kNote};
constexpr FieldRow kIrqfd[] = {text("fd"),
                               number("gsi", k32),
                               {"flags", Kind::Flags, Use::Optional, k32, "deassign"},
                               text("resample_fd", Use::Optional),
                               kRet,
                               kNote};
constexpr FieldRow kSignalMsi[] = {number("addr_lo", k32),
                                   number("addr_hi", k32, Use::Optional),
                                   number("data", k32),
                                   number("flags", k32, Use::Optional),
                                   number("devid", k32, Use::Optional),
                                   kRet,
                                   kNote};
constexpr FieldRow kIrqLineStatus[] = {number("gsi", k32), number("level", k32), kRet,
                                       answer("status"), kNote};
constexpr FieldRow kIrqLine[] = {number("gsi", k32), number("level", k32), kRet, kNote};
constexpr FieldRow kSetMsr[] = {kCpu, number("msr", k32), number("value", k64), answer("msrs_set"),
                                kNote};
constexpr FieldRow kGetMsr[] = {kCpu, number("msr", k32), answer("msrs_got"),
                                number("value", k64, Use::Result), kNote};
constexpr FieldRow kKvmNmi[] = {kCpu, kRet, kNote};
constexpr FieldRow kKvmInterrupt[] = {kCpu, number("irq", k32), kRet, kNote};
constexpr FieldRow kRunOut[] = {kCpu, kRet, number("exit_reason", k32, Use::Result), kNote};
constexpr FieldRow kRunGuest[] = {word("loop", "spin|hlt"),
                                  number("ms", kMostMilliseconds),
                                  number("during_signal_msi", k32, Use::Optional),
                                  number("isr_entries", k32, Use::Result),
                                  {"isr_order", Kind::Vectors, Use::Result},
                                  kNote};
constexpr FieldRow kSnapshot[] = {text("label", Use::Ignored), {"state", Kind::State}, kNote};

constexpr OpRow kKvmOps[] = {
    op("create_vm", kCreateVm),
    op("set_lapic", kSetLapic),
    op("set_lapic_reg", kSetLapicReg),
    op("move_irr_to_isr", kMoveIrr),
    op("set_apic_base", kSetApicBase),
    op("set_mp_state", kSetMpState),
    op("set_gsi_routing", kSetGsiRouting),
    op("set_ioapic_rte", kSetRte),
    op("set_pic", kSetPic),
    op("eventfd", kEventfd),
    op("eventfd_write", kEventfdWrite),
    op("eventfd_read", kEventfdRead),
    op("eventfd_close", kEventfdClose),
    op("irqfd", kIrqfd),
    op("signal_msi", kSignalMsi),
    op("irq_line_status", kIrqLineStatus),
    op("irq_line", kIrqLine),
    op("set_msr", kSetMsr),
    op("get_msr", kGetMsr),
    op("kvm_nmi", kKvmNmi),
    op("kvm_interrupt", kKvmInterrupt),
    op("run_out_insn_if0", kRunOut),
    op("run_guest", kRunGuest),
    op("snapshot", kSnapshot),
};

constexpr FieldRow kRoute[] = {
    number("gsi", k32),
    {"type", Kind::WordOrNumber, Use::Needed, k32, "irqchip|msi"},
    {"chip", Kind::WordOrNumber, Use::Optional, k32, "pic_master|pic_slave|ioapic"},
    number("pin", k32, Use::Optional),
    number("addr_lo", k32, Use::Optional),
    number("addr_hi", k32, Use::Optional),
    number("data", k32, Use::Optional),
    number("devid", k32, Use::Optional),
    number("flags", k32, Use::Optional),
};
constexpr OpRow kRouteRow = op("route", kRoute);

// ---- qemu_x86 ---------------------------------------------------------------------------------

constexpr FieldRow kRid = number("rid", k16);
constexpr FieldRow kPin = number("pin", 23);
constexpr FieldRow kMsixEntryNumber = number("entry", 4);

constexpr FieldRow kLapicWrite[] = {kCpu, number("off", 0xFFC), number("val", k32), kReg, kNote};
constexpr FieldRow kLapicRead[] = {kCpu, number("off", 0xFFC), kReg, kAs, kNote};
constexpr FieldRow kOfCpu[] = {kCpu, kAs, kNote};
constexpr FieldRow kIoapicPin[] = {kPin, flag("level"), kNote};
constexpr FieldRow kRteWrite[] = {kPin, number("val", k64), kNote};
constexpr FieldRow kRteRead[] = {kPin, kAs, kNote};
constexpr FieldRow kIoapicReg[] = {number("index", k8), kReg, kAs, kNote};
constexpr FieldRow kIoapicRegWrite[] = {number("index", k8), number("val", k32), kReg, kNote};
constexpr FieldRow kIoapicEoi[] = {number("vec", k32), kNote};
constexpr FieldRow kMsiWrite[] = {kRid, number("addr", k64), number("data", k16), kNote};
constexpr FieldRow kMsiCap[] = {kRid, number("addr", k64), number("data", k16), flag("enable"),
                                kNote};
constexpr FieldRow kFunctionStatus[] = {kRid, number("status_bit", k32), kNote};
constexpr FieldRow kCommand[] = {kRid, number("val", k16), kNote};
constexpr FieldRow kBusMaster[] = {kRid, flag("on"), kNote};
constexpr FieldRow kRead[] = {kAs, kNote};
constexpr FieldRow kMsixControl[] = {kRid, flag("enable"), flag("function_mask"), kNote};
constexpr FieldRow kMsixEntry[] = {
    kRid, kMsixEntryNumber, number("addr", k64), number("data", k32), number("mask", k32), kNote};
constexpr FieldRow kVectorMask[] = {kMsixEntryNumber, number("mask", k32),
                                    number("rid", k16, Use::Optional), kNote};
constexpr FieldRow kFunctionEvent[] = {kRid, kMsixEntryNumber, kNote};
constexpr FieldRow kMsixPba[] = {kAs, number("rid", k16, Use::Optional), kNote};
constexpr FieldRow kPbaWrite[] = {number("val", k32), number("rid", k16, Use::Optional), kNote};
constexpr FieldRow kVectorControl[] = {kMsixEntryNumber, kAs, number("rid", k16, Use::Optional),
                                       kNote};
constexpr FieldRow kIrte[] = {number("index", k16), number("lo", k64), number("hi", k64), kNote};
constexpr FieldRow kVtdWrite[] = {number("off", 0xFFC), number("val", k64), kReg, kNote};
constexpr FieldRow kVtdRead[] = {number("off", 0xFFC), kReg, kAs, kNote};
constexpr FieldRow kNoteOp[] = {text("text", Use::Ignored), kNote};

constexpr OpRow kQemuOps[] = {
    op("lapic_write", kLapicWrite),
    op("lapic_read", kLapicRead),
    op("lapic_state", kOfCpu),
    op("lapic_tmr", kOfCpu),
    op("cpu_accept", kOfCpu),
    op("ioapic_pin", kIoapicPin),
    op("ioapic_rte_write", kRteWrite),
    op("ioapic_rte_read", kRteRead),
    op("ioapic_reg", kIoapicReg),
    op("ioapic_reg_write", kIoapicRegWrite),
    op("ioapic_eoi_reg", kIoapicEoi),
    op("msi_write", kMsiWrite),
    op("pci_msi_cap", kMsiCap),
    op("pci_function_interrupt", kFunctionStatus),
    op("pci_function_ack", kFunctionStatus),
    op("pci_command", kCommand),
    op("pci_bus_master", kBusMaster),
    op("pci_status_interrupt_bit", kRead),
    op("msix_control", kMsixControl),
    op("msix_entry", kMsixEntry),
    op("msix_vector_mask", kVectorMask),
    op("msix_function_event", kFunctionEvent),
    op("msix_pba", kMsixPba),
    op("pba_write", kPbaWrite),
    op("msix_vector_control", kVectorControl),
    op("irte", kIrte),
    op("vtd_write", kVtdWrite),
    op("vtd_read", kVtdRead),
    op("note", kNoteOp),
};

}  // namespace

const FieldRow* OpRow::find(std::string_view field) const {
  const FieldRow* at =
      std::find_if(begin(), end(), [&](const FieldRow& row) { return row.name == field; });
  return at == end() ? nullptr : at;
}

OpRows ops_of(Vocabulary vocabulary) {
  if (vocabulary == Vocabulary::KvmX86) return {kKvmOps, std::size(kKvmOps)};
  return {kQemuOps, std::size(kQemuOps)};
}

const OpRow* find_op(Vocabulary vocabulary, std::string_view name) {
  const OpRows rows = ops_of(vocabulary);
  const OpRow* at =
      std::find_if(rows.begin(), rows.end(), [&](const OpRow& row) { return row.name == name; });
  return at == rows.end() ? nullptr : at;
}

const OpRow& route_row() { return kRouteRow; }

}  // namespace irqfab::conform
