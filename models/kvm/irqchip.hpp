// The in-kernel irqchip of a VM: software that owns an IOAPIC, two 8259s and the local APICs and
// returns a value.
//
// Models: api.rst, KVM_CREATE_IRQCHIP, KVM_SIGNAL_MSI (answers how many local APICs accepted),
// KVM_IRQ_LINE_STATUS (the sum over the routes of the GSI: how many accepted, 0 if merged, -1 if
// masked or without a route), KVM_SET_LAPIC, KVM_SET_IRQCHIP and KVM_SET_MSRS; KVM_CAP_X2APIC_API;
// KVM_CAP_SPLIT_IRQCHIP, where the IOAPIC is user space's and not here. The chips are the cores
// that bare metal has, called one by the other through a local Env; nothing here takes time of its
// own, the calling task is charged for it. With a split irqchip the EOI of a vector that a level
// route of one of the pins' GSIs brings is left for user space (KVM_EXIT_IOAPIC_EOI).
// The LAPICs' timers are the host's: on_timer is what its handler calls. Not modelled: TSC
// deadlines.
//
// A vCPU that is a thread comes by `on_read`, `on_write` and `complete`, where the processor does
// what it can (models/x86/apicv.hpp); whoever runs it takes the signals of apics(), and kicks all
// when `take_scan_request` says so.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "models/base/env.hpp"
#include "models/kvm/gsi_routing.hpp"
#include "models/kvm/rtc_tracking.hpp"
#include "models/x86/apicv.hpp"
#include "models/x86/ioapic.hpp"
#include "models/x86/pic.hpp"

namespace irqfab::kvm {

/// Who drives a pin of the irqchip; sources are ORed (api.rst, KVM_IRQFD "resample").
constexpr std::uint32_t kUserspaceSource = 0;  // KVM_IRQ_LINE and plain irqfds
constexpr std::uint32_t kResamplerSource = 1;  // all resampling irqfds

/// A message's answer where all LAPICs were asked and none is meant; as an errno it is EPERM.
constexpr Answer kNobody = -1;

/// KVM_CAP_X2APIC_API's second flag: is 0xFF everybody for LAPICs in x2APIC mode?
enum class BroadcastQuirk : std::uint8_t { On, Off };

/// Does whoever drives a line want to know whether an RTC interrupt merged into one that was not
/// ended yet? KVM_IRQ_LINE_STATUS does; KVM_IRQ_LINE and irqfds do not.
enum class LineStatus : std::uint8_t { Untold, Told };

/// What one contribution does to a GSI.
struct LineChange {
  Gsi gsi{};
  std::uint32_t source = 0;
  Level level = Level::Low;
  LineStatus status = LineStatus::Untold;
};

class Irqchip {
 public:
  struct Config {
    IrqchipKind kind = IrqchipKind::Full;
    std::uint32_t max_routes = kMaxRoutes;  // what KVM_CAP_IRQ_ROUTING answers
    std::vector<ApicId> ids;                // of the vCPUs
    /// Absent: routes to the 8259s count for nothing.
    x86::ExternalPic pic = x86::ExternalPic::Absent;
    x86::MsiDestination destination = x86::MsiDestination::Bits8;  // Bits32: KVM_CAP_X2APIC_API
    BroadcastQuirk broadcast_quirk = BroadcastQuirk::On;
    /// Of IrqchipKind::Split; KVM_CAP_X2APIC_API's fourth flag takes it away.
    x86::EoiSuppression eoi_suppression = x86::EoiSuppression::Supported;
    x86::Virtualization virtualization = x86::Virtualization::None;
    x86::ApicvControls controls{};
    x86::X2avic x2avic = x86::X2avic::Absent;
    std::uint64_t timer_hz = 0;  // of the clock that the LAPICs' timers divide; 0: none runs
    LaneId timers{};             // vCPU 0's Elapsed comes on the lane after it, and so on
    x86::Quirks quirks{};
    Mutants mutants{};
  };

  explicit Irqchip(const Config& config);

  /// KVM_SIGNAL_MSI, and the MSI route of an irqfd. `span` ends here unless somebody accepts it.
  Answer signal_msi(const x86::MsiMessage& message, SpanId span, Env& env);
  /// What KVM_SIGNAL_MSI answers before it looks for a target: 0 to go on, or -EINVAL.
  Answer check_msi(const x86::MsiMessage& message, std::uint32_t flags) const;

