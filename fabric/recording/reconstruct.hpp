// From the events of a recording to what drove them.
//
// Models: the order of events inside one call of KVM (all in one thread: kvm_set_irq or
// kvm_msi_set_irq or kvm_apic_ipi, then kvm_apic_accept_irq once a target, then
// kvm_ioapic_set_irq), which events KVM causes itself and will cause again when it is simulated,
// and which are calls from outside. A kvm_set_irq from a kworker is a deferred irqfd; from any
// other thread it is KVM_IRQ_LINE. A call that an interrupt handler of the host makes on top of
// another of the same thread is told apart where the recording has the latency flags. Not modelled:
// more than one virtual machine in a recording (refused), destinations of more than 8 bits
// (replayed as one message a LAPIC that took them).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fabric/recording/acknowledge_ledger.hpp"
#include "fabric/recording/ioapic_image.hpp"
#include "fabric/recording/logical_ids.hpp"
#include "fabric/recording/pic_image.hpp"
#include "fabric/recording/replay.hpp"
#include "models/base/result.hpp"

namespace irqfab::recording {

constexpr std::uint32_t kResamplerSource = 1;  // of kvm_set_irq

class Reconstruction {
 public:
  /// `file` for messages.
  explicit Reconstruction(std::string file) : file_(std::move(file)) {}

  /// The next event. False: the recording cannot be used, and finish() says why.
  bool take(const RecordedEvent& event);
  /// Ends the reconstruction. `report` is what the reader of the events found.
  Result<Recording> finish(ReadReport report);

 private:
  enum class Hint : std::uint8_t {
    None,
    FromIcr,   // an IPI that kvm_apic_ipi, where recorded, says better
    AfterAck,  // of a resampler
    Guessed,   // an entry that kvm_ioapic_set_irq, where recorded, says better
    Nothing,   // not to be replayed
  };
  enum class CallKind : std::uint8_t { None, Line, Message };
  enum class Targets : std::uint8_t { One, Many };

  struct Actor {
    std::int32_t pid = 0;
    std::string name;
    std::optional<ApicId> first_vcpu;
    std::optional<ApicId> vcpu;  // that it ran last
    std::uint32_t ICR2 = 0;
  };
  /// A stimulus in the making, in the recording's own time.
  struct Draft {
    std::uint64_t ns = 0;
    std::uint64_t order = 0;  // among drafts of one time: twice the count of events, odd
    std::size_t actor = 0;
    Act act;
    Hint hint = Hint::None;
    bool taken = false;       // some LAPIC accepted it
    bool knows_vcpu = false;  // the vCPU in the act is set
  };
  /// What a thread is in the middle of.
  struct Call {
    CallKind kind = CallKind::None;
    std::size_t draft = 0;
    Targets targets = Targets::One;
    std::vector<ApicId> takers;
    std::vector<std::size_t> orphans;  // local vectors since the last event of another kind
    bool acknowledging = false;        // between kvm_ack_irq and the next EOI
  };
  struct At {
    std::uint64_t ns;
    std::size_t actor;
    Call& call;
  };

  void on(const MsiSetIrq& e, At at);
  void on(const SetIrq& e, At at);
  void on(const IoapicSetIrq& e, At at);
  void on(const PicSetIrq& e, At at);
  void on(const AcceptIrq& e, At at);
  void on(const Eoi& e, At at);
  void on(const ApicAccess& e, At at);
  void on(const AckIrq& e, At at);
  void on(const ApicIpi& e, At at);
  void on(const IoapicMmioWrite& e, At at);
  void on(const ApicMsrWrite& e, At at);
  void on(const PicPortWrite& e, At at);
  void on(const VcpuRan& e, At at);
  void on(const VcpuWoken& e, At at);
  void on(const Marker& e, At at);
  void on(const Other& e, At at);

  std::size_t actor_of(const RecordedEvent& event);
  Draft& draft(At at, Act act);
  std::uint64_t order() const { return 2 * events_ + 1; }
  void begin(At at, CallKind kind, Targets targets);
  void begin_ipi(const ApicIpi& e, At at);
  void end_call(Call& call);
  bool belongs(const AcceptIrq& e, const Call& call) const;
  void take_widely_addressed(const AcceptIrq& e, At at);
  void guess_entry(const AcceptIrq& e, At at);
  void accept_orphan(const AcceptIrq& e, At at);
  void wrote_icr(const ApicAccess& e, At at);
  void runs(std::size_t actor, ApicId apic);
  bool meet(ApicId apic);
  void fail(std::string code, std::string message, std::string expected);
  void too_long();

  // reconstruct_finish.cpp
  using IdsByApic = std::map<ApicId, std::uint8_t>;
  bool is_kworker(std::size_t actor) const;
  std::optional<ApicId> vcpu_by_name(const Actor& actor) const;
  void resolve_vcpu(Draft& draft);
  void settle_line(Draft& draft);
  void settle_drafts(const IdsByApic& logical_ids);
  bool reaches_someone(const MsiSetIrq& message, const IdsByApic& logical_ids) const;
  Time since_origin(std::uint64_t ns) const;
  ThreadId thread_of(std::size_t actor, Replay& replay);
  void make_stimuli(Replay& replay);
  void make_vcpus(const IdsByApic& logical_ids, Replay& replay);
  void make_truth(GroundTruth& truth) const;

  std::string file_;
  std::optional<Diagnostic> error_;
  std::vector<Actor> actors_;
  std::map<std::pair<std::int32_t, std::uint32_t>, std::size_t> actor_ids_;  // pid, CPU of idle
  std::map<std::pair<std::size_t, Context>, Call> calls_;
  std::vector<Draft> drafts_;
  std::map<ApicId, std::size_t> runner_;     // of each vCPU that was seen to run
  std::map<std::size_t, ThreadId> threads_;  // of actors that the replay needs
  std::set<ApicId> apics_;
  std::map<ApicId, std::uint64_t> first_eoi_;  // as Draft::order
  IoapicImage ioapic_;
  IoapicImage guessed_;  // in case the recording has no kvm_ioapic_set_irq
  PicImage pics_;
  LogicalIds logical_;
  AcknowledgeLedger ledger_;
  struct Eoied {
    std::uint64_t ns;
    ApicId apic;
    Vector vector;
  };
  std::vector<Eoied> handled_;
  std::vector<std::pair<std::uint64_t, std::string>> claims_;
  LeftOut left_out_;
  std::uint64_t origin_ns_ = ~std::uint64_t{0};
  std::uint64_t latest_ns_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t acceptances_ = 0;
  std::uint64_t pic_inputs_ = 0;
  bool saw_ipi_events_ = false;
  bool saw_entries_ = false;
  bool counts_unsure_ = false;
  bool saw_levels_ = false;
  bool x2apic_ = false;
};

/// All of a recording.
Result<Recording> reconstruct(EventReader& reader, std::string file);

}  // namespace irqfab::recording
