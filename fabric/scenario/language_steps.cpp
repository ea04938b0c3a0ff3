// The architectural level of the language: operations and what can be observed, in the spelling of
// the specifications and of the kernel's interface.
#include "fabric/scenario/language_parts.hpp"

namespace irqfab::scenario {
namespace {

extern const Table kRegisterWrite, kIoapicWrite, kIoapicRte, kMsixEntry, kMsixMask, kFunctionMask,
    kMsiCapability, kConfigWrite, kCommand, kLine, kObservables, kSetGsiRouting, kIrqfd, kIoeventfd,
    kGuestStore, kSignalMsi, kIrqLine, kEventfdWrite, kEventfdClose, kRoute, kMsiRoute, kPinRoute,
    kVectors, kRteState, kPba, kMsiPending, kConfigState, kCounter, kLapicPin, kMsrWrite, kCpuWrite,
    kCpuExecute, kCpuAccept, kMsiWrite, kRegisterState, kMsrState, kCpuState, kCpuHandlers,
    kIoapicEoi, kIoWrite, kIsaLine, kPirqRoute, kIoapicRegState, kPicState;

constexpr std::uint64_t kLastIoapicPin = 239;  // the most that IOAPICVER can say (82093AA 3.2.2)
constexpr std::uint64_t kLastGsi = kMax32;     // KVM itself answers those that it does not take
constexpr std::uint64_t kLastThread = 15;

constexpr Word kLevels[] = {{"low"}, {"high"}};
constexpr Word kPolarities[] = {{"high"}, {"low"}};
constexpr Word kPicChips[] = {{"master"}, {"slave"}};
constexpr Word kSizes[] = {{"1"}, {"2"}, {"4"}};
constexpr Word kMessageSizes[] = {{"1"}, {"2"}, {"4"}, {"8"}};
constexpr Word kStoreSpaces[] = {{"mmio"}, {"pio"}};
constexpr Word kPirqs[] = {{"A"}, {"B"}, {"C"}, {"D"}, {"E"}, {"F"}, {"G"}, {"H"}};
constexpr Word kChips[] = {{"ioapic"}, {"pic_master"}, {"pic_slave"}};

constexpr Word kLocalPins[] = {{"LINT0"}, {"LINT1"}, {"thermal"}, {"performance"}, {"CMCI"}};
constexpr Word kInstructions[] = {{"nop"}, {"sti"}, {"cli"}, {"hlt"}, {"mov ss"}};
constexpr Word kCpuStates[] = {{"running"}, {"in handler"}, {"halted"}, {"waiting for SIPI"}};

constexpr Shape kCpu = of(Kind::Cpu);
constexpr Shape kDevice = of(Kind::Function);
constexpr Shape kEventfd = of(Kind::Id);
constexpr Shape kEntry = number(0, 2047);
constexpr Shape kIoapicNumber = number(0, 15);
constexpr const char* kWhichIoapic = "Which IOAPIC, in the order of `ioapics`.";
constexpr Shape kRouteMap = map_of(kRoute);

constexpr Key kSteps[] = {
    choice("lapic.write", map_of(kRegisterWrite), "A CPU writes a register of its local APIC."),
    choice("lapic.read", map_of(kLapicRead), "A vCPU reads a register of its local APIC."),
    choice("lapic.pin", map_of(kLapicPin), "An input of a CPU's local APIC changes its level."),
    choice("msr.write", map_of(kMsrWrite),
           "A CPU writes a model-specific register of its local APIC."),
    choice("cpu.write", map_of(kCpuWrite),
           "A CPU stores to a physical address: its own local APIC's page, or the bus."),
    choice("cpu.execute", map_of(kCpuExecute),
           "A CPU executes these instructions, one after the other."),
    choice(
        "cpu.accept", map_of(kCpuAccept),
        "A CPU takes an interrupt, whatever its IF says; its handler are the steps that follow."),
    choice("msi.write", map_of(kMsiWrite), "A device writes to memory, as its messages do."),
    choice("ioapic.write", map_of(kIoapicWrite), "A write of an indirect register of the IOAPIC."),
    choice("ioapic.rte", map_of(kIoapicRte),
           "Software writes a redirection entry, high half first."),
    choice("ioapic.eoi", map_of(kIoapicEoi), "A write of the EOI register of an IOAPIC."),
    choice("io.write", map_of(kIoWrite), "Software writes an I/O port."),
    choice("isa.line", map_of(kIsaLine),
           "An ISA interrupt line changes: an input of the 8259s and a pin of the first IOAPIC."),
    choice("pirq.route", map_of(kPirqRoute),
           "Software writes a route control register of the PCI interrupt router."),
    choice("msix.entry", map_of(kMsixEntry),
           "Software writes an entry of a device's MSI-X table; fields that are absent stay."),
    choice("msix.mask", map_of(kMsixMask), "Software masks an entry."),
    choice("msix.unmask", map_of(kMsixMask), "Software unmasks an entry."),
    choice("msix.function-mask", map_of(kFunctionMask), "Software writes Function Mask."),
    choice("msi.capability", map_of(kMsiCapability),
           "Software writes a device's MSI capability: address and data, then mask, then control."),
    choice("config.write", map_of(kConfigWrite), "A write of configuration space."),
    choice("pci.command", map_of(kCommand), "Software writes a Command register."),
    choice("raise", of(Kind::Source), "A device raises an interrupt."),
    choice("line", map_of(kLine), "A wire changes its level."),
    choice("kvm.set_gsi_routing", map_of(kSetGsiRouting),
           "KVM_SET_GSI_ROUTING: replaces the whole table."),
    choice("kvm.irqfd", map_of(kIrqfd), "KVM_IRQFD."),
    choice("kvm.signal_msi", map_of(kSignalMsi), "KVM_SIGNAL_MSI."),
    choice("kvm.irq_line", map_of(kIrqLine), "KVM_IRQ_LINE_STATUS."),
    choice("kvm.ioeventfd", map_of(kIoeventfd),
           "KVM_IOEVENTFD, at no time: from now on stores of the guest signal an eventfd."),
    choice("guest.store", map_of(kGuestStore),
           "A vCPU stores where its VM has no memory: KVM signals the eventfd of an ioeventfd that "
           "matches, or the store goes to user space."),
    choice("eventfd.write", map_of(kEventfdWrite), "A thread adds 1 to an eventfd."),
    choice("eventfd.close", map_of(kEventfdClose),
           "A thread closes an eventfd, which ends the irqfd that is bound to it."),
    choice("vtd.enable", map_of(kVtdEnable),
           "Firmware gives the remapping unit a table at 0x200000 and a queue of 256 descriptors "
           "at 0x400000, and enables both."),
    choice("vtd.irte", map_of(kVtdIrte),
           "Software writes an entry of the interrupt remapping table, high half first."),
    choice("vtd.write", map_of(kVtdWrite), "Software writes a register of the remapping unit."),
    choice("vtd.read", map_of(kVtdRead), "Software reads a register of the remapping unit."),
    choice("vtd.invalidate", map_of(kVtdInvalidate),
           "Software queues an interrupt entry cache invalidation."),
    choice("vtd.wait", map_of(kVtdWait), "Software queues an invalidation wait."),
    choice("vtd.descriptor", map_of(kVtdDescriptor), "Software queues these 128 bits."),
    choice("amdvi.enable", map_of(kAmdviEnable),
           "Firmware gives the AMD-Vi unit a device table at 0x200000, a command buffer at "
           "0x400000 and 256 events at 0x500000, and enables it."),
    choice("amdvi.dte", map_of(kAmdviDte), "Software writes an entry of the device table."),
    choice("amdvi.irte", map_of(kAmdviIrte),
           "Software writes an entry of a device's interrupt remapping table."),
    choice("amdvi.write", map_of(kAmdviWrite), "Software writes a register of the AMD-Vi unit."),
    choice("amdvi.read", map_of(kAmdviRead), "Software reads a register of the AMD-Vi unit."),
    choice("amdvi.invalidate", map_of(kAmdviInvalidate), "Software queues an invalidation."),
    choice("amdvi.wait", map_of(kAmdviWait), "Software queues a COMPLETION_WAIT."),
    choice("amdvi.command", map_of(kAmdviCommand), "Software queues these 128 bits."),
    choice("hpet.write", map_of(kHpetWrite), "Software writes a register of the HPET."),
    choice("vm.inhibit", map_of(kVmInhibit),
           "The host stops to use the virtualization of local APICs, or uses it again."),
    choice("wait", duration(0), "Nothing is done for this long."),
    choice("expect", map_of(kObservables), "What must hold now, once nothing moves."),
    later("mark", "the explorer"),
    later("its.*", "the GICv3 interrupt translation service"),
    later("gicd.*", "the Arm distributor"),
    later("gicr.*", "the Arm redistributors"),
    later("gicc.*", "the GICv2 CPU interface"),
    later("icc.*", "the GICv3 CPU interface"),
    later("v2m.*", "the GICv2m frame"),
    later("xics.*", "POWER's interrupt controllers"),
    later("rtas.*", "POWER's firmware calls"),
    later("evtchn.*", "Xen event channels"),
    later("xen.*", "Xen hypercalls"),
};

constexpr Key kRegisterWriteKeys[] = {
    required("cpu", kCpu, "Whose local APIC."),
    required("reg", of(Kind::LapicRegister), "The register."),
    required("value", bits(kMax32), "What is written."),
};
constexpr Key kLapicPinKeys[] = {
    required("cpu", kCpu, "Whose local APIC."),
    required("pin", one_of(kLocalPins), "Which input."),
    required("level", one_of(kLevels), "The level from now on."),
};
constexpr Key kMsrWriteKeys[] = {
    required("cpu", kCpu, "Which CPU."),
    required("msr", bits(kMax32),
             "IA32_APIC_BASE (0x1b), IA32_TSC_DEADLINE (0x6e0), or a register "
             "of x2APIC mode (0x800 on)."),
    required("value", bits(kMax64), "What is written."),
    optional("faults", kFlag, "not checked", "Whether the write must give #GP."),
};
constexpr Key kCpuWriteKeys[] = {
    required("cpu", kCpu, "Which CPU."),
    required("address", bits(kMax64), "Where."),
    required("value", bits(kMax32), "What is written, four bytes."),
};
constexpr Shape kInstruction = one_of(kInstructions);
constexpr Key kCpuExecuteKeys[] = {
    required("cpu", kCpu, "Which CPU."),
    required("code", list_of(kInstruction), "At most 16 of them. Interrupts come in between."),
};
constexpr Key kCpuAcceptKeys[] = {
    required("cpu", kCpu, "Which CPU."),
    optional("vector", kVector, "not checked", "The vector that it must be given."),
};
constexpr Key kMsiWriteKeys[] = {
    required("device", kDevice, "Who writes."),
    choice("address", bits(kMax64), "Where.").needing("data"),
    choice("handle", number(0, kMax16),
           "The address that names this entry of a remapping table, in remappable format."),
    optional("subhandle", number(0, kMax16), "SHV is clear", "SHV, and the low bits of the data.")
        .beside("handle"),
    optional("data", bits(kMax64), "the subhandle", "What is written."),
    defaulted("size", one_of(kMessageSizes), "4",
              "Bytes; a write of another size is no interrupt request."),
};
constexpr Key kIoapicWriteKeys[] = {
    required("reg", of(Kind::IoapicRegister), "The register."),
    required("value", bits(kMax32), "What is written."),
    defaulted("ioapic", kIoapicNumber, "0", kWhichIoapic),
};
constexpr Key kIoapicEoiKeys[] = {
    required("vector", kVector, "The vector whose entries are open again."),
    defaulted("ioapic", kIoapicNumber, "0", kWhichIoapic),
};
constexpr Key kIoWriteKeys[] = {
    required("port", bits(kMax16), "The port."),
    required("value", bits(kMax32), "What is written."),
    defaulted("size", one_of(kSizes), "1", "Bytes."),
};
constexpr Key kIsaLineKeys[] = {
    required("irq", number(0, 15), "Which line. IRQ 0 is pin 2 of the IOAPIC, IRQ 2 is none."),
    required("level", one_of(kLevels), "The level from now on; high means asserted."),
};
constexpr Key kPirqRouteKeys[] = {
    required("pirq", one_of(kPirqs), "Which PIRQ."),
    required("value", bits(255), "Bit 7: not routed; bits 3 to 0: the IRQ."),
};
constexpr Key kIoapicRteKeys[] = {
    required("pin", number(0, kLastIoapicPin), "Whose entry."),
    defaulted("ioapic", kIoapicNumber, "0", kWhichIoapic),
    choice("value", bits(kMax64), "All 64 bits."),
    choice("vector", kVector, "The vector; the other fields stand beside it."),
    optional("mode", one_of(kModes), "fixed", "Delivery mode.").beside("vector"),
    optional("dest", bits(255), "0", "Destination.").beside("vector"),
    optional("destmode", one_of(kDestModes), "physical", "Destination mode.").beside("vector"),
    optional("trigger", one_of(kTriggers), "edge", "Trigger mode.").beside("vector"),
    optional("polarity", one_of(kPolarities), "high", "The level that means asserted.")
        .beside("vector"),
    optional("masked", kFlag, "false", "Interrupt mask.").beside("vector"),
};
constexpr Key kMsixEntryKeys[] = {
    required("device", kDevice, "Whose table."),
    required("entry", kEntry, "Which entry."),
    optional("address", bits(kMax64), "as it was", "Message address."),
    optional("data", bits(kMax32), "as it was", "Message data."),
    optional("masked", kFlag, "as it was", "Mask bit of the vector control word."),
};
constexpr Key kMsixMaskKeys[] = {
    required("device", kDevice, "Whose table."),
    required("entry", kEntry, "Which entry."),
};
constexpr Key kFunctionMaskKeys[] = {
    required("device", kDevice, "Which device."),
    required("masked", kFlag, "Function Mask of its Message Control word."),
};
constexpr Key kMsiCapabilityKeys[] = {
    required("device", kDevice, "Whose capability."),
    optional("address", bits(kMax64), "as it was", "Message Address."),
    optional("data", bits(kMax16), "as it was", "Message Data."),
    optional("mask", bits(kMax32), "as it was", "Mask Bits, of a device that has them."),
    defaulted("vectors", number(1, 32), "1", "How many it may use, by Multiple Message Enable."),
    defaulted("enabled", kFlag, "true", "MSI Enable."),
};
constexpr Key kConfigWriteKeys[] = {
    required("device", kDevice, "Whose configuration space."),
    required("offset", bits(kMaxConfig), "Where."),
    required("size", number(1, 4), "1, 2 or 4 bytes."),
    required("value", bits(kMax32), "What is written."),
};
constexpr Key kCommandKeys[] = {
    choice("device", kDevice, "A device's."),
    choice("bridge", of(Kind::Id), "A bridge's."),
    required("value", bits(kMax16),
             "Bit 1 Memory Space, bit 2 Bus Master, bit 10 Interrupt Disable."),
};
constexpr Key kLineKeys[] = {
    choice("device", kDevice, "The device whose INTx changes."),
    choice("pin", number(0, kLastIoapicPin), "The IOAPIC input that changes."),
    optional("ioapic", kIoapicNumber, "`0`", kWhichIoapic).beside("pin"),
    required("level", one_of(kLevels), "The level from now on; high means asserted."),
};

constexpr Key kThreadKey =
    defaulted("thread", number(0, kLastThread), "0",
              "Who makes the call. One of thread 0 is waited for. One of another thread is only "
              "begun, and goes on during the steps that follow, each thread on a CPU of its own.");
constexpr Key kSetGsiRoutingKeys[] = {
    required("routes", list_of(kRouteMap), "The table."),
    kThreadKey,
    optional("answers", of(Kind::Answer), "not checked", "What the call returns."),
};
constexpr Key kRouteKeys[] = {
    required("gsi", number(0, kLastGsi), "Global system interrupt."),
    choice("msi", map_of(kMsiRoute), "It becomes this message."),
    choice("irqchip", map_of(kPinRoute), "It becomes this input of an in-kernel chip."),
};
constexpr Key kMsiRouteKeys[] = {
    required("address", bits(kMax64), "Message address."),
    required("data", bits(kMax32), "Message data."),
};
constexpr Key kPinRouteKeys[] = {
    required("chip", one_of(kChips), "Which chip."),
    required("pin", number(0, kMax16), "Which input."),
};
constexpr Key kIrqfdKeys[] = {
    required("eventfd", kEventfd, "The eventfd; it exists from its first mention."),
    required("gsi", number(0, kLastGsi), "What it raises."),
    defaulted("deassign", kFlag, "false", "Take the binding away."),
    optional("resample", kEventfd, "none", "The eventfd that an EOI signals."),
    kThreadKey,
    optional("answers", of(Kind::Answer), "not checked", "What the call returns."),
};
constexpr Key kSignalMsiKeys[] = {
    required("address", bits(kMax64), "Message address."),
    required("data", bits(kMax32), "Message data."),
    kThreadKey,
    optional("answers", of(Kind::Answer), "not checked", "What the call returns."),
};
constexpr Key kIrqLineKeys[] = {
    required("gsi", number(0, kLastGsi), "Which line."),
    required("level", one_of(kLevels), "The level from now on."),
    kThreadKey,
    optional("answers", of(Kind::Answer), "not checked", "The status that the call returns."),
};
constexpr Key kIoeventfdKeys[] = {
    required("eventfd", kEventfd, "The eventfd; it exists from its first mention."),
    required("address", bits(kMax64), "Where the guest stores."),
    defaulted("size", number(0, kMax32), "4",
              "Bytes of the store: 1, 2, 4 or 8; 0 for a store of any size."),
    optional("data", bits(kMax64), "any", "The value that must be stored."),
    defaulted("space", one_of(kStoreSpaces), "mmio", "Memory, or I/O ports."),
    defaulted("deassign", kFlag, "false", "Take it away; the other fields must be its own."),
    optional("answers", of(Kind::Answer), "not checked", "What the call returns."),
};
constexpr Key kGuestStoreKeys[] = {
    required("address", bits(kMax64), "Where."),
    required("value", bits(kMax64), "What is stored."),
    defaulted("size", one_of(kMessageSizes), "4", "Bytes."),
    defaulted("space", one_of(kStoreSpaces), "mmio", "Memory, or I/O ports."),
    optional("answers", of(Kind::Answer), "not checked",
             "`0` if KVM signals an eventfd, `-EOPNOTSUPP` if the store goes to user space."),
};
constexpr Key kEventfdWriteKeys[] = {
    required("fd", kEventfd, "Which eventfd."),
    kThreadKey,
};
constexpr Key kEventfdCloseKeys[] = {
    required("fd", kEventfd, "Which eventfd."),
    kThreadKey,
};

constexpr Key kObservableKeys[] = {
    optional("lapic.IRR", map_of(kVectors), "not checked", "Interrupt requests of a local APIC."),
    optional("lapic.ISR", map_of(kVectors), "not checked", "Vectors in service."),
    optional("lapic.TMR", map_of(kVectors), "not checked", "Vectors that came as level."),
    optional("lapic.reg", map_of(kRegisterState), "not checked", "A register of a local APIC."),
    optional("msr", map_of(kMsrState), "not checked", "A model-specific register of a local APIC."),
    optional("cpu.state", map_of(kCpuState), "not checked", "What a CPU does."),
    optional("cpu.handlers", map_of(kCpuHandlers), "not checked",
             "Which handlers have begun and acknowledged on a CPU, in their order."),
    optional("ioapic.RTE", map_of(kRteState), "not checked", "A redirection entry."),
    optional("ioapic.reg", map_of(kIoapicRegState), "not checked",
             "An indirect register of an IOAPIC."),
    optional("pic.IRR", map_of(kPicState), "not checked", "Requests of an 8259."),
    optional("pic.ISR", map_of(kPicState), "not checked", "What an 8259 has in service."),
    optional("pic.IMR", map_of(kPicState), "not checked", "The mask of an 8259."),
    optional("pic.ELCR", map_of(kPicState), "not checked", "Which inputs are level-sensitive."),
    optional("msix.PBA", map_of(kPba), "not checked", "The pending bits of a device."),
    optional("msi.pending", map_of(kMsiPending), "not checked", "The pending bits of MSI."),
    optional("pci.config", map_of(kConfigState), "not checked", "Bytes of configuration space."),
    optional("vtd.reg", map_of(kVtdRegState), "not checked", "A register of the remapping unit."),
    optional("vtd.fault", map_of(kVtdFault), "not checked",
             "A fault record of the remapping unit."),
    optional("vtd.queue", map_of(kVtdQueue), "not checked", "Its invalidation queue."),
    optional("vtd.cache", map_of(kVtdCache), "not checked", "Its interrupt entry cache."),
    optional("amdvi.reg", map_of(kAmdviReg), "not checked", "A register of the AMD-Vi unit."),
    optional("amdvi.event", map_of(kAmdviEvent), "not checked", "An entry of its event log."),
    optional("memory", map_of(kMemoryState), "not checked", "Bytes of memory."),
    optional("hpet.reg", map_of(kHpetRegState), "not checked", "A register of the HPET."),
    optional("vm.descriptor", map_of(kVmDescriptor), "not checked",
             "The posted-interrupt descriptor of a vCPU."),
    optional("vm.vcpu", map_of(kVmVcpu), "not checked", "Where a vCPU's thread is."),
    optional("vm.exits", map_of(kVmExits), "not checked",
             "How often a vCPU has left the guest for a reason."),
    optional("eventfd.counter", map_of(kCounter), "not checked", "The counter of an eventfd."),
};
constexpr Shape kVectorList = list_of(kVector);
constexpr Key kVectorsKeys[] = {
    required("cpu", kCpu, "Whose local APIC."),
    required("vectors", kVectorList, "Exactly the vectors whose bits are set."),
};
constexpr Key kRegisterStateKeys[] = {
    required("cpu", kCpu, "Whose local APIC."),
    required("reg", of(Kind::LapicRegister), "The register."),
    required("value", bits(kMax32), "What the CPU would read."),
};
constexpr Key kMsrStateKeys[] = {
    required("cpu", kCpu, "Which CPU."),
    required("msr", bits(kMax32), "The register."),
    choice("value", bits(kMax64), "What the CPU would read."),
    choice("faults", kFlag, "Whether the read would give #GP."),
};
constexpr Key kCpuStateKeys[] = {
    required("cpu", kCpu, "Which CPU."),
    required("state", one_of(kCpuStates), "What it does."),
};
constexpr Key kCpuHandlersKeys[] = {
    required("cpu", kCpu, "Which CPU."),
    required("entered", kVectorList, "The vectors of the handlers that began, 2 for an NMI's."),
    required("acknowledged", kVectorList, "The vectors whose EOI was written, 2 for an NMI's end."),
};
constexpr Key kRteStateKeys[] = {
    required("pin", number(0, kLastIoapicPin), "Whose entry."),
    required("value", bits(kMax64), "All 64 bits, with Delivery Status and Remote IRR."),
    defaulted("ioapic", kIoapicNumber, "0", kWhichIoapic),
};
constexpr Key kIoapicRegStateKeys[] = {
    required("reg", of(Kind::IoapicRegister), "The register."),
    required("value", bits(kMax32), "What a read of it gives."),
    defaulted("ioapic", kIoapicNumber, "0", kWhichIoapic),
};
constexpr Key kPicStateKeys[] = {
    required("chip", one_of(kPicChips), "Which of the two."),
    required("value", bits(255), "All eight bits, input 0 the lowest."),
};
constexpr Key kPbaKeys[] = {
    required("device", kDevice, "Which device."),
    required("value", bits(kMax64), "The bits of entries 0 to 63."),
};
constexpr Key kMsiPendingKeys[] = {
    required("device", kDevice, "Which device."),
    required("value", bits(kMax32), "Pending Bits of its MSI capability."),
};
constexpr Key kConfigStateKeys[] = {
    required("device", kDevice, "Whose configuration space."),
    required("offset", bits(kMaxConfig), "Where."),
    required("size", number(1, 4), "1, 2 or 4 bytes."),
    required("value", bits(kMax32), "What a read answers."),
};
constexpr Key kCounterKeys[] = {
    required("fd", kEventfd, "Which eventfd."),
    required("value", number(0, kMax64), "Its counter."),
};

constexpr Table kRegisterWrite = {"lapic.write", "in 'lapic.write'", "", rows(kRegisterWriteKeys)};
constexpr Table kLapicPin = {"lapic.pin", "in 'lapic.pin'", "", rows(kLapicPinKeys)};
constexpr Table kMsrWrite = {"msr.write", "in 'msr.write'", "", rows(kMsrWriteKeys)};
constexpr Table kCpuWrite = {"cpu.write", "in 'cpu.write'", "", rows(kCpuWriteKeys)};
constexpr Table kCpuExecute = {"cpu.execute", "in 'cpu.execute'", "", rows(kCpuExecuteKeys)};
constexpr Table kCpuAccept = {"cpu.accept", "in 'cpu.accept'", "", rows(kCpuAcceptKeys)};
constexpr Table kMsiWrite = {"msi.write", "in 'msi.write'", "", rows(kMsiWriteKeys),
                             "what is written"};
constexpr Table kIoapicWrite = {"ioapic.write", "in 'ioapic.write'", "", rows(kIoapicWriteKeys)};
constexpr Table kIoapicEoi = {"ioapic.eoi", "in 'ioapic.eoi'", "", rows(kIoapicEoiKeys)};
constexpr Table kIoWrite = {"io.write", "in 'io.write'", "", rows(kIoWriteKeys)};
constexpr Table kIsaLine = {"isa.line", "in 'isa.line'", "", rows(kIsaLineKeys)};
constexpr Table kPirqRoute = {"pirq.route", "in 'pirq.route'", "", rows(kPirqRouteKeys)};
constexpr Table kIoapicRte = {"ioapic.rte", "in 'ioapic.rte'", "", rows(kIoapicRteKeys),
                              "how the entry is given"};
constexpr Table kMsixEntry = {"msix.entry", "in 'msix.entry'", "", rows(kMsixEntryKeys)};
constexpr Table kMsixMask = {"msix.mask, msix.unmask", "in 'msix.mask' and 'msix.unmask'", "",
                             rows(kMsixMaskKeys)};
constexpr Table kFunctionMask = {"msix.function-mask", "in 'msix.function-mask'", "",
                                 rows(kFunctionMaskKeys)};
constexpr Table kMsiCapability = {"msi.capability", "in 'msi.capability'", "",
                                  rows(kMsiCapabilityKeys)};
constexpr Table kConfigWrite = {"config.write", "in 'config.write'", "", rows(kConfigWriteKeys)};
constexpr Table kCommand = {"pci.command", "in 'pci.command'", "", rows(kCommandKeys),
                            "whose register it is"};
constexpr Table kLine = {"line", "in 'line'", "", rows(kLineKeys), "which wire changes"};
constexpr Table kSetGsiRouting = {"kvm.set_gsi_routing", "in 'kvm.set_gsi_routing'", "",
                                  rows(kSetGsiRoutingKeys)};
constexpr Table kRoute = {"route", "in a route", "One entry of the GSI routing table.",
                          rows(kRouteKeys), "what the GSI becomes"};
constexpr Table kMsiRoute = {"msi", "in 'msi'", "A message.", rows(kMsiRouteKeys)};
constexpr Table kPinRoute = {"irqchip", "in 'irqchip'", "An input of an in-kernel chip.",
                             rows(kPinRouteKeys)};
constexpr Table kIrqfd = {"kvm.irqfd", "in 'kvm.irqfd'", "", rows(kIrqfdKeys)};
constexpr Table kIoeventfd = {"kvm.ioeventfd", "in 'kvm.ioeventfd'", "", rows(kIoeventfdKeys)};
constexpr Table kGuestStore = {"guest.store", "in 'guest.store'", "", rows(kGuestStoreKeys)};
constexpr Table kSignalMsi = {"kvm.signal_msi", "in 'kvm.signal_msi'", "", rows(kSignalMsiKeys)};
constexpr Table kIrqLine = {"kvm.irq_line", "in 'kvm.irq_line'", "", rows(kIrqLineKeys)};
constexpr Table kEventfdWrite = {"eventfd.write", "in 'eventfd.write'", "",
                                 rows(kEventfdWriteKeys)};
constexpr Table kEventfdClose = {"eventfd.close", "in 'eventfd.close'", "",
                                 rows(kEventfdCloseKeys)};
constexpr Table kObservables = {
    "state", "in 'expect'", "What can be observed between two steps.", rows(kObservableKeys), "",
    1};
constexpr Table kVectors = {"lapic.IRR, lapic.ISR, lapic.TMR", "in a set of vectors",
                            "A 256-bit register of a local APIC.", rows(kVectorsKeys)};
constexpr Table kRegisterState = {"lapic.reg", "in 'lapic.reg'", "", rows(kRegisterStateKeys)};
constexpr Table kMsrState = {"msr", "in 'msr'", "", rows(kMsrStateKeys), "what a read gives"};
constexpr Table kCpuState = {"cpu.state", "in 'cpu.state'", "", rows(kCpuStateKeys)};
constexpr Table kCpuHandlers = {"cpu.handlers", "in 'cpu.handlers'", "", rows(kCpuHandlersKeys)};
constexpr Table kIoapicRegState = {"ioapic.reg", "in 'ioapic.reg'", "", rows(kIoapicRegStateKeys)};
constexpr Table kPicState = {"pic.IRR, pic.ISR, pic.IMR, pic.ELCR", "in a register of an 8259", "",
                             rows(kPicStateKeys)};
constexpr Table kRteState = {"ioapic.RTE", "in 'ioapic.RTE'", "", rows(kRteStateKeys)};
constexpr Table kPba = {"msix.PBA", "in 'msix.PBA'", "", rows(kPbaKeys)};
constexpr Table kMsiPending = {"msi.pending", "in 'msi.pending'", "", rows(kMsiPendingKeys)};
constexpr Table kConfigState = {"pci.config", "in 'pci.config'", "", rows(kConfigStateKeys)};
constexpr Table kCounter = {"eventfd.counter", "in 'eventfd.counter'", "", rows(kCounterKeys)};

}  // namespace

constexpr Table kStepTable = {"step", "in a step", "One operation.", rows(kSteps), "what is done"};

}  // namespace irqfab::scenario