  /// A caller is about to drive a line: true if the level is a rise for this source, so that an
  /// interrupt begins. Callers' levels count in the order of their calls.
  bool announce(Gsi gsi, std::uint32_t source, Level level);
  /// KVM_IRQ_LINE_STATUS. `source` contributes `level` to every pin of the GSI; an MSI route is
  /// sent when the level is high. `span` belongs to a rise that was announced, otherwise it is
  /// kNoSpan.
  Answer set_line(const LineChange& change, SpanId span, Env& env);

  IntaAnswer on_inta(CpuId cpu, Env& env);
  /// The timer of the vCPU's LAPIC is due, as Elapsed said with `tag`.
  void on_timer(CpuId cpu, Tag tag, Env& env);

  // vCPUs that are threads: irqchip_guest.cpp. INTR lines are sent as LapicBank::kCpu.
  /// A guest's access to its local APIC; an MSR by LapicBank::kMsrSpace.
  x86::VirtualAccess on_write(const RegisterWrite& write, Env& env);
  x86::VirtualAccess on_read(const RegisterRead& read, Env& env);
  /// Carries out what exited; an EOI reaches the IOAPIC before this returns.
  x86::MsrAnswer complete(const x86::VirtualExit& exit, Env& env);
  /// The vector whose service ends when the host completes the exit, if it is an EOI that the
  /// processor did not carry out.
  std::optional<Vector> ended_by(const x86::VirtualExit& exit) const;
  /// The vector that the latest EOI of a vCPU has ended, if user space's IOAPIC waits for that.
  std::optional<Vector> take_user_eoi(CpuId cpu);
  /// A guest's accesses to the IOAPIC's page, 32 bits. There is one in IrqchipKind::Full.
  void write_ioapic(std::uint32_t offset, std::uint32_t value, Env& env);
  std::uint32_t read_ioapic(std::uint32_t offset, Env& env);
  /// A routing table took effect: with a split irqchip it says which EOIs are waited for.
  void routes_changed() {
    if (config_.kind == IrqchipKind::Split) request_scan();
  }
  /// May there be vCPUs, since the last call, that have to enter anew to learn that?
  bool take_scan_request() { return std::exchange(scan_requested_, false); }
  bool has_to_scan(CpuId cpu) const { return shadows_[raw(cpu)].scan_requested; }

  /// A vCPU's write to its LAPIC page; an EOI reaches the IOAPIC before this returns.
  void write_apic(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env);
  /// A guest rewrites a redirection entry.
  void write_entry(Pin pin, std::uint64_t bits, Env& env);
  /// A guest writes a byte to an I/O port; those of the 8259s are here, the others are nobody's.
  void write_port(std::uint16_t port, std::uint8_t value, Env& env);

  /// NMI, INIT and SIPI for vCPUs since the last call, oldest first, to be passed on by the caller.
  /// The INTR lines are levels: see lapics().intr().
  std::vector<CpuLineChange> take_messages();
  /// GSIs whose EOI was told to resamplers since the last call, oldest first.
  std::vector<Gsi> take_acknowledged();

  /// An EOI of this GSI's pin lowers the resamplers' source before the line is looked at again.
  void add_resampler(Gsi gsi);
  void remove_resampler(Gsi gsi, Env& env);

  // What the host puts in place, and what it answers: irqchip_state.cpp.
  using Register = std::pair<std::uint32_t, std::uint32_t>;  // offset in the page, value
  /// KVM_GET_LAPIC with some registers replaced, and KVM_SET_LAPIC.
  Answer set_lapic(CpuId cpu, const std::vector<Register>& registers, Env& env);
  Answer set_apic_base(CpuId cpu, std::uint64_t value, Env& env);
  /// KVM_SET_SREGS with IA32_APIC_BASE replaced.
  Answer set_sregs(CpuId cpu, std::uint64_t apic_base, Env& env);
  /// KVM_GET_IRQCHIP with one entry replaced, Remote IRR included, and KVM_SET_IRQCHIP: inputs that
  /// are asserted are looked at again.
  Answer set_entry(Pin pin, std::uint64_t bits, Env& env);
  Answer set_pic(x86::PicRole role, const x86::PicChip::Settings& settings, Env& env);
  /// KVM_GET_MSRS and KVM_SET_MSRS of one MSR.
  x86::MsrAnswer read_msr(CpuId cpu, std::uint32_t msr, Env& env);
  x86::MsrAnswer write_msr(CpuId cpu, std::uint32_t msr, std::uint64_t value, Env& env);
  /// An external interrupt that user space's own 8259 acknowledged (KVM_INTERRUPT, split irqchip).
  Answer inject_external(CpuId cpu, Vector vector, Env& env);
  /// The vCPU is about to run: it learns which vectors' EOIs the IOAPIC waits for.
  void enter(CpuId cpu, Env& env);
  /// INIT reached the vCPU.
  void init(CpuId cpu, Env& env);

