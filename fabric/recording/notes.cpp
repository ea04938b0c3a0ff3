#include "fabric/recording/notes.hpp"

#include <algorithm>
#include <utility>

namespace irqfab::recording {
namespace {

std::string counted(std::uint64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + ' ' + (count == 1 ? one : many);
}

class Notes {
 public:
  explicit Notes(const std::string& file) : file_(file) {}

  void add(std::string code, std::string message) {
    Diagnostic d;
    d.severity = Severity::Note;
    d.code = std::move(code);
    d.where.file = file_;
    d.message = std::move(message);
    notes_.push_back(std::move(d));
  }
  /// Only if there is something to count.
  void add(std::string code, std::uint64_t count, const std::string& one, const std::string& many,
           const std::string& rest) {
    if (count > 0) add(std::move(code), counted(count, one, many) + ' ' + rest);
  }
  Diagnostics take() { return std::move(notes_); }

 private:
  const std::string& file_;
  Diagnostics notes_;
};

void note_eois(const Recording& recording, Notes& notes) {
  if (recording.truth.eois == EoisSeen::None) {
    notes.add("no-eoi",
              "no end of interrupt was recorded (kvm_eoi off, or accelerated by APICv or AVIC): "
              "what was handled cannot be checked");
  } else if (recording.truth.eois == EoisSeen::Partly) {
    notes.add(
        "some-eois",
        "some ends of interrupts are missing (accelerated by APICv or AVIC, or lost): what was "
        "handled cannot be checked");
  }
  for (const Vcpu& vcpu : recording.replay.vcpus) {
    if (!vcpu.stops_at) continue;
    notes.add("vcpu-stops", "vCPU " + std::to_string(raw(vcpu.apic)) +
                                " never acknowledges its last interrupts: the replay stops it " +
                                std::to_string(*vcpu.stops_at / kPsPerNs) +
                                " ns after the first event");
  }
}

void note_what_was_left_out(const LeftOut& left, Notes& notes) {
  notes.add("artefact-eoi", left.artefact_eois, "EOI", "EOIs",
            "with nothing in service (vector -1) not counted");
  notes.add("earlier-eoi", left.earlier_eois, "EOI", "EOIs",
            "of interrupts from before the recording not counted");
  notes.add("not-sent", left.messages_not_sent, "message", "messages",
            "that no LAPIC took left out: KVM prints a route also when it only looks at it");
  notes.add("unknown-vcpu", left.unknown_vcpu, "register write or IPI", "register writes and IPIs",
            "left out: their threads are not seen to run a vCPU");
  notes.add("pins-alone", left.pins_alone, "kvm_ioapic_set_irq", "kvm_ioapic_set_irq",
            "without the kvm_set_irq that led to it: only its entry is used");
  notes.add("pic", left.pic_inputs, "input", "inputs",
            "of the 8259s left out: nothing shows that they deliver anything");
}

}  // namespace

Diagnostics notes_on(const Recording& recording, const std::string& file) {
  Notes notes(file);
  if (recording.read.gaps > 0) {
    const std::uint64_t lost = recording.read.lost;
    notes.add("lost-events",
              counted(recording.read.gaps, "gap", "gaps") + " in the recording, " +
                  (lost > 0 ? std::to_string(lost) : std::string("an unknown number")) +
                  " of events lost: the replay may differ from there on");
  }
  note_eois(recording, notes);
  note_what_was_left_out(recording.left_out, notes);
  if (!recording.replay.pic_setup.empty()) {
    notes.add("pic-guessed",
              "the programming of the 8259s was not recorded: their vectors are taken for 0x08 and "
              "0x70, masks and triggers are those of the pins when they are driven");
  }
  if (recording.replay.handler) {
    notes.add(
        "measured-handler",
        "lines are levels, which come again while they are high: the replay's handlers last " +
            std::to_string(*recording.replay.handler / kPsPerNs) +
            " ns, the recording's median from acceptance to EOI");
  }
  if (recording.mode == ApicMode::X2apic) {
    notes.add("x2apic",
              "the guest uses x2APIC mode; the replay addresses the LAPICs in xAPIC mode");
  }
  const auto is_signal = [](const Stimulus& s) {
    return std::holds_alternative<LineDriven>(s.act) ||
           std::holds_alternative<IrqfdSignalled>(s.act);
  };
  const bool uses_pins =
      std::any_of(recording.replay.stimuli.begin(), recording.replay.stimuli.end(), is_signal);
  if (uses_pins && recording.replay.routes.empty()) {
    notes.add("guessed-entries",
              "kvm_ioapic_set_irq was not recorded: redirection entries are guessed from what the "
              "LAPICs accepted, GSI n being pin n");
  }
  return notes.take();
}

}  // namespace irqfab::recording
