// The local APICs of a VM's virtual CPUs, and what processor and host do for them: one value, which
// software that runs virtual CPUs composes.
//
// Models: the guest's registers are a LapicBank (the virtual-APIC pages of Intel, the backing pages
// of AMD); this is what stands in front of it. Intel: SDM vol. 3, chapter 30 "APIC
// Virtualization and Virtual Interrupts": TPR, PPR, EOI, self-IPI and IPI virtualization (30.1),
// evaluation and delivery of virtual interrupts (30.2), accesses to the page and by MSR (30.4,
// 30.5), posted-interrupt processing (30.6). AMD: APM vol. 2, 15.29 "Advanced Virtual Interrupt
// Controller": accesses, IPIs, doorbells, table entries. What exits is carried out by `complete`,
// as the host does it.
//
// Posted interrupts rest in the descriptor, a span a bit of its PIR, until posted-interrupt
// processing moves them to the IRR. What software accepts for a vCPU (a message, an IPI that
// exited, a timer) goes the same way. With AVIC both set the IRR bit at once; the vCPU does not see
// it until its processor looks. A processor looks at VM entry, at a doorbell, at posted-interrupt
// processing, and at its own TPR writes, EOIs and self-IPIs, and at no other time (30.2.1).
//
// Choices. RVI and SVI are the highest bits of IRR and ISR: the host keeps them so at VM entry, and
// no operation leaves them otherwise. The host's post sets ON whatever SN says, as KVM's does. Bits
// that the processor sets by itself (posts, IPIs) do not touch the TMR; what software accepts does.
// Not modelled: ExtINT and NMIs of a guest, which are injected as events; whether a vCPU runs, and
// where: the owner knows; the time that any of this takes, which events are charged for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "models/base/env.hpp"
#include "models/x86/apicv_access.hpp"
#include "models/x86/apicv_controls.hpp"
#include "models/x86/avic_access.hpp"
#include "models/x86/avic_tables.hpp"
#include "models/x86/lapic.hpp"
#include "models/x86/posted_descriptor.hpp"

namespace irqfab::x86 {

/// A guest's access that the processor did not finish.
struct VirtualExit {
  enum class By : std::uint8_t { Page, Msr, Cr8 };
  enum class Direction : std::uint8_t { Read, Write };

  CpuId vcpu{};
  ExitReason reason = ExitReason::ApicAccess;
  std::uint64_t qualification = 0;  // VMX: exit qualification; SVM: EXITINFO1
  std::uint64_t info2 = 0;          // SVM: EXITINFO2
  By by = By::Page;
  Direction direction = Direction::Write;
  std::uint32_t where = 0;  // offset in the page, or number of the MSR
  std::uint64_t value = 0;  // that is written
};

/// What a guest's access came to. Without an exit it is done, with `value` if it was a read.
struct VirtualAccess {
  std::optional<VirtualExit> exit;
  MsrStatus status = MsrStatus::Done;
  std::uint64_t value = 0;
};

/// What has to reach somebody else because of the call that was made. A kick is for the host to
/// decide: a vCPU that waits is woken. One that is in its guest takes what was posted when the host
/// sends `vector` to the CPU (posted interrupts), or rings it (AVIC); otherwise it has to exit.
struct VirtualSignal {
  enum class Kind : std::uint8_t {
    Notification,  // the sender's processor sends `vector` to the host's local APIC `host`
    Doorbell,      // the sender's processor rings the CPU with local APIC `host`
    Kick,          // the host's software, as said above
  };
  Kind kind = Kind::Kick;
  CpuId vcpu{};           // that it is about
  ApicId host{};          // NDST of the descriptor, as it stands there; of the table entry
  Vector vector{};        // NV of the descriptor
  SpanId span = kNoSpan;  // the interrupt that is behind it
  friend bool operator==(const VirtualSignal& a, const VirtualSignal& b) {
    return a.kind == b.kind && a.vcpu == b.vcpu && a.host == b.host && a.vector == b.vector &&
           a.span == b.span;
  }
};

/// Why does a vCPU leave its CPU?
enum class VcpuPut : std::uint8_t { Preempted, Blocked };

class VirtualApics final {
 public:
  struct Config {
    LapicBank::Config lapics;  // ids of the vCPUs, quirks, mutants
    Virtualization virtualization = Virtualization::None;
    ApicvControls controls{};  // must be able to enter; without Apicv only the TPR shadow is used
    X2avic x2avic = X2avic::Absent;
    std::uint32_t first_descriptor = 0;  // vCPU 0's, in the trace; the others follow
  };

  explicit VirtualApics(const Config& config);

  /// What the host calls lapics() with, so that all it does to the registers goes on from here as
  /// if the guest had done it: models/x86/apicv_env.hpp.
  class BankEnv;

