#include "fabric/conform/kvm_machine.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "fabric/conform/handler_log.hpp"
#include "fabric/conform/kvm_setup.hpp"
#include "fabric/conform/kvm_state.hpp"
#include "fabric/run/machine.hpp"
#include "models/x86/lapic_registers.hpp"

namespace irqfab::conform {
namespace {

using kvm::Answer;
using kvm::IrqchipKind;
using x86::LapicRegister;

constexpr auto kDeassign = static_cast<std::uint64_t>(kvm::IrqfdFlag::Deassign);
constexpr auto kResample = static_cast<std::uint64_t>(kvm::IrqfdFlag::Resample);
constexpr std::uint64_t kExitIo = 2;
constexpr std::uint64_t kGuestApicBase = 0xFEE00900;
constexpr std::uint16_t kGuestCs = 0x18;
constexpr Time kMillisecond = 1'000'000'000;
constexpr std::size_t kLongestOrder = 64;
constexpr std::size_t kMostHandlers = 100'000;  // of a case: more is a line that nobody lowers

/// A VM, and the process that owns it.
class KvmVm {
 public:
  KvmVm(const Case& test, x86::Quirks quirks)
      : test_(test),
        topology_(topology_of(test, quirks)),
        names_(eventfds_of(test)),
        open_(names_.size(), false),
        machine_(topology_, resolve(built_in_profiles().front()), {}, &log_,
                 run::EngineKind::Fast) {
    for (std::uint32_t cpu = 0; cpu < cpus(); ++cpu) {
      machine_.core<cpu::Cpus>(kVcpus).stop(CpuId{cpu});
    }
  }

  Comparison run() {
    for (const Op& op : test_.ops) {
      perform(op);
      if (comparison_.difference() || !comparison_.why_gave_up().empty()) return comparison_;
    }
    compare_state("observed", test_.observed);
    return comparison_;
  }

 private:
  using Perform = void (KvmVm::*)(const Op&);
  struct Row {
    std::string_view op;
    Perform perform;
  };

  std::uint32_t cpus() const {
    return std::get<cpu::Cpus::Config>(topology_.components[kVcpus].config).cpus;
  }
  kvm::KvmHost& host() { return machine_.core<kvm::KvmHost>(kKvm); }
  kvm::KvmSoftware& software() { return host().software(); }
  IrqchipKind kind() { return software().chip().config().kind; }
  static CpuId cpu_of(const Op& op) { return CpuId{low(op.number_of("cpu"))}; }

  void perform(const Op& op) {
    static constexpr Row kRows[] = {
        {"create_vm", &KvmVm::create_vm},
        {"set_lapic", &KvmVm::set_lapic},
        {"set_lapic_reg", &KvmVm::set_lapic_reg},
        {"move_irr_to_isr", &KvmVm::move_irr_to_isr},
        {"set_apic_base", &KvmVm::set_apic_base},
        {"set_mp_state", &KvmVm::set_mp_state},
        {"set_gsi_routing", &KvmVm::set_gsi_routing},
        {"set_ioapic_rte", &KvmVm::set_ioapic_rte},
        {"set_pic", &KvmVm::set_pic},
        {"eventfd", &KvmVm::eventfd},
        {"eventfd_write", &KvmVm::eventfd_write},
        {"eventfd_read", &KvmVm::eventfd_read},
        {"eventfd_close", &KvmVm::eventfd_close},
        {"irqfd", &KvmVm::irqfd},
        {"signal_msi", &KvmVm::signal_msi},
        {"irq_line_status", &KvmVm::irq_line},
        {"irq_line", &KvmVm::irq_line},
        {"set_msr", &KvmVm::set_msr},
        {"get_msr", &KvmVm::get_msr},
        {"kvm_nmi", &KvmVm::kvm_nmi},
        {"kvm_interrupt", &KvmVm::kvm_interrupt},
        {"run_out_insn_if0", &KvmVm::run_out},
        {"run_guest", &KvmVm::run_guest},
        {"snapshot", &KvmVm::snapshot},
    };
    for (const Row& row : kRows) {
      if (row.op == op.name()) (this->*row.perform)(op);
    }
    settle();
    if (log_.total() > kMostHandlers) {
      comparison_.gave_up(op, "the guest does not come to rest: more than " +
                                  std::to_string(kMostHandlers) + " handlers ran");
    }
  }

  /// Until nothing moves, or a guest has run more handlers than any case needs.
  void settle(Time until = kNever) {
    Engine& engine = machine_.engine();
    while (!engine.idle() && engine.next_time() <= until && log_.total() <= kMostHandlers) {
      engine.step();
    }
  }

