// The portable level of the language; language_steps.cpp has the architectural one.
#include "fabric/scenario/language.hpp"

namespace irqfab::scenario {
namespace {

extern const Table kMachine, kInterruptsOff, kPosted, kIoapic, kHpet, kHost, kHaltPoll, kHostBridge,
    kBridge, kDevice, kMsi, kModeration, kLoad, kBurst, kClosedLoop, kLevel, kHandler, kChange;

constexpr Word kAttachments[] = {
    {"emulated"},
    {"vhost"},
    {"assigned"},
};
constexpr Word kApicModes[] = {{"xapic"}, {"x2apic"}};
constexpr Word kIdles[] = {{"poll"}, {"halt"}};
constexpr Word kPins[] = {{"A"}, {"B"}, {"C"}, {"D"}};
constexpr Word kControllers[] = {{"ioapic"}, {"pic"}};
constexpr Word kVirtualizations[] = {{"none"}, {"apicv"}, {"avic"}};
constexpr Word kHostFabrics[] = {{"x86"}, {"x86-ir"}};
constexpr Word kIrqfdLookups[] = {{"copy"}, {"pointer"}};
constexpr Word kGraceKinds[] = {{"srcu"}, {"rcu"}};
constexpr Word kRoutesWhen[] = {{"eager"}, {"on-unmask"}, {"on-demand"}};
constexpr Word kSwitches[] = {{"on"}, {"off"}};
constexpr Word kRemappingUnits[] = {{"vt-d"}, {"amd-vi"}};
constexpr Word kIoapicVersions[] = {{"0x11"}, {"0x20"}};
constexpr Word kInputs[] = {{"asserted"}, {"wired"}};
constexpr Word kBridgeKinds[] = {{"pcie-root-port"}, {"pcie-pci-bridge"}};
constexpr Word kUntils[] = {{"handled"}, {"pulse"}};
constexpr Word kBehaviours[] = {
    {"spec"},
    {"kvm"},
    {"qemu"},
    {"xen", "the quirks of Xen"},
};
constexpr Word kSpread[] = {{"spread"}};
constexpr Word kRandom[] = {{"random"}};

constexpr Shape kCpu = of(Kind::Cpu);
constexpr Shape kCpuList = list_of(kCpu);
constexpr Shape kSpreadWord = one_of(kSpread);
constexpr Shape kSpreadOrCpu = either(kSpreadWord, kCpu);
constexpr Shape kPlacement = either(kSpreadOrCpu, kCpuList);
constexpr Shape kRandomWord = one_of(kRandom);
constexpr Shape kSourcesKey = of(Kind::Sources);
constexpr Shape kDeviceKey = of(Kind::Device);
constexpr Shape kPriceKey = of(Kind::PriceName);
constexpr Shape kPriceValue = of(Kind::Price);
constexpr Shape kBusyTime = duration(0);
constexpr Shape kHandlerMap = map_of(kHandler);
constexpr Shape kHandlerBody = either(kBusyTime, kHandlerMap);
constexpr Shape kHandlerStep = of(Kind::HandlerStep);
constexpr Shape kExpectation = of(Kind::Expectation);
constexpr Shape kStepMap = map_of(kStepTable);
constexpr Shape kIoapicMap = map_of(kIoapic);
constexpr Shape kHostBridgeMap = map_of(kHostBridge);
constexpr Shape kBridgeMap = map_of(kBridge);
constexpr Shape kMsiVectors = number(1, 32);
constexpr Shape kMsiMap = map_of(kMsi);
constexpr Shape kDeviceMap = map_of(kDevice);
constexpr Shape kLoadMap = map_of(kLoad);
constexpr Shape kChangeMap = map_of(kChange);

constexpr Key kScenarioKeys[] = {
    required("irqfab", of(Kind::Version),
             "The version of the language; the first key of the file."),
    optional("title", of(Kind::Text), "none", "What the scenario is about, in one sentence."),
    defaulted("machine", map_of(kMachine), "{}", "The hardware."),
    optional(
        "affinity", keyed(kSourcesKey, kPlacement), "every device spread over the CPUs",
        "Which CPU takes which source: `spread` (source i of the range to CPU i, modulo the number "
        "of CPUs), one CPU, or a list that is used in turn."),
    optional("workload", list_of(kLoadMap), "none", "What the devices raise."),
    defaulted("handler", kHandlerBody, "1us",
              "How long the CPU is busy before it acknowledges, or the steps of the handler."),
    optional("handlers", keyed(kDeviceKey, kHandlerBody), "as `handler`",
             "Handlers of single devices."),
    optional("during", list_of(kChangeMap), "none", "What is reconfigured under traffic."),
    optional("setup", list_of(kStepMap), "none", "Steps before time 0."),
    optional("steps", list_of(kStepMap), "none", "Steps from time 0 on, one after the other."),
    optional("afterwards", list_of(kStepMap), "none", "Steps once the workload has ended."),
    later("actors", "the explorer"),
    later("schedule", "the explorer"),
    optional("expect", list_of(kExpectation), "none",
             "What must hold at the end: `[device.][handler.]metric`, a comparison, and a bound."),
    optional("until", duration(1), "until nothing is in flight", "When the run ends."),
    defaulted("seed", number(0, ~std::uint64_t{0}), "1", "Where the random numbers start."),
    optional("profile", of(Kind::Text), "the fabric's", "The timing profile: a name or a file."),
    optional("behaviour", one_of(kBehaviours), "`spec`", "Whose named quirks apply."),
    optional(
        "prices", keyed(kPriceKey, kPriceValue), "none",
        "Rows of the timing profile that this scenario overrides, by `Event` or `node.Event`."),
};

constexpr Key kMachineKeys[] = {
    optional("arch", of(Kind::Arch), "`x86`", "The interrupt fabric."),
    optional("path", of(Kind::Path), "the fabric's default", "How an interrupt gets to its CPU."),
    defaulted("cpus", number(1, 4096), "1", "CPUs, numbered from 0."),
    defaulted("sockets", number(1, 64), "1", "The CPUs are divided evenly among them."),
    defaulted("apic", one_of(kApicModes), "xapic",
              "The mode that firmware leaves the local APICs in."),
    defaulted("idle", one_of(kIdles), "poll",
              "What a CPU does that has nothing to do: `halt` takes time to wake up from."),
    optional("tick", duration(1), "none",
             "A timer interrupt of each CPU, this often, as long as the workload lasts."),
    optional(
        "interrupts_off", map_of(kInterruptsOff), "never",
        "What else the CPUs do: work with interrupts disabled, as long as the workload lasts. Not "
        "beside `idle: halt`: a CPU that halts has no work."),
    optional("devices", list_of(kDeviceMap), "none",
             "Devices on the one host bridge that exists when none is declared."),
    optional("host_bridges", list_of(kHostBridgeMap), "one, `hb0`", "PCI host bridges."),
    defaulted(
        "interrupts", one_of(kControllers), "ioapic",
        "What takes the INTx of devices. `pic`, for a machine with one CPU, puts two 8259s and "
        "the PCI interrupt router on the board, and leaves the IOAPICs masked. On a VM without "
        "devices, whose calls are steps or a recording, it connects KVM's 8259s, as a reset "
        "leaves them."),
    defaulted("remapping", one_of(kRemappingUnits), "vt-d",
              "Whose remapping unit, on the fabrics that have one."),
    optional("ioapics", list_of(kIoapicMap), "one, with 24 pins",
             "The IOAPICs, the first at 0xfec00000 and each further one a page above. Host bridges "
             "use them in turn."),
    optional("hpet", map_of(kHpet), "none",
             "An HPET, at 0xfed00000. Its comparators interrupt through the first IOAPIC, or with "
             "messages of their own."),
    defaulted("posted", map_of(kPosted), "{}",
              "How the CPUs of `x86-pi` take the messages of devices, which are posted there."),
    optional("host", map_of(kHost), "as its keys' defaults",
             "The machine whose CPUs the threads of the vCPUs share, on paths with a modelled "
             "host."),
};

constexpr Key kHostKeys[] = {
    optional("arch", one_of(kHostFabrics), "`x86`",
             "The fabric of the host under `attach: assigned`: with `x86-ir` messages go through "
             "the remapping unit of the host."),
    optional("cpus", number(1, 255),
             "as many as `overcommit` says; with a VMM and without `overcommit` two a vCPU",
             "CPUs of the host, which its threads share, those of vCPUs among them."),
    defaulted("overcommit", number(1, 64), "1", "vCPUs that share a CPU of the host."),
    defaulted("slice", duration(1), "3ms",
              "How long a vCPU runs while another waits for its CPU; at least 1us."),
    optional("halt_poll", map_of(kHaltPoll), "as its keys' defaults",
             "How long the host polls for a vCPU that has halted, before its thread sleeps."),
    optional("virtualization", one_of(kVirtualizations),
             "`apicv`; `none` on `kvm-dynamic-route` and `vmm-userspace`",
             "Whose processors virtualize the local APICs of the vCPUs. A VT-d unit can post to "
             "`apicv` only; on `vmm-userspace` there is nothing to virtualize."),
    optional("ipi_virtualization", one_of(kSwitches), "`on` with `apicv`",
             "Whether the processor carries out IPIs to single vCPUs without an exit, as Intel's "
             "do from Sapphire Rapids on. AVIC always does."),
    optional("irqfd", one_of(kIrqfdLookups), "`copy`",
             "How the fast path of an irqfd finds its route: `pointer`, published under RCU "
             "(Linux 2.6.38), or a `copy` of it under a sequence count (3.17)."),
    optional("grace", one_of(kGraceKinds), "`srcu`",
             "What KVM_SET_GSI_ROUTING waits for: `rcu`, a grace period of the whole host, or "
             "`srcu`, an expedited one of the VM alone."),
    optional("gsis", number(32, 4096), "4096; 1024 on `kvm-dynamic-route`",
             "What KVM_CAP_IRQ_ROUTING answers: how many GSIs there are, the 24 pins of the IOAPIC "
             "among them, and how many entries the routing table may have. x86 had 1024 until "
             "2018."),
    optional("routes", one_of(kRoutesWhen), "`eager`",
             "When a vector gets a GSI with a route: all vectors of a function when its messages "
             "are enabled, one `on-unmask` when it is unmasked first, or one `on-demand` when it "
             "is signalled, from a table that is flushed when it is full."),
    optional("kworkers", number(1, 64), "1",
             "Threads of the host for the injections that irqfds leave to a workqueue, each on a "
             "CPU of its own if there are so many."),
};

constexpr Key kHaltPollKeys[] = {
    defaulted("most", duration(0), "200us", "The longest window; 0s: no polling."),
    defaulted("start", duration(0), "10us", "The window that grows from none."),
    defaulted("grow", number(0, 64), "2", "The factor by which it grows; 0: it does not."),
    defaulted("shrink", number(0, 64), "2", "What it is divided by; 0: it closes at once."),
};

constexpr Key kInterruptsOffKeys[] = {
    required("every", duration(1), "From the start of one such stretch to the next."),
    required("for", duration(1), "How long one lasts."),
};

constexpr Key kPostedKeys[] = {
    defaulted("loops", number(1, 1000), "3",
              "How often the handler of one notification looks at what was posted, the last look, "
              "after which posts send notifications again, among them."),
};

constexpr Key kIoapicKeys[] = {
    defaulted("pins", number(1, 120), "24", "Input pins, and entries of its table."),
    defaulted("version", one_of(kIoapicVersions), "0x20",
              "0x20 has an EOI register, 0x11 (82093AA) has none."),
    defaulted("inputs", one_of(kInputs), "asserted",
              "`asserted`: drivers say whether an input is asserted, the polarity bit is storage. "
              "`wired`: pins have a level, low for an assertion from pin 16 on and high below, and "
              "the polarity bit says which is active."),
};

constexpr Key kHpetKeys[] = {
    defaulted("comparators", number(1, 8), "3", "How many; the first is periodic, too."),
    defaulted("requester", of(Kind::Bdf), "f0:0f.0",
              "The requester id of its messages, on the first host bridge."),
};

constexpr Key kHostBridgeKeys[] = {
    required("id", of(Kind::Id), "Its name in this file."),
    optional("segment", number(0, 65535), "its place in the list", "PCI segment group."),
    defaulted("buses", of(Kind::BusRange), "00..ff",
              "The buses behind it; bridges of one segment share none."),
    optional("devices", list_of(kDeviceMap), "none", "What is behind it."),
    optional("bridges", list_of(kBridgeMap), "none", "Bridges with further devices behind them."),
};

constexpr Key kBridgeKeys[] = {
    required("id", of(Kind::Id), "Its name in this file."),
    required("bdf", of(Kind::Bdf), "Where it is."),
    required("secondary", of(Kind::Bus),
             "The bus below it; it and the secondaries of what is behind it belong to no other."),
    defaulted("kind", one_of(kBridgeKinds), "pcie-root-port",
              "`pcie-root-port` leaves the requester id as it is, `pcie-pci-bridge` puts its "
              "secondary bus there, device 0, function 0."),
    optional("devices", list_of(kDeviceMap), "none", "What is on its secondary bus."),
    optional("bridges", list_of(kBridgeMap), "none", "Further bridges on its secondary bus."),
};

constexpr Key kDeviceKeys[] = {
    required("id", of(Kind::Id), "Its name in this file."),
    required("bdf", of(Kind::Bdf), "Where it is: its requester id."),
    defaulted("count", number(1, 65536), "1",
              "How many such functions there are, `id[0]` at `bdf` and the others behind it."),
    optional("msix", number(1, 2048), "no MSI-X", "Entries of its MSI-X table."),
    optional("msi", either(kMsiVectors, kMsiMap), "no MSI",
             "Its MSI capability: how many vectors it asks for, or more about it. Beside `msix` it "
             "has no more vectors than that has entries, and the driver takes MSI-X."),
    optional("intx", one_of(kPins), "no INTx", "The INTx message that it sends."),
    optional(
        "attach", one_of(kAttachments), "as the path has it",
        "Who raises its interrupts: a thread of the VMM (`emulated`, as most paths have it), a "
        "worker of the host's kernel (`vhost`), or hardware that the guest was given "
        "(`assigned`), which interrupts the host first. Hardware delivers to vCPUs directly "
        "(`kvm-direct-inject`) what hardware raises."),
    optional("moderation", map_of(kModeration), "none",
             "Events of a vector are gathered into one interrupt. It is for messages: a device "
             "with `intx` has none.")
        .beside("msix msi"),
};

constexpr Key kMsiKeys[] = {
    required("vectors", number(1, 32), "1, 2, 4, 8, 16 or 32."),
    defaulted("maskable", of(Kind::Flag), "false", "It has per-vector masking."),
    defaulted("address", number(32, 64), "64", "Bits of the message address: 32 or 64."),
};

constexpr Key kModerationKeys[] = {
    required("count", number(1, 65536), "After so many events; 1 is no moderation."),
    required("time", duration(0),
             "Or so long after the first event, if it comes earlier; 0ns is no moderation."),
};

constexpr std::string_view kStreams = "poisson periodic burst closed-loop";

constexpr Key kLoadKeys[] = {
    optional("source", of(Kind::Sources), "none", "Which sources, each on its own.")
        .beside("poisson periodic burst closed-loop at"),
    choice("poisson", of(Kind::Period), "At random: the mean rate, or the mean time between two.")
        .needing("source"),
    choice("periodic", of(Kind::Period), "Evenly: the rate, or the time between two.")
        .needing("source"),
    choice("burst", map_of(kBurst), "Several at once, again and again.").needing("source"),
    choice("closed-loop", map_of(kClosedLoop), "The next one when an earlier one has been served.")
        .needing("source"),
    choice("at", duration(0), "Once, at this time.").needing("source"),
    choice("replay", of(Kind::Text), "A trace file, relative to the scenario."),
    defaulted("start", duration(0), "0ns", "When it begins.")
        .beside("poisson periodic burst closed-loop replay"),
    optional("for", duration(1), "to the end of the run", "How long it goes on.").beside(kStreams),
    optional("level", map_of(kLevel), "`{ until: handled }`", "How long an INTx line stays high.")
        .beside("poisson periodic burst closed-loop at"),
};

constexpr Key kBurstKeys[] = {
    required("size", number(1, 65536), "Interrupts of each source in one burst."),
    required("every", duration(1), "From the start of a burst to the next."),
};

constexpr Key kClosedLoopKeys[] = {
    required("depth", number(1, 65536), "Requests of each source that are under way."),
    defaulted("think", duration(0), "0ns",
              "From the end of the interrupt that served a request to the next one's interrupt."),
};

constexpr Key kLevelKeys[] = {
    defaulted("until", one_of(kUntils), "handled",
              "`handled`: until the handler has served the device; `pulse`: it falls at once."),
};

constexpr Key kHandlerKeys[] = {
    required("steps", list_of(kHandlerStep), "What it does before it acknowledges, in order."),
};

constexpr Key kChangeKeys[] = {
    defaulted("at", duration(0), "0ns", "When it happens first."),
    optional("every", duration(1), "once", "How often it happens again."),
    choice("mask", of(Kind::Sources), "Mask these sources."),
    choice("unmask", of(Kind::Sources), "Unmask these sources."),
    choice("retarget", of(Kind::Sources), "Move these sources to another CPU.").needing("to"),
    choice("host-affinity", of(Kind::Sources),
           "The host moves its own interrupts of these assigned sources to another of its CPUs.")
        .needing("to"),
    choice("route-update", of(Kind::Sources),
           "The VMM gives KVM the routes anew, with the messages of these sources."),
    choice("irqfd-release", of(Kind::Sources),
           "The VMM takes the irqfds of these sources away, and assigns them again after `for`.")
        .needing("for"),
    later("move-vcpu", "vCPUs on a modelled host"),
    later("migrate-vm", "migration"),
    optional("to", either(kRandomWord, kCpu), "none", "The CPU, or `random`.")
        .beside("retarget host-affinity"),
    optional("for", duration(1), "none", "How long the irqfds are away.").beside("irqfd-release"),
};

constexpr Table kMachine = {"machine", "in 'machine'", "The hardware.", rows(kMachineKeys)};
constexpr Table kInterruptsOff = {"interrupts_off", "in 'interrupts_off'",
                                  "Stretches in which a CPU takes no interrupt.",
                                  rows(kInterruptsOffKeys)};
constexpr Table kPosted = {"posted", "in 'posted'", "Host posted MSIs.", rows(kPostedKeys)};
constexpr Table kIoapic = {"ioapic", "in an IOAPIC", "An I/O APIC.", rows(kIoapicKeys)};
constexpr Table kHpet = {"hpet", "in 'hpet'", "High precision event timers.", rows(kHpetKeys)};
constexpr Table kHost = {"host", "in 'host'", "The machine under the vCPUs.", rows(kHostKeys)};
constexpr Table kHaltPoll = {"halt_poll", "in 'halt_poll'", "Polling for a halted vCPU.",
                             rows(kHaltPollKeys)};
constexpr Table kHostBridge = {"host bridge", "in a host bridge", "A PCI host bridge.",
                               rows(kHostBridgeKeys)};
constexpr Table kBridge = {"bridge", "in a bridge", "A bridge below a host bridge.",
                           rows(kBridgeKeys)};
constexpr Table kMsi = {"msi capability", "in 'msi'", "An MSI capability.", rows(kMsiKeys)};
constexpr Table kModeration = {"moderation", "in 'moderation'", "Interrupt moderation.",
                               rows(kModerationKeys)};
constexpr Table kDevice = {"device", "in a device", "A PCI function, or several equal ones.",
                           rows(kDeviceKeys)};
constexpr Table kLoad = {"workload", "in a row of 'workload'", "One stream of interrupts.",
                         rows(kLoadKeys), "what is raised"};
constexpr Table kBurst = {"burst", "in 'burst'", "Bursts of equal size.", rows(kBurstKeys)};
constexpr Table kClosedLoop = {
    "closed-loop", "in 'closed-loop'",
    "A queue of requests of constant depth. Whoever handles an interrupt of "
    "the source serves all that it has asked for.",
    rows(kClosedLoopKeys)};
constexpr Table kLevel = {"level", "in 'level'", "An INTx line.", rows(kLevelKeys)};
constexpr Table kHandler = {"handler", "in a handler", "The steps of a handler.",
                            rows(kHandlerKeys)};
constexpr Table kChange = {"during", "in a row of 'during'", "One reconfiguration under traffic.",
                           rows(kChangeKeys), "what changes"};

}  // namespace

constexpr Table kScenarioTable = {"scenario", "in the scenario", "The whole file.",
                                  rows(kScenarioKeys)};

}  // namespace irqfab::scenario