  // ---- the guest ------------------------------------------------------------------------------
  // `vcpu` must exist, in all that follows.

  VirtualAccess read(CpuId vcpu, std::uint32_t offset, Env& env);
  VirtualAccess write(CpuId vcpu, std::uint32_t offset, std::uint32_t value, Env& env);
  VirtualAccess rdmsr(CpuId vcpu, std::uint32_t msr, Env& env);
  VirtualAccess wrmsr(CpuId vcpu, std::uint32_t msr, std::uint64_t value, Env& env);
  /// MOV to CR8, 0..15.
  VirtualAccess write_cr8(CpuId vcpu, std::uint8_t value, Env& env);
  /// Does its processor have an interrupt for it? The line that the vCPU sees.
  bool deliverable(CpuId vcpu) const { return vcpus_[vcpu].line == Level::High; }
  /// Virtual-interrupt delivery; without it, what the host injects at VM entry.
  IntaAnswer take(CpuId vcpu, Env& env);

  // ---- processors and remapping units ---------------------------------------------------------

  /// A remapping unit posts: into the descriptor, whose answer says whether to notify, or into the
  /// backing page, where the unit's own entry says whom to ring.
  PostAnswer post(CpuId vcpu, Vector vector, Urgency urgency, SpanId span, Env& env);
  /// Posted-interrupt processing: the notification vector reached a CPU that is in this guest.
  void sync(CpuId vcpu, Env& env);
  /// A doorbell reached a CPU that is in this guest.
  void doorbell(CpuId vcpu, Env& env);

  // ---- the host -------------------------------------------------------------------------------

  /// An interrupt message for the VM, from an emulated device or an IOAPIC. `span` must exist.
  /// How many vCPUs accepted it.
  unsigned on_message(const ApicMessage& message, SpanId span, Env& env);
  /// A timer of the local APICs, or an IPI that the host sent, is due; a pin of theirs changes.
  void on_elapsed(const Elapsed& elapsed, Env& env);
  void on_pin(const PinChange& change, Env& env);
  /// Carries out what exited. For a read: what the guest gets.
  MsrAnswer complete(const VirtualExit& exit, Env& env);
  /// VM entry: what the host does before it (posted interrupts that ON tells of are moved to the
  /// IRR, the TPR threshold is set), and the processor's first look.
  void enter(CpuId vcpu, Env& env);
  /// Is there anything for it, seen or not, that ends a halt? What was posted counts where somebody
  /// was told, or where nobody is to be.
  bool has_event(CpuId vcpu) const;
  /// The host has something for it that its local APIC does not know.
  void kick(CpuId vcpu) { signals_.push_back({VirtualSignal::Kind::Kick, vcpu, {}, {}, kNoSpan}); }
  /// An 8259 is asked for the vector that the vCPU takes: its line is low.
  void extint_asked(CpuId vcpu) {
    vcpus_[vcpu].line = Level::Low;
    bank_.extint_asked(vcpu);
  }
  /// Vectors whose EOIs exit: those that an IOAPIC or somebody else waits for.
  void set_eoi_exits(CpuId vcpu, const VectorSet& vectors) { vcpus_[vcpu].eoi_exits = vectors; }
  /// The vCPU is on the CPU with this local APIC from now on; and no longer.
  void avic_load(CpuId vcpu, ApicId host);
  void avic_put(CpuId vcpu, VcpuPut why);
  /// A reason not to virtualize comes, or goes. If that decides it, all vCPUs are kicked, to enter
  /// anew.
  void inhibit(Inhibit why);
  void allow(Inhibit why);
  /// INIT reached the vCPU: its local APIC starts anew, and what was posted is gone.
  void init(CpuId vcpu, Env& env);

  /// What the calls so far want to reach others with, oldest first; calls `f(VirtualSignal)`.
  template <class F>
  void take_signals(F&& f) {
    for (std::size_t i = 0; i < signals_.size(); ++i) f(VirtualSignal(signals_[i]));
    signals_.clear();
  }

  // ---- state ----------------------------------------------------------------------------------

  /// Does virtualization deliver interrupts now?
  bool active() const {
    return config_.virtualization != Virtualization::None &&
           !inhibits_.forbid(config_.virtualization);
  }
  /// Does the processor take interrupts to its guest by itself? Otherwise the host injects them at
  /// VM entries, and nowhere else.
  bool delivers() const;
  Inhibits inhibits() const { return inhibits_; }
  PostedDescriptor& descriptor(CpuId vcpu) { return vcpus_[vcpu].descriptor; }
  const PostedDescriptor& descriptor(CpuId vcpu) const { return vcpus_[vcpu].descriptor; }
  AvicTables& avic_tables() { return tables_; }
  const AvicTables& avic_tables() const { return tables_; }
  /// The registers, for a host that puts state in place. What is accepted goes by the calls above.
  LapicBank& lapics() { return bank_; }
  const LapicBank& lapics() const { return bank_; }
  /// Guest interrupt status: 0 stands for none.
  Vector rvi(CpuId vcpu) const { return bank_.irr(vcpu).highest().value_or(Vector{0}); }
  Vector svi(CpuId vcpu) const { return bank_.isr(vcpu).highest().value_or(Vector{0}); }
  /// Bits 3:0; 0 while the processor delivers, or if nothing is held back.
  std::uint8_t tpr_threshold(CpuId vcpu) const { return vcpus_[vcpu].tpr_threshold; }