  /// An ioctl that sets state, as `act(software, env)` or `act(host, env)`; what it changes reaches
  /// the vCPUs.
  template <class Act>
  void act(Act&& act) {
    machine_.act<kvm::KvmHost>(kKvm, LaneId{0}, [&](kvm::KvmHost& vm, Env& env) {
      if constexpr (std::is_invocable_v<Act, kvm::KvmHost&, Env&>) {
        act(vm, env);
      } else {
        act(vm.software(), env);
      }
      vm.pass_signals(env);
    });
    settle();
  }
  void answer(const Op& op, Answer ret) { comparison_.answer(op, "ret", ret_of(ret)); }

  /// A call of the process's one thread, and what it answers.
  Answer call(kvm::Call kind, std::uint64_t a, std::uint64_t b) {
    machine_.put(kKvm, kvm::KvmHost::kCalls,
                 HostCall{static_cast<std::uint16_t>(kind), TaskId{0}, a, b});
    settle();
    return software().last_answer();
  }

  // ---- VM and LAPICs ----

  void create_vm(const Op& op) {
    const bool known = accepts_x2apic_api(op);
    comparison_.answer(op, "x2apic_api_ret", ret_of(known ? 0 : kvm::kEINVAL));
  }

  void restore(const Op& op, const std::vector<kvm::Irqchip::Register>& registers) {
    Answer ret = 0;
    act([&](kvm::KvmSoftware& s, Env& env) {
      ret = s.chip().set_lapic(cpu_of(op), registers, env);
    });
    answer(op, ret);
  }
  void set_lapic(const Op& op) {
    restore(op, {{LapicRegister::kSvr, low(op.number_of("svr"))},
                 {LapicRegister::kLdr, low(op.number_of("ldr"))},
                 {LapicRegister::kDfr, low(op.number_of("dfr"))},
                 {LapicRegister::kTpr, low(op.number_of("tpr"))}});
  }
  void set_lapic_reg(const Op& op) {
    restore(op, {{low(op.number_of("reg")), low(op.number_of("value"))}});
  }
  void move_irr_to_isr(const Op& op) {
    const auto vector = static_cast<unsigned>(op.number_of("vector"));
    const std::uint32_t offset = vector / 32 * 16;
    const std::uint32_t bit = 1u << vector % 32;
    const x86::LapicBank& lapics = software().chip().lapics();
    const std::uint32_t irr = lapics.irr(cpu_of(op)).register_word(vector / 32);
    const std::uint32_t isr = lapics.isr(cpu_of(op)).register_word(vector / 32);
    restore(op, {{LapicRegister::kIrr + offset, irr & ~bit},
                 {LapicRegister::kIsr + offset, isr | bit}});
  }
  void set_apic_base(const Op& op) {
    Answer ret = 0;
    act([&](kvm::KvmSoftware& s, Env& env) {
      ret = s.set_sregs(cpu_of(op), op.number_of("value"), env);
    });
    answer(op, ret);
  }
  void set_mp_state(const Op& op) {
    answer(op, software().set_mp_state(cpu_of(op), op.number_of("value")));
  }
  void set_msr(const Op& op) {
    x86::MsrAnswer done;
    act([&](kvm::KvmSoftware& s, Env& env) {
      done = s.chip().write_msr(cpu_of(op), low(op.number_of("msr")), op.number_of("value"), env);
    });
    comparison_.answer(op, "msrs_set", done.status == x86::MsrStatus::Done ? 1 : 0);
  }
  void get_msr(const Op& op) {
    x86::MsrAnswer done;
    act([&](kvm::KvmSoftware& s, Env& env) {
      done = s.chip().read_msr(cpu_of(op), low(op.number_of("msr")), env);
    });
    comparison_.answer(op, "msrs_got", done.status == x86::MsrStatus::Done ? 1 : 0);
    if (done.status == x86::MsrStatus::Done) comparison_.answer(op, "value", done.value);
  }
  void kvm_nmi(const Op& op) { answer(op, software().nmi(cpu_of(op))); }
  void kvm_interrupt(const Op& op) {
    Answer ret = 0;
    act([&](kvm::KvmSoftware& s, Env& env) {
      ret = s.interrupt(cpu_of(op), low(op.number_of("irq")), env);
    });
    answer(op, ret);
  }

  // ---- routes and chips ----

