// What the local APICs of a machine do, written a second time from SDM vol. 3, chapter 11, in the
// plainest way: sets of vectors, searched from the top. It shares nothing with the models.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace lapic_oracle {

struct Message {
  unsigned destination = 0;
  bool wide = false;  // the destination has 32 bits
  bool logical = false;
  bool hint = false;
  unsigned mode = 0;  // as ICR and message data encode it
  unsigned vector = 0;
  bool level_triggered = false;
  bool asserted = true;
};

struct Apic {
  unsigned id = 0;       // as it is at present
  unsigned full_id = 0;  // as the machine was built
  bool x2apic = false;
  std::uint32_t ldr = 0, dfr = 0xFFFFFFFF, svr = 0xFF;
  unsigned tpr = 0;
  std::uint32_t errors = 0, esr = 0, destination = 0;
  std::set<unsigned> irr, isr, tmr;
  bool waits_for_sipi = false;

  std::uint32_t logical_id() const { return x2apic ? id / 16 * 65536 + (1u << id % 16) : ldr; }
  bool enabled() const { return (svr & 0x100) != 0; }
  static unsigned top(const std::set<unsigned>& set) { return set.empty() ? 0 : *set.rbegin(); }
  unsigned ppr() const {
    const unsigned serving = top(isr);
    return tpr / 16 >= serving / 16 ? tpr : serving / 16 * 16;
  }
  unsigned apr() const {
    const unsigned t = tpr / 16, r = top(irr) / 16, s = top(isr) / 16;
    return t >= r && t > s ? tpr : std::max({t, r, s}) * 16;
  }
  bool intr() const { return top(irr) / 16 > ppr() / 16; }
};

