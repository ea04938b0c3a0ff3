#include "fabric/recording/emit_text.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "models/x86/lapic_registers.hpp"

namespace irqfab::recording {
namespace {

constexpr std::uint32_t kSvr = x86::Svr::kReset | x86::Svr::SoftwareEnable::kMask;
constexpr unsigned kIoapicPins = 24, kPicPins = 8;
/// For what is still under way in the replay at the time of the recording's last event.
constexpr Duration kAfterTheEnd = 10 * kPsPerMs;

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits;
  do {
    digits.insert(digits.begin(), kDigits[value % 16]);
    value /= 16;
  } while (value != 0);
  return "0x" + digits;
}

std::string ascii(std::string text) {
  for (char& c : text) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return text;
}

/// Of a path.
std::string last_part(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// A double-quoted scalar.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  return out + '"';
}

/// A comment of at most 100 columns a line.
std::string comment(const std::string& text) {
  constexpr std::size_t kColumns = 100;
  std::string out, line = "#";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (line.size() + 1 + end - at > kColumns && line.size() > 1) {
      out += line + '\n';
      line = "#  ";
    }
    line += ' ' + text.substr(at, end - at);
    at = end + 1;
  }
  return out + line + '\n';
}

std::string microseconds(Time time) {
  const std::uint64_t us = time / kPsPerUs;
  const std::string digits = std::to_string(us % 1'000'000);
  return std::to_string(us / 1'000'000) + '.' + std::string(6 - digits.size(), '0') + digits;
}

std::string head(const Recording& recording, const EmitOptions& options) {
  const Replay& replay = recording.replay;
  const std::string name = ascii(last_part(options.recording));
  const std::string title = "Replay of " + name + ": " + std::to_string(replay.stimuli.size()) +
                            " calls in " + microseconds(replay.length) + " s";
  std::string text = comment("Written by `irqfab import` from " + name + ".");
  for (const Diagnostic& note : recording.read.notes) text += comment(ascii(note.message) + '.');
  for (const Diagnostic& note : recording.notes) text += comment(ascii(note.message) + '.');
  const std::uint32_t cpus = raw(replay.vcpus.back().apic) + 1;
  text += "irqfab: 1\ntitle: " + quoted(title) + '\n';
  const bool has_pic = replay.pics == Pics::Used;
  text += "machine: { arch: x86, cpus: " + std::to_string(cpus) + ", path: kvm-irqfd" +
          (has_pic ? ", interrupts: pic" : "") + " }\n";
  // An 8259 forgets an edge that is over before INTA; KVM's does not, and its PIT relies on that.
  const std::string usual = has_pic ? "kvm" : "";
  const std::string& behaviour = options.behaviour.empty() ? usual : options.behaviour;
  if (!behaviour.empty()) text += "behaviour: " + behaviour + '\n';
  return text;
}

std::string lapic_steps(const Replay& replay) {
  std::string text;
  for (const Vcpu& vcpu : replay.vcpus) {
    const std::string write = "  - lapic.write: { cpu: " + std::to_string(raw(vcpu.apic));
    if (vcpu.enabled) text += write + ", reg: SVR, value: " + hex(kSvr) + " }\n";
    if (vcpu.logical_id == 0) continue;
    text +=
        write + ", reg: LDR, value: " + hex(x86::LogicalApicId::set(0, vcpu.logical_id)) + " }\n";
  }
  return text;
}

std::string pin_route(unsigned gsi, std::string_view chip, unsigned pin) {
  return "      - { gsi: " + std::to_string(gsi) + ", irqchip: { chip: " + std::string(chip) +
         ", pin: " + std::to_string(pin) + " } }\n";
}