  void set_gsi_routing(const Op& op) {
    answer(op, op.number_of("flags") != 0 ? kvm::kEINVAL : replace_routes(op));
  }
  Answer replace_routes(const Op& op) {
    const std::uint64_t entries = op.number_of("nr");
    if (entries > kvm::kMaxRoutes) return kvm::kEINVAL;
    const Json& given = op.fields.at("routes");
    std::vector<kvm::Route> routes;
    for (std::uint32_t i = 0; i < entries; ++i) {
      kvm::Route route;
      if (given.empty()) {
        route = {Gsi{i % kvm::kMaxRoutes}, kvm::RouteTarget::Msi, Pin{}, {0xFEE00000, 0x40}};
      } else if (i < given.size()) {
        route = route_of(given[i]);
      } else {
        route.target = kvm::RouteTarget::Unknown;
      }
      routes.push_back(route);
    }
    return call(kvm::Call::SetRouting, software().layer().stage(std::move(routes)), 0);
  }
  void set_ioapic_rte(const Op& op) {
    const auto pin = Pin(static_cast<std::uint16_t>(op.number_of("pin")));
    entries_set_.push_back(pin);
    Answer ret = 0;
    act([&](kvm::KvmSoftware& s, Env& env) {
      ret = s.chip().set_entry(pin, op.number_of("rte"), env);
    });
    answer(op, ret);
  }
  void set_pic(const Op& op) {
    const bool slave = op.text_of("chip") == "pic_slave" || op.number_of("chip") == 1;
    x86::PicChip::Settings settings;
    settings.imr = static_cast<std::uint8_t>(op.number_of("imr"));
    settings.vectors = static_cast<std::uint8_t>(op.number_of("irq_base"));
    settings.elcr = static_cast<std::uint8_t>(op.number_of("elcr"));
    Answer ret = 0;
    act([&](kvm::KvmSoftware& s, Env& env) {
      ret = s.chip().set_pic(slave ? x86::PicRole::Slave : x86::PicRole::Master, settings, env);
    });
    answer(op, ret);
  }

  // ---- eventfds ----

  /// Nothing for a name that is no open eventfd.
  std::optional<std::uint32_t> find(const std::string& name) const {
    const auto at = std::find(names_.begin(), names_.end(), name);
    const auto index = static_cast<std::uint32_t>(at - names_.begin());
    if (at == names_.end() || !open_[index]) return std::nullopt;
    return index;
  }
  void eventfd(const Op& op) {
    const auto at = std::find(names_.begin(), names_.end(), op.text_of("fd"));
    const auto fd = static_cast<std::uint32_t>(at - names_.begin());
    if (open_[fd]) call(kvm::Call::EventfdClose, fd, 0);
    const bool semaphore = op.number_of("semaphore") != 0;
    act([&](kvm::KvmHost& vm, Env& env) {
      vm.open_eventfd(fd, op.number_of("init"),
                      semaphore ? host::EventFdMode::Semaphore : host::EventFdMode::Counter, env);
    });
    open_[fd] = true;
  }
  void eventfd_write(const Op& op) {
    constexpr std::uint64_t kMost = ~std::uint64_t{0} - 1;
    const auto fd = find(op.text_of("fd"));
    const std::uint64_t added = op.number_of("value");
    if (!fd) return answer(op, kvm::kEBADF);
    if (added > kMost) return answer(op, kvm::kEINVAL);
    if (added > kMost - host().counter(*fd)) return answer(op, kvm::kEAGAIN);
    call(kvm::Call::EventfdWrite, *fd, added);
    answer(op, 0);
  }
  void eventfd_read(const Op& op) {
    const auto fd = find(op.text_of("fd"));
    Answer ret = kvm::kEBADF;
    act([&](kvm::KvmHost& vm, Env& env) {
      if (fd) ret = vm.read_eventfd(*fd, env);
    });
    answer(op, ret);
  }
  void eventfd_close(const Op& op) {
    const auto fd = find(op.text_of("fd"));
    if (!fd) return answer(op, kvm::kEBADF);
    open_[*fd] = false;
    answer(op, call(kvm::Call::EventfdClose, *fd, 0));
  }

