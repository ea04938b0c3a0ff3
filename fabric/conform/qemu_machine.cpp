#include "fabric/conform/qemu_machine.hpp"

#include <algorithm>
#include <map>

#include "fabric/conform/handler_log.hpp"
#include "fabric/conform/machine_check.hpp"
#include "fabric/conform/q35.hpp"
#include "fabric/run/machine.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::conform {
namespace {

using pci::PciFunctions;

constexpr PortId kCaseWire = port_of(spec_of(x86::IoApic::kPins), 1023);  // of no host bridge
constexpr std::uint64_t kIsaTimerInput = 0, kIsaTimerPin = 2;
constexpr std::uint64_t kRedirectionTable = 0x10;
constexpr std::uint16_t kMemorySpace = 1u << 1, kBusMaster = 1u << 2;
constexpr std::uint16_t kMsixEnable = 1u << 15, kMsixFunctionMask = 1u << 14;
constexpr std::uint16_t kMsiEnable = 1u << 0;
constexpr std::uint32_t kStartUpIpi = 0x4608;  // the page is whoever started them's choice
constexpr unsigned kStatusInterrupt = 19;      // bit of the dword that holds Command and Status

std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

class Q35Run {
 public:
  Q35Run(const Case& test, x86::Quirks quirks)
      : test_(test),
        q35_(build_q35(test, quirks)),
        machine_(q35_.topology, resolve(built_in_profiles().front()), {}, &log_,
                 run::EngineKind::Fast) {
    for (std::uint32_t cpu = 0; cpu < cpus_of(test); ++cpu) {
      machine_.core<cpu::Cpus>(q35_.cpus).stop(CpuId{cpu});
    }
    start_others();
  }

  Comparison run() {
    for (const Op& op : test_.ops) {
      perform(op);
      if (comparison_.difference()) break;
    }
    return comparison_;
  }

 private:
  using Perform = void (Q35Run::*)(const Op&);
  struct Row {
    std::string_view op;
    Perform perform;
  };

  void perform(const Op& op) {
    static constexpr Row kRows[] = {
        {"lapic_write", &Q35Run::lapic_write},
        {"lapic_read", &Q35Run::lapic_read},
        {"lapic_state", &Q35Run::lapic_state},
        {"lapic_tmr", &Q35Run::lapic_tmr},
        {"cpu_accept", &Q35Run::cpu_accept},
        {"ioapic_pin", &Q35Run::ioapic_pin},
        {"ioapic_rte_write", &Q35Run::ioapic_rte_write},
        {"ioapic_rte_read", &Q35Run::ioapic_rte_read},
        {"ioapic_reg", &Q35Run::ioapic_reg},
        {"ioapic_reg_write", &Q35Run::ioapic_reg_write},
        {"ioapic_eoi_reg", &Q35Run::ioapic_eoi_reg},
        {"msi_write", &Q35Run::msi_write},
        {"pci_msi_cap", &Q35Run::pci_msi_cap},
        {"pci_function_interrupt", &Q35Run::pci_function_interrupt},
        {"pci_function_ack", &Q35Run::pci_function_ack},
        {"pci_command", &Q35Run::pci_command},
        {"pci_bus_master", &Q35Run::pci_bus_master},
        {"pci_status_interrupt_bit", &Q35Run::pci_status_interrupt_bit},
        {"msix_control", &Q35Run::msix_control},
        {"msix_entry", &Q35Run::msix_entry},
        {"msix_vector_mask", &Q35Run::msix_vector_mask},
        {"msix_function_event", &Q35Run::msix_function_event},
        {"msix_pba", &Q35Run::msix_pba},
        {"pba_write", &Q35Run::pba_write},
        {"msix_vector_control", &Q35Run::msix_vector_control},
        {"irte", &Q35Run::irte},
        {"vtd_write", &Q35Run::vtd_write},
        {"vtd_read", &Q35Run::vtd_read},
        {"note", &Q35Run::note},
    };
    for (const Row& row : kRows) {
      if (row.op == op.name()) (this->*row.perform)(op);
    }
    machine_.run();
  }