  /// Spans whose only home is here: in the registers and in the descriptors.
  void held_spans(std::vector<SpanId>& out) const;

  /// Signals that were not taken count.
  friend bool operator==(const VirtualApics& a, const VirtualApics& b);

 private:
  using By = VirtualExit::By;
  using Direction = VirtualExit::Direction;
  struct Vcpu {
    PostedDescriptor descriptor;
    VectorSet eoi_exits;
    std::uint8_t tpr_threshold = 0;  // bits 3:0
    Level line = Level::Low;         // as its processor last saw it
    bool operator==(const Vcpu& other) const;
  };
  enum class Sender : std::uint8_t { Included, Excluded };
  /// An ICR that was written, both halves.
  struct Command {
    By by;
    std::uint32_t low;
    std::uint32_t destination;  // 8 bits by the page, 32 by MSR
  };

  // What both vendors have: apicv.cpp.
  ApicvControls controls() const;
  bool avic_active() const { return config_.virtualization == Virtualization::Avic && active(); }
  bool posts() const {
    return config_.virtualization == Virtualization::Apicv && active() &&
           config_.controls.has(ApicvControl::ProcessPostedInterrupts);
  }
  std::uint64_t name_of(CpuId vcpu, Vector vector) const {
    return std::uint64_t{raw(vcpu)} << 8 | raw(vector);
  }
  void accepted(CpuId vcpu, Vector vector, SpanId span, Env& env);
  void look(CpuId vcpu, SpanId raised_by, Env& env);
  void take_posted(CpuId vcpu, Env& env);
  void start_anew(CpuId vcpu, Env& env);
  void set_tpr(CpuId vcpu, std::uint8_t tpr, Env& env);
  bool icr_is_refused(std::uint64_t value) const;
  void store_icr(CpuId vcpu, const Command& command, Env& env);
  void self_ipi(CpuId vcpu, Vector vector, std::uint32_t icr_low, Env& env);
  MsrAnswer carry_out(const VirtualExit& exit, Env& env);
  void host_wrote(const VirtualExit& exit);
  void set_inhibits(Inhibits inhibits);
  bool is_register_msr(CpuId vcpu, std::uint32_t msr) const;

  // Intel: apicv_guest.cpp.
  VirtualAccess virtual_tpr(CpuId vcpu, By by, std::uint8_t tpr, Env& env);
  VirtualAccess virtual_eoi(CpuId vcpu, By by, Env& env);
  VirtualAccess virtual_icr(CpuId vcpu, const Command& command, Env& env);
  VirtualAccess virtual_self_ipi(CpuId vcpu, std::uint64_t value, Env& env);
  bool virtual_ipi(CpuId vcpu, const Command& command, Env& env);

  // AMD: avic.cpp.
  VirtualAccess avic_reads(CpuId vcpu, By by, std::uint32_t offset, Env& env);
  VirtualAccess avic_writes(CpuId vcpu, By by, std::uint32_t offset, std::uint64_t value, Env& env);
  VirtualAccess avic_eoi(CpuId vcpu, By by, Env& env);
  VirtualAccess avic_icr(CpuId vcpu, const Command& command, Env& env);
  std::optional<std::uint64_t> find_targets(CpuId vcpu, const Command& command);
  std::optional<std::uint64_t> find_logical(CpuId vcpu, const Command& command);
  std::optional<std::uint64_t> find_physical(ApicId id, std::uint32_t index);
  void find_everybody(CpuId sender, Sender own);
  std::optional<std::uint64_t> set_irrs(CpuId sender, Vector vector, std::uint32_t icr_low,
                                        Env& env);
  void kick_stopped(const VirtualExit& exit);
  void rebuild_logical();
  ApicId table_id(CpuId vcpu) const { return config_.lapics.ids[raw(vcpu)]; }

  Config config_;
  LapicBank bank_;
  Indexed<CpuId, Vcpu> vcpus_;
  Inhibits inhibits_;
  std::vector<std::optional<CpuId>> pid_pointers_;  // by APIC id: the PID-pointer table
  AvicTables tables_;
  std::vector<VirtualSignal> signals_;
  std::vector<CpuId> targets_;  // of the IPI under way
};

}  // namespace irqfab::x86