  /// The PPR that KVM_GET_LAPIC shows.
  std::uint8_t ppr_image(CpuId cpu) const;
  /// The IOAPIC's `irr` of KVM_GET_IRQCHIP: inputs that are asserted, without edges that were sent.
  std::uint32_t ioapic_irr() const { return latched_ & ~delivered_; }

  const Config& config() const { return config_; }
  GsiRouting& routing() { return routing_; }
  const GsiRouting& routing() const { return routing_; }
  const x86::IoApic& ioapic() const { return ioapic_; }
  const x86::Pic& pic() const { return pic_; }
  /// The local APICs with what processors do for them. Whoever runs vCPUs takes the signals.
  x86::VirtualApics& apics() { return apics_; }
  const x86::VirtualApics& apics() const { return apics_; }
  const x86::LapicBank& lapics() const { return apics_.lapics(); }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const Irqchip& a, const Irqchip& b);

 private:
  class ChipEnv;
  class IoapicEnv;
  class LapicEnv;
  class GuestEnv;
  struct LapicCall;
  class PicEnv;
  struct Line {
    Gsi gsi{};
    std::uint32_t source = 0;
    friend bool operator==(const Line& a, const Line& b) {
      return a.gsi == b.gsi && a.source == b.source;
    }
  };
  /// What KVM keeps of a vCPU's LAPIC besides its registers.
  struct Shadow {
    std::optional<std::uint8_t> stale_ppr;  // until something computes it again
    x86::VectorSet forwarded;               // vectors whose EOIs go to the IOAPIC
    bool scan_requested = true;
    std::optional<Vector> external;  // waits for the vCPU to ask
    std::optional<Vector> user_eoi;  // has ended, and user space was not told
    friend bool operator==(const Shadow& a, const Shadow& b) {
      return a.stale_ppr == b.stale_ppr && a.forwarded == b.forwarded &&
             a.scan_requested == b.scan_requested && a.external == b.external &&
             a.user_eoi == b.user_eoi;
    }
  };

  Answer set_ioapic_pin(Pin pin, const LineChange& change, SpanId span, Env& env);
  Answer look_at_pin(Pin pin, IoapicEnv& chip);
  Answer set_pic_pin(const Route& route, std::uint32_t source, Level level, SpanId span, Env& env);
  Answer set_route(const Route& route, const LineChange& change, SpanId span, Env& env);
  bool route_is_live(const Route& route, Level level) const;
  x86::ApicMessage decode(const x86::MsiMessage& message) const;
  Answer deliver(const x86::ApicMessage& message, SpanId span, Env& env);
  template <class Write>
  void writing(CpuId cpu, std::uint32_t offset, Env& env, Write&& write);
  void finish_eoi(CpuId cpu, Vector vector, Env& env);
  void lower_resamplers(Vector vector, Env& env);
  void request_scan();
  void scan(CpuId cpu);
  void watch(CpuId cpu, const x86::MsiMessage& message);
  void watch_level_routes(CpuId cpu);
  bool eoi_is_watched(Pin pin) const;
  void inject_latched(std::uint32_t image, Env& env);
  void track_rtc(CpuId cpu);
  void count_rtc(Answer accepted);
  bool accepts_id(CpuId cpu, const std::vector<Register>& registers) const;
  void sync_tpr(CpuId cpu, Env& env);

  Config config_;
  GsiRouting routing_;
  x86::IoApic ioapic_;
  x86::VirtualApics apics_;
  x86::Pic pic_;
  std::uint32_t latched_ = 0;    // by pin: the IOAPIC's input is asserted, and was looked at
  std::uint32_t delivered_ = 0;  // by pin: and its edge was sent
  RtcTracking rtc_;
  std::vector<Shadow> shadows_;          // by vCPU
  std::vector<Line> high_;               // lines that are high, as their callers see them
  std::vector<CpuLineChange> messages_;  // not passed on yet
  std::vector<Gsi> resampled_;           // a row for each resampling irqfd
  std::vector<Gsi> acknowledged_;        // not passed on yet
  bool level_ended_ = false;             // the EOI under way is of a level interrupt
  bool scan_requested_ = false;          // of vCPUs, who were not kicked for it yet
};

}  // namespace irqfab::kvm