  /// CPU 0 has started the others one by one: its ICR holds the last start-up IPI.
  void start_others() {
    if (cpus_of(test_) < 2) return;
    machine_.act<x86::LapicBank>(q35_.lapics, LaneId{1}, [&](x86::LapicBank& bank, Env& env) {
      const std::uint32_t last = bank.id(CpuId{static_cast<std::uint32_t>(cpus_of(test_) - 1)});
      bank.restore(CpuId{0}, x86::LapicRegister::kIcrLow, kStartUpIpi, env);
      bank.restore(CpuId{0}, x86::LapicRegister::kIcrHigh, last << 24, env);
    });
    machine_.run();
  }

  // ---- accesses of software ----

  void write(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
    machine_.put(q35_.driver, cpu::Driver::kStart, BusWrite{address, value, kNoSpan, {}, size});
    machine_.run();
  }
  std::uint64_t read(std::uint64_t address, std::uint8_t size) {
    machine_.put(q35_.driver, cpu::Driver::kStart, BusRead{address, Tag{0}, kNoSpan, {}, size});
    machine_.run();
    const std::uint64_t answer = machine_.core<cpu::Driver>(q35_.driver).last_answer();
    return size == 8 ? answer : answer & 0xFFFFFFFF;
  }
  void observe(const Op& op, const Json& got) {
    const std::string label = op.text_of("as");
    comparison_.value(place_of(op), label, test_.observed.at(label), got);
  }

  // ---- CPUs ----

  static CpuId cpu_of(const Op& op) { return CpuId{low(op.number_of("cpu"))}; }
  const x86::LapicBank& lapics() { return machine_.core<x86::LapicBank>(q35_.lapics); }

  void lapic_write(const Op& op) {
    machine_.put(q35_.lapics, x86::LapicBank::kCpu,
                 RegisterWrite{cpu_of(op), low(op.number_of("off")), op.number_of("val")});
  }
  void lapic_read(const Op& op) {
    std::uint32_t value = 0;
    machine_.act<x86::LapicBank>(q35_.lapics, LaneId{1 + raw(cpu_of(op))},
                                 [&](x86::LapicBank& bank, Env& env) {
                                   value = bank.read(cpu_of(op), low(op.number_of("off")), env);
                                 });
    observe(op, value);
  }
  void lapic_state(const Op& op) {
    observe(op, {{"irr", list_of(lapics().irr(cpu_of(op)))},
                 {"isr", list_of(lapics().isr(cpu_of(op)))},
                 {"tmr", list_of(lapics().tmr(cpu_of(op)))}});
  }
  void lapic_tmr(const Op& op) { observe(op, list_of(lapics().tmr(cpu_of(op)))); }
  /// Taken without EOI, each raises the PPR, so this ends. A CPU that waits for a SIPI takes none.
  void cpu_accept(const Op& op) {
    const CpuId cpu = cpu_of(op);
    log_.clear();
    if (!lapics().waits_for_sipi(cpu)) {
      machine_.act<cpu::Cpus>(q35_.cpus, LaneId{raw(cpu)}, [&](cpu::Cpus& cpus, Env& env) {
        cpus.set_interrupts(cpu, cpu::Interrupts::Enabled);
        cpus.resume(cpu, env);
      });
      machine_.run();
      machine_.core<cpu::Cpus>(q35_.cpus).stop(cpu);
    }
    observe(op, log_.vectors(NodeId{raw(cpu)}));
  }

  // ---- IOAPIC ----