  static std::uint64_t flags_of(const Op& op) {
    const std::string text = op.text_of("flags");
    std::uint64_t flags = op.has("resample_fd") ? kResample : 0;
    if (text == "deassign") return flags | kDeassign;
    const bool decimal = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    return flags | (decimal ? std::stoull(text) : op.number_of("flags"));
  }
  void irqfd(const Op& op) { answer(op, bind(op)); }
  Answer bind(const Op& op) {
    constexpr std::uint64_t kNoEventfd = 0xFFFFFFFF;
    const std::uint64_t fd = find(op.text_of("fd")).value_or(kNoEventfd);
    const std::uint64_t resample = find(op.text_of("resample_fd")).value_or(kNoEventfd);
    return call(kvm::Call::Irqfd, op.number_of("gsi") << 32 | fd,
                resample << 32 | low(flags_of(op)));
  }

  // ---- calls that inject ----

  void signal_msi(const Op& op) {
    answer(op, signal_msi(op.number_of("addr_hi") << 32 | op.number_of("addr_lo"),
                          low(op.number_of("data")), low(op.number_of("flags"))));
  }
  Answer signal_msi(std::uint64_t address, std::uint32_t data, std::uint32_t flags) {
    return call(kvm::Call::SignalMsi, (address & 0xFFFFFFFF) << 32 | data,
                std::uint64_t{flags} << 32 | address >> 32);
  }
  void irq_line(const Op& op) {
    if (kind() == IrqchipKind::None) return answer(op, kvm::kENXIO);
    const std::uint64_t level = op.number_of("level") != 0 ? std::uint64_t{1} << 32 : 0;
    const std::uint64_t told = op.name() == "irq_line" ? kvm::kNoStatus : 0;
    const Answer status = call(kvm::Call::IrqLine, told | level | op.number_of("gsi"), 0);
    answer(op, 0);
    comparison_.answer(op, "status", status);
  }

  // ---- guests ----

  void enter(CpuId cpu) {
    act([&](kvm::KvmSoftware& s, Env& env) { s.enter(cpu, env); });
  }
  void run_out(const Op& op) {
    enter(cpu_of(op));
    software().vcpu(cpu_of(op)).cs = 0;
    answer(op, 0);
    comparison_.answer(op, "exit_reason", kExitIo);
  }

  void run_guest(const Op& op) {
    const CpuId cpu{0};
    act([&](kvm::KvmSoftware& s, Env& env) { s.chip().set_sregs(cpu, kGuestApicBase, env); });
    software().vcpu(cpu).cs = kGuestCs;
    enter(cpu);
    log_.clear();
    guest_for(op.number_of("ms"));
    if (op.has("during_signal_msi")) {
      signal_msi(0xFEE00000, low(op.number_of("during_signal_msi")), 0);
      guest_for(op.number_of("ms"));
    }
    machine_.core<cpu::Cpus>(kVcpus).stop(cpu);
    const std::size_t entries = log_.size();
    std::vector<unsigned> order = log_.vectors(NodeId{0});
    order.resize(std::min(order.size(), kLongestOrder));
    comparison_.answer(op, "isr_entries", entries);
    comparison_.answer(op, "isr_order", order);
    kvm::VcpuEvents& vcpu = software().vcpu(cpu);
    vcpu.nmis = 0;
    const bool slept_on = vcpu.mp_state == kvm::MpState::Halted && entries == 0;
    const bool waits = op.text_of("loop") == "hlt" || slept_on;
    vcpu.mp_state = waits ? kvm::MpState::Halted : kvm::MpState::Runnable;
  }

  void guest_for(std::uint64_t milliseconds) {
    const Time until = machine_.engine().now() + milliseconds * kMillisecond;
    machine_.act<cpu::Cpus>(kVcpus, LaneId{0},
                            [](cpu::Cpus& cpus, Env& env) { cpus.resume(CpuId{0}, env); });
    settle(until);
  }

  // ---- state ----

  void snapshot(const Op& op) { compare_state(place_of(op), op.fields.at("state")); }

  void compare_state(const std::string& where, const Json& recorded) {
    for (std::uint32_t cpu = 0; cpu < cpus(); ++cpu) {
      act([&](kvm::KvmSoftware& s, Env& env) { s.look(CpuId{cpu}, env); });
    }
    compare_vm(where, recorded, software(), entries_set_, comparison_);
  }

  const Case& test_;
  HandlerLog log_;
  topology::Topology topology_;
  std::vector<std::string> names_;  // of eventfds; the index is the one in KvmHost::Config
  std::vector<bool> open_;          // by eventfd
  std::vector<Pin> entries_set_;
  run::Machine machine_;
  Comparison comparison_;
};

}  // namespace

Comparison run_kvm(const Case& test, x86::Quirks quirks) { return KvmVm(test, quirks).run(); }

}  // namespace irqfab::conform