/// Nothing while KVM's default table does: GSI n to pin n.
std::string route_step(const Replay& replay) {
  const auto is_default = [](const GsiPin& route) { return raw(route.gsi) == raw(route.pin); };
  if (std::all_of(replay.routes.begin(), replay.routes.end(), is_default)) return {};
  std::map<unsigned, unsigned> pins;
  std::set<unsigned> taken;
  for (const GsiPin& route : replay.routes) {
    pins[raw(route.gsi)] = raw(route.pin);
    taken.insert(raw(route.pin));
  }
  for (unsigned gsi = 0; gsi < kIoapicPins; ++gsi) {
    if (taken.count(gsi) == 0) pins.emplace(gsi, gsi);
  }
  std::string text = "  - kvm.set_gsi_routing:\n      routes:\n";
  for (const auto& [gsi, pin] : pins) {
    text += pin_route(gsi, "ioapic", pin);
    if (gsi < kPicPins) text += pin_route(gsi, "pic_master", gsi);
    if (gsi >= kPicPins && gsi < 2 * kPicPins) {
      text += pin_route(gsi, "pic_slave", gsi - kPicPins);
    }
  }
  return text;
}

std::string entry_steps(const Replay& replay) {
  std::string text;
  for (const PinEntry& entry : replay.entries) {
    text += "  - ioapic.rte: { pin: " + std::to_string(raw(entry.pin)) +
            ", value: " + hex(entry.entry.bits) + " }\n";
  }
  return text;
}

std::string pic_steps(const Replay& replay) {
  std::string text;
  for (const PortWritten& write : replay.pic_setup) {
    text += "  - io.write: { port: " + hex(write.port) + ", value: " + hex(write.value) + " }\n";
  }
  return text;
}

std::string irqfd_steps(const Replay& replay) {
  std::map<std::uint64_t, IrqfdSignalled> irqfds;  // by eventfd
  for (const Stimulus& stimulus : replay.stimuli) {
    if (const auto* act = std::get_if<IrqfdSignalled>(&stimulus.act)) {
      irqfds.emplace(eventfd_of(*act), *act);
    }
  }
  std::string text;
  for (const auto& [eventfd, irqfd] : irqfds) {
    text += "  - kvm.irqfd: { eventfd: e" + std::to_string(eventfd) +
            ", gsi: " + std::to_string(raw(irqfd.gsi));
    if (irqfd.resampling == Resampling::Yes)
      text += ", resample: r" + std::to_string(raw(irqfd.gsi));
    text += " }\n";
  }
  return text;
}

std::string expectations(const Recording& recording) {
  const GroundTruth& truth = recording.truth;
  if (truth.eois != EoisSeen::All) return {};
  const std::string handled = "handled == " + std::to_string(truth.handled.size());
  const std::string in_flight = "in_flight == " + std::to_string(truth.in_flight.size());
  if (truth.counts == Counts::Unsure || recording.read.gaps > 0) {
    return comment("Recorded: " + handled + ", " + in_flight +
                   ". Not expected of the replay: what is merged depends on timing.");
  }
  return "expect:\n  - " + handled + "\n  - " + in_flight + '\n';
}

}  // namespace

std::string node_name(const Thread& thread) {
  if (thread.vcpu) return "vcpu" + std::to_string(raw(*thread.vcpu));
  return ascii(thread.name) + '-' + std::to_string(thread.pid);
}

std::string scenario_text(const Recording& recording, const EmitOptions& options) {
  const Replay& replay = recording.replay;
  const std::string setup = lapic_steps(replay) + route_step(replay) + entry_steps(replay) +
                            pic_steps(replay) + irqfd_steps(replay);
  std::string text = head(recording, options);
  if (!setup.empty()) text += "setup:\n" + setup;
  if (!replay.stimuli.empty())
    text += "workload:\n  - { replay: " + quoted(options.events) + " }\n";
  if (replay.handler) text += "handler: " + std::to_string(*replay.handler / kPsPerNs) + "ns\n";
  text += "until: " + std::to_string((replay.length + kAfterTheEnd) / kPsPerNs) + "ns\n";
  return text + expectations(recording);
}

}  // namespace irqfab::recording