  void ioapic_pin(const Op& op) {
    const std::uint64_t input = op.number_of("pin");
    const auto pin =
        Pin(static_cast<std::uint16_t>(input == kIsaTimerInput ? kIsaTimerPin : input));
    const Level level = op.number_of("level") != 0 ? Level::High : Level::Low;
    machine_.put(q35_.ioapic, kCaseWire, PinChange{pin, level, 0, kNoSpan});
  }
  void write_index(std::uint64_t index, std::uint64_t value) {
    write(kIoApicPage + x86::IoApic::kIoRegSel, index, 4);
    write(kIoApicPage + x86::IoApic::kIoWin, low(value), 4);
  }
  std::uint64_t read_index(std::uint64_t index) {
    write(kIoApicPage + x86::IoApic::kIoRegSel, index, 4);
    return read(kIoApicPage + x86::IoApic::kIoWin, 4);
  }
  void ioapic_rte_write(const Op& op) {
    const std::uint64_t index = kRedirectionTable + 2 * op.number_of("pin");
    write_index(index + 1, op.number_of("val") >> 32);
    write_index(index, op.number_of("val"));
  }
  void ioapic_rte_read(const Op& op) {
    const std::uint64_t index = kRedirectionTable + 2 * op.number_of("pin");
    const std::uint64_t low_half = read_index(index);
    observe(op, read_index(index + 1) << 32 | low_half);
  }
  void ioapic_reg(const Op& op) { observe(op, read_index(op.number_of("index"))); }
  void ioapic_reg_write(const Op& op) { write_index(op.number_of("index"), op.number_of("val")); }
  void ioapic_eoi_reg(const Op& op) {
    write(kIoApicPage + x86::IoApic::kEoiRegister, op.number_of("vec"), 4);
  }

  // ---- PCI functions ----

  std::uint16_t rid_of(const Op& op) {
    const std::uint16_t rid =
        op.has("rid") ? static_cast<std::uint16_t>(op.number_of("rid")) : kMsixRid;
    latest_rid_ = rid;
    return rid;
  }
  FunctionRow row_of_rid(std::uint16_t rid) {
    return *machine_.core<PciFunctions>(q35_.functions).row_of(RequesterId{rid});
  }
  static std::uint64_t config_of(std::uint16_t rid) {
    return kConfigWindow + rid * pci::kConfigSpaceBytes;
  }
  void raise(std::uint16_t rid, std::uint64_t index, RaiseKind kind) {
    machine_.put(q35_.functions, PciFunctions::kStimulus,
                 Raise{row_of_rid(rid), VectorIndex(static_cast<std::uint16_t>(index)), kind});
    machine_.run();
  }
  bool msi_enabled(std::uint16_t rid) {
    return machine_.core<PciFunctions>(q35_.functions).msi_enabled(row_of_rid(rid));
  }

  void program_msi(const Op& op, std::uint16_t enable) {
    const std::uint64_t config = config_of(rid_of(op));
    write(config + pci::kConfigMsiAddress, low(op.number_of("addr")), 4);
    write(config + pci::kConfigMsiUpperAddress, op.number_of("addr") >> 32, 4);
    write(config + kMsiData, op.number_of("data"), 2);
    write(config + pci::kConfigMsiControl, enable, 2);
  }
  void pci_msi_cap(const Op& op) { program_msi(op, op.number_of("enable") != 0 ? kMsiEnable : 0); }
  void msi_write(const Op& op) {
    program_msi(op, kMsiEnable);
    interrupt(rid_of(op), 1);
    acknowledge(rid_of(op), 1);
  }

  void interrupt(std::uint16_t rid, std::uint32_t bits) {
    status_[rid] |= bits;
    if (status_[rid] == 0) return;
    raise(rid, 0, msi_enabled(rid) ? RaiseKind::Message : RaiseKind::IntxHigh);
  }
  void acknowledge(std::uint16_t rid, std::uint32_t bits) {
    status_[rid] &= ~bits;
    if (status_[rid] == 0) raise(rid, 0, RaiseKind::IntxLow);
  }
  void pci_function_interrupt(const Op& op) {
    interrupt(rid_of(op), low(op.number_of("status_bit")));
  }
  void pci_function_ack(const Op& op) { acknowledge(rid_of(op), low(op.number_of("status_bit"))); }