class Oracle {
 public:
  explicit Oracle(const std::vector<unsigned>& ids) : apics(ids.size()) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      apics[i].full_id = ids[i];
      apics[i].id = ids[i] % 256;
    }
  }

  void enter_x2apic(unsigned cpu) {
    apics[cpu].x2apic = true;
    apics[cpu].id = apics[cpu].full_id;
    apics[cpu].destination = 0;
  }
  /// By way of the disabled state.
  void return_to_xapic(unsigned cpu) {
    Apic fresh;
    fresh.full_id = apics[cpu].full_id;
    fresh.id = fresh.full_id % 256;
    fresh.waits_for_sipi = apics[cpu].waits_for_sipi;
    apics[cpu] = fresh;
  }

  /// The number of APICs that took a device's message, which cannot be a start-up.
  unsigned deliver(const Message& m) { return m.mode == 6 ? 0 : deliver_among(m, named_by(m)); }

  /// The vector, and whether it is the spurious one.
  std::pair<unsigned, bool> inta(unsigned cpu) {
    Apic& a = apics[cpu];
    if (!a.intr()) return {a.svr & 0xFF, true};
    const unsigned vector = Apic::top(a.irr);
    a.irr.erase(vector);
    a.isr.insert(vector);
    return {vector, false};
  }

  void eoi(unsigned cpu) {
    Apic& a = apics[cpu];
    if (a.isr.empty()) return;
    const unsigned vector = Apic::top(a.isr);
    a.isr.erase(vector);
    if (a.tmr.count(vector) == 1 && (a.svr & 0x1000) == 0) broadcasts.push_back(vector);
  }

  void write_esr(unsigned cpu) {
    apics[cpu].esr = apics[cpu].errors;
    apics[cpu].errors = 0;
  }

  void write_icr(unsigned cpu, std::uint32_t low) {
    Message m;
    m.destination = apics[cpu].destination;
    m.wide = apics[cpu].x2apic;
    m.logical = (low & 0x800) != 0;
    m.mode = low >> 8 & 7;
    m.vector = low & 0xFF;
    const bool deassertion = (low & 0xC000) == 0x8000;
    if (m.mode == 5 && deassertion) return;
    if (m.mode <= 1 && m.vector < 16) {
      apics[cpu].errors |= 1u << 5;
      return;
    }
    std::vector<unsigned> targets;
    for (unsigned i = 0; i < apics.size(); ++i) {
      const unsigned shorthand = low >> 18 & 3;
      if (shorthand == 1 && i != cpu) continue;
      if (shorthand == 3 && i == cpu) continue;
      if (shorthand == 0 && !names(m, apics[i])) continue;
      targets.push_back(i);
    }
    deliver_among(m, targets);
  }

  std::vector<Apic> apics;
  std::vector<unsigned> broadcasts;   // vectors of EOIs that went to the IOAPICs
  std::vector<std::string> messages;  // "NMI 2": what went straight to a CPU

 private:
  static bool names(const Message& m, const Apic& a) {
    if (m.wide && m.destination == 0xFFFFFFFF) return true;
    if (m.destination == 0xFF && !(m.wide && a.x2apic)) return true;
    if (!m.logical) return a.id == m.destination;
    if (a.x2apic) return a.id / 16 == m.destination >> 16 && (m.destination >> a.id % 16 & 1) != 0;
    if (m.destination > 0xFF) return false;
    const unsigned own = a.ldr >> 24, model = a.dfr >> 28;
    if (model == 0xF) return (own & m.destination) != 0;
    if (model == 0) return own / 16 == m.destination / 16 && (own & m.destination & 0xF) != 0;
    return false;
  }

  std::vector<unsigned> named_by(const Message& m) const {
    std::vector<unsigned> targets;
    for (unsigned i = 0; i < apics.size(); ++i) {
      if (names(m, apics[i])) targets.push_back(i);
    }
    return targets;
  }

  unsigned deliver_among(const Message& m, std::vector<unsigned> targets) {
    if (m.mode == 3 || m.mode == 7) return 0;
    const bool can_be_deasserted = m.mode == 0 || m.mode == 1 || m.mode == 5;
    if (can_be_deasserted && m.level_triggered && !m.asserted) return 0;
    if (m.mode <= 1) {
      const auto off = [this](unsigned i) { return !apics[i].enabled(); };
      targets.erase(std::remove_if(targets.begin(), targets.end(), off), targets.end());
    }
    if ((m.mode == 1 || m.hint) && !targets.empty()) {
      const auto lower = [this](unsigned i, unsigned j) { return apics[i].apr() < apics[j].apr(); };
      targets = {*std::min_element(targets.begin(), targets.end(), lower)};
    }
    unsigned taken = 0;
    for (const unsigned i : targets) taken += take(m, i) ? 1 : 0;
    return taken;
  }

  /// CPU 0 is the bootstrap processor, which does not wait.
  void initialize(unsigned cpu) {
    messages.push_back("INIT " + std::to_string(cpu));
    const Apic before = apics[cpu];
    apics[cpu] = Apic{};
    apics[cpu].id = before.id;
    apics[cpu].full_id = before.full_id;
    apics[cpu].x2apic = before.x2apic;
    apics[cpu].waits_for_sipi = cpu != 0;
  }
  void start_up(const Message& m, unsigned cpu) {
    if (!apics[cpu].waits_for_sipi) return;
    apics[cpu].waits_for_sipi = false;
    messages.push_back("SIPI " + std::to_string(cpu) + " " + std::to_string(m.vector));
  }

  bool take(const Message& m, unsigned cpu) {
    Apic& a = apics[cpu];
    const std::string name = std::to_string(cpu);
    if (m.mode == 2) messages.push_back("SMI " + name);
    if (m.mode == 4) messages.push_back("NMI " + name);
    if (m.mode == 6) start_up(m, cpu);
    if (m.mode == 5) initialize(cpu);
    if (m.mode > 1) return true;
    if (m.vector < 16) {
      a.errors |= 1u << 6;
      return false;
    }
    a.irr.insert(m.vector);
    if (m.level_triggered) {
      a.tmr.insert(m.vector);
    } else {
      a.tmr.erase(m.vector);
    }
    return true;
  }
};

}  // namespace lapic_oracle