  void pci_command(const Op& op) {
    write(config_of(rid_of(op)) + pci::kConfigCommand, op.number_of("val"), 2);
  }
  void pci_bus_master(const Op& op) {
    const std::uint16_t on = op.number_of("on") != 0 ? kBusMaster : 0;
    write(config_of(rid_of(op)) + pci::kConfigCommand, kMemorySpace | on, 2);
  }
  void pci_status_interrupt_bit(const Op& op) {
    const std::uint64_t dword = read(config_of(latest_rid_) + pci::kConfigCommand, 4);
    observe(op, (dword >> kStatusInterrupt & 1) != 0);
  }

  std::uint64_t window() {
    return kFunctionWindow + raw(row_of_rid(kMsixRid)) * pci::kFunctionWindowBytes;
  }
  std::uint64_t entry_of(const Op& op) {
    return window() + pci::kMsixTableOffset + 16 * op.number_of("entry");
  }
  void msix_control(const Op& op) {
    std::uint16_t control = op.number_of("enable") != 0 ? kMsixEnable : 0;
    if (op.number_of("function_mask") != 0) control |= kMsixFunctionMask;
    write(config_of(rid_of(op)) + pci::kConfigMsixControl, control, 2);
  }
  void msix_entry(const Op& op) {
    rid_of(op);
    const std::uint64_t entry = entry_of(op);
    write(entry, low(op.number_of("addr")), 4);
    write(entry + 4, op.number_of("addr") >> 32, 4);
    write(entry + 8, op.number_of("data"), 4);
    write(entry + 12, op.number_of("mask"), 4);
  }
  void msix_vector_mask(const Op& op) {
    rid_of(op);
    write(entry_of(op) + 12, op.number_of("mask"), 4);
  }
  void msix_function_event(const Op& op) {
    raise(rid_of(op), op.number_of("entry"), RaiseKind::Message);
  }
  void msix_pba(const Op& op) {
    rid_of(op);
    observe(op, read(window() + pci::kMsixPbaOffset, 4));
  }
  void pba_write(const Op& op) {
    rid_of(op);
    write(window() + pci::kMsixPbaOffset, op.number_of("val"), 4);
  }
  void msix_vector_control(const Op& op) {
    rid_of(op);
    observe(op, read(entry_of(op) + 12, 4));
  }

  // ---- the remapping unit ----

  void irte(const Op& op) {
    const std::uint64_t at = kInterruptRemappingTable + 16 * op.number_of("index");
    write(at, op.number_of("lo"), 8);
    write(at + 8, op.number_of("hi"), 8);
  }
  static std::uint8_t vtd_size(const Op& op) {
    return op.number_of("off") == kIrtaRegister ? 8 : 4;
  }
  void vtd_write(const Op& op) {
    write(kVtdPage + op.number_of("off"), op.number_of("val"), vtd_size(op));
  }
  void vtd_read(const Op& op) { observe(op, read(kVtdPage + op.number_of("off"), vtd_size(op))); }

  void note(const Op&) {}

  static constexpr std::uint64_t kMsiData = 0x5C;  // in configuration space, with 64-bit addresses
  static constexpr std::uint64_t kIrtaRegister = 0xB8;

  const Case& test_;
  HandlerLog log_;
  Q35 q35_;
  run::Machine machine_;
  std::map<std::uint16_t, std::uint32_t> status_;  // of the functions with INTA#
  std::uint16_t latest_rid_ = 0;                   // that a PCI op named
  Comparison comparison_;
};

}  // namespace

Comparison run_qemu(const Case& test, x86::Quirks quirks) { return Q35Run(test, quirks).run(); }

}  // namespace irqfab::conform
