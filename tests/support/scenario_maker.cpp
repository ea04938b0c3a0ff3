#include "tests/support/scenario_maker.hpp"

#include <algorithm>
#include <utility>

#include "models/base/random.hpp"
#include "models/base/time.hpp"

namespace irqfab::test {
namespace {

/// Rows of one list. `$3` in a row stands for the id with index 3.
using Rows = std::vector<std::string>;

std::string id_ref(std::size_t index) { return '$' + std::to_string(index) + ';'; }
std::string ps(Duration time) { return std::to_string(time) + "ps"; }

struct MadeDevice {
  std::size_t id = 0;
  unsigned msix = 0;
  char intx = 0;  // 0: none
};

struct MadeBridge {
  std::size_t id = 0;
  std::string place;  // segment and buses
  Rows devices;
};

// Every draw is a statement of its own: the order in which the operands of one expression are
// evaluated is the compiler's choice.
class Maker {
 public:
  Maker(Purpose purpose, std::uint64_t seed)
      : seed_(seed),
        random_(seed, static_cast<std::uint64_t>(purpose)),
        habits_(seed, 100 + static_cast<std::uint64_t>(purpose)),
        board_(seed, 200 + static_cast<std::uint64_t>(purpose)),
        purpose_(purpose) {}

  void make() {
    remapped_ = chance(3);
    cpus_ = pick({1u, 2u, 3u, 4u, 8u, 16u});
    make_board();
    make_bridges();
    for (const MadeDevice& device : devices_) make_use_of(device);
    if (chance(2)) make_changes();
    make_handlers();
    if (purpose_ == Purpose::Anything) make_prices();
    make_habits();
  }

  MadeScenario write(Arrangement arrangement);

 private:
  // ---- choices ----
  bool chance(unsigned one_in) { return random_.below(one_in) == 0; }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + random_.below(high - low + 1);
  }
  template <class T>
  T pick(std::initializer_list<T> from) {
    return from.begin()[random_.below(from.size())];
  }
  bool ties() const { return purpose_ == Purpose::Ties; }

  /// Between two interrupts of one source.
  Duration make_gap() {
    if (ties()) return pick({Duration{500}, Duration{1000}, Duration{1000}}) * kPsPerNs;
    return pick({between(200'000, 1'000'000), between(1'000'000, 8'000'000),
                 between(5'000'000, 50'000'000)});
  }
  Time make_start() {
    if (ties()) return pick({Time{0}, Time{0}, Time{1000}}) * kPsPerNs;
    return chance(2) ? 0 : between(0, 20'000'000);
  }
  Duration make_length() {
    if (ties()) return pick({Duration{0}, Duration{1}, Duration{7}, Duration{200}}) * kPsPerNs;
    return pick({Duration{0}, between(1, 999), between(50'000, 3'000'000)});
  }

  // ---- the machine ----
  /// Its draws are a stream of their own: the loads do not depend on them.
  void make_board() {
    has_pic_ = cpus_ == 1 && board_.below(2) == 0;
    ioapics_ = 1 + board_.below(3);
  }

  void make_bridges() {
    const auto count = between(1, 3);
    const bool one_segment = chance(3);
    for (std::size_t b = 0; b < count; ++b) {
      const auto first = static_cast<unsigned>(one_segment ? b * 0x40 : 0);
      const unsigned last = one_segment ? first + 0x3f : 0xff;
      bridges_.push_back({ids_++,
                          "segment: " + std::to_string(one_segment ? 0 : 2 * b) +
                              ", buses: " + hex(first) + ".." + hex(last),
                          {}});
      first_bus_.push_back(first);
    }
    const auto devices = between(ties() ? 2 : 1, 12);
    for (std::size_t d = 0; d < devices; ++d) make_device(d);
  }

  void make_device(std::size_t index) {
    const std::size_t bridge = random_.below(bridges_.size());
    MadeDevice device;
    device.id = ids_++;
    const bool messages = !chance(4);
    if (messages) device.msix = static_cast<unsigned>(between(1, 6));
    if (!messages || chance(6)) device.intx = static_cast<char>('A' + random_.below(4));
    // The place: later devices may have lower requester ids.
    const auto bus = static_cast<unsigned>(first_bus_[bridge] + 63 - 5 * index);
    const auto slot = static_cast<unsigned>(between(0, 31));
    const auto function = between(0, 7);
    const std::string bdf = hex(bus) + ':' + hex(slot) + '.' + std::to_string(function);
    std::string row = "{ id: " + id_ref(device.id) + ", bdf: \"" + bdf + '"';
    if (device.msix > 0) row += ", msix: " + std::to_string(device.msix);
    if (device.intx != 0) row += std::string(", intx: ") + device.intx;
    bridges_[bridge].devices.push_back(row + " }");
    devices_.push_back(device);
  }

  static std::string hex(unsigned byte) {
    const char* digits = "0123456789abcdef";
    return {digits[byte / 16 % 16], digits[byte % 16]};
  }

  // ---- what happens on it ----
  void make_use_of(const MadeDevice& device) {
    const bool by_wire = device.msix == 0 || (device.intx != 0 && chance(2));
    if (by_wire) {
      const std::string source = id_ref(device.id) + ":INT" + device.intx;
      place(source, 1);
      return load(source, 1, pick({"", "", ", level: { until: pulse }"}));
    }
    const auto first = static_cast<unsigned>(random_.below(device.msix));
    const auto last = static_cast<unsigned>(between(first, device.msix - 1));
    place(range(device, first, last), last - first + 1);
    load(range(device, first, last), last - first + 1, "");
    if (chance(3)) load(id_ref(device.id) + ":" + std::to_string(first), 1, "");
  }

  static std::string range(const MadeDevice& device, unsigned first, unsigned last) {
    return id_ref(device.id) + ':' + std::to_string(first) + ".." + std::to_string(last);
  }

  void place(const std::string& sources, unsigned count) {
    if (chance(3)) return;
    std::string cpus = "spread";
    if (chance(2)) cpus = std::to_string(random_.below(cpus_));
    if (chance(4)) {
      cpus = "[ " + std::to_string(random_.below(cpus_));
      for (unsigned i = 1; i < count; ++i) cpus += ", " + std::to_string(random_.below(cpus_));
      cpus += " ]";
    }
    affinity_.push_back(sources + ": " + cpus);
  }

  void load(const std::string& sources, unsigned count, const std::string& level) {
    const Duration gap = make_gap();
    const std::uint64_t rounds = between(20, 120) / count + 1;
    Duration length = gap * rounds;
    std::string what;
    const auto kind = random_.below(ties() ? 4 : 5);
    if (kind == 0) {
      what = "periodic: " + ps(gap);
    } else if (kind == 1) {
      what = "burst: { size: " + std::to_string(between(1, count)) + ", every: " + ps(gap) + " }";
    } else if (kind == 2) {
      length = ties() ? between(300, 3000) * kPsPerNs : between(20, 100) * kPsPerUs;
      const auto depth = between(1, 4);
      const Duration think = chance(3) ? 0 : make_length();
      what = "closed-loop: { depth: " + std::to_string(depth) + ", think: " + ps(think) + " }";
    } else if (kind == 3) {
      what = "at: " + ps(make_start());
    } else {
      what = "poisson: " + ps(gap);
    }
    std::string row = "{ source: " + sources + ", " + what;
    if (kind != 3) {
      const Time start = make_start();
      end_ = std::max(end_, start + length);
      row += ", start: " + ps(start) + ", for: " + ps(length);
    }
    workload_.push_back(row + level + " }");
  }

  void make_changes() {
    const std::string lowest_cpu = "0";
    const Duration every = std::max<Duration>(end_ / between(3, 12), kPsPerUs);
    for (const MadeDevice& device : devices_) {
      if (device.msix == 0 || chance(3)) continue;
      const auto first = static_cast<unsigned>(random_.below(device.msix));
      const auto last = static_cast<unsigned>(between(first, device.msix - 1));
      const std::string sources = range(device, first, last);
      const Time at = ties() ? every : between(0, every);
      if (chance(2)) {
        change(at, every, "mask: " + sources);
        const Time later = at + (ties() ? kPsPerUs : between(0, every / 2));
        if (!chance(4)) change(later, every, "unmask: " + sources);
      }
      if (chance(2)) {
        const std::string to = chance(2) ? "random" : std::to_string(random_.below(cpus_));
        change(at, every, "retarget: " + sources + ", to: " + to);
        const std::string only_first = range(device, first, first);
        if (chance(2)) change(at, every, "retarget: " + only_first + ", to: " + lowest_cpu);
      }
    }
  }
  void change(Time at, Duration every, const std::string& what) {
    during_.push_back("{ at: " + ps(at) + ", every: " + ps(every) + ", " + what + " }");
  }

  std::string make_handler() {
    const bool nests = habits_.below(2) == 0;
    if (chance(2) && !nests) return ps(make_length());
    std::string steps;
    const auto add = [&](const std::string& step) { steps += (steps.empty() ? "" : ", ") + step; };
    const auto perhaps = [&](const char* step) {
      if (nests && habits_.below(3) == 0) add(step);
    };
    perhaps("enable interrupts");
    perhaps("acknowledge");
    if (chance(2)) add("read device " + ps(make_length()));
    const bool masks = chance(2);
    if (masks) add("mask");
    if (chance(2)) add("busy " + ps(make_length()));
    perhaps("enable interrupts");
    perhaps("acknowledge");
    if (chance(3)) add("poll " + ps(make_length()));
    perhaps("disable interrupts");
    if (masks && !chance(4)) add("unmask");
    return "{ steps: [ " + steps + " ] }";
  }
  void make_handlers() {
    handler_ = make_handler();
    for (const MadeDevice& device : devices_) {
      if (chance(3)) handlers_.push_back(id_ref(device.id) + ": " + make_handler());
    }
  }

  /// What the CPUs do besides. A stream of its own: the rest of a scenario is what it was.
  void make_habits() {
    if (habits_.below(2) == 0) cpu_habits_ += "  apic: x2apic\n";
    const bool halts = habits_.below(2) == 0;
    if (halts) cpu_habits_ += "  idle: halt\n";
    if (habits_.below(2) == 0) {
      const std::uint64_t ticks = 50 + habits_.below(5'000);  // of 10 ns
      cpu_habits_ += "  tick: " + ps(ticks * 10 * kPsPerNs) + '\n';
    }
    if (halts || habits_.below(2) == 0) return;
    const Duration every = (1 + habits_.below(40)) * kPsPerUs;
    cpu_habits_ += "  interrupts_off: { every: " + ps(every) +
                   ", for: " + ps(every / (2 + habits_.below(8))) + " }\n";
  }

  void make_prices() {
    if (chance(2)) return;
    const std::string bridge = id_ref(bridges_[random_.below(bridges_.size())].id);
    const std::string device = id_ref(devices_[random_.below(devices_.size())].id);
    const std::string own = ps(pick({Duration{0}, between(1, 900), between(1'000, 400'000)}));
    if (chance(2)) prices_.push_back("MsiSent: " + own);
    if (chance(2)) prices_.push_back(bridge + ".BridgeForwarded: " + own);
    if (chance(2)) prices_.push_back(device + ".MsiSent: " + ps(between(0, 50'000)));
    if (chance(2)) prices_.push_back(bridge + ".functions.MsiSent: " + ps(between(0, 50'000)));
    if (chance(2)) prices_.push_back("MessageRouted: 0ps");
    if (chance(2)) prices_.push_back("cpu0.HandlerEntered: " + own);
  }

  std::uint64_t seed_;
  Random random_;
  Random habits_;
  Random board_;
  Purpose purpose_;
  bool has_pic_ = false;
  std::uint64_t ioapics_ = 1;
  bool remapped_ = false;
  unsigned cpus_ = 1;
  std::size_t ids_ = 0;
  std::vector<MadeBridge> bridges_;
  std::vector<unsigned> first_bus_;
  std::vector<MadeDevice> devices_;
  Rows affinity_, workload_, handlers_, during_, prices_;
  std::string handler_;
  std::string cpu_habits_;
  Time end_ = 0;
};

/// Puts ids into the rows, and the rows into an order.
class Writer {
 public:
  Writer(Arrangement arrangement, std::size_t ids)
      : random_(static_cast<std::uint64_t>(arrangement), 0), as_made_(arrangement == kAsMade) {
    for (std::size_t i = 0; i < ids; ++i) names_.push_back("n" + std::to_string(i));
    if (as_made_) return;
    shuffle(names_);
    for (std::string& name : names_) name.insert(0, 1, static_cast<char>('a' + random_.below(26)));
  }

  template <class Row>
  void shuffle(std::vector<Row>& rows) {
    if (as_made_) return;
    for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random_.below(i)]);
  }
  void line(const std::string& text) { text_ += named(text) + '\n'; }
  void list(const std::string& key, const char* bullet, Rows rows) {
    if (rows.empty()) return;
    shuffle(rows);
    line(key + ':');
    for (const std::string& row : rows) line("  " + (bullet + row));
  }

  const std::vector<std::string>& names() const { return names_; }
  std::string text() { return std::move(text_); }

 private:
  std::string named(const std::string& text) const {
    std::string result;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] != '$') {
        result += text[at];
        continue;
      }
      const std::size_t end = text.find(';', at);
      result += names_[std::stoul(text.substr(at + 1, end - at - 1))];
      at = end;
    }
    return result;
  }

  Random random_;
  bool as_made_;
  std::vector<std::string> names_;
  std::string text_;
};

MadeScenario Maker::write(Arrangement arrangement) {
  Writer writer(arrangement, ids_);
  writer.line("irqfab: 1");
  writer.line(std::string("machine:\n  arch: ") + (remapped_ ? "x86-ir" : "x86"));
  if (remapped_ && seed_ % 2 == 1) writer.line("  remapping: amd-vi");
  writer.line("  cpus: " + std::to_string(cpus_) + '\n' + cpu_habits_ +
              "  interrupts: " + (has_pic_ ? "pic" : "ioapic"));
  const char* third = remapped_ ? ", { pins: 32 }" : ", { version: 0x11 }";  // 0x11 has no handles
  writer.line("  ioapics: [ {}" + std::string(ioapics_ > 1 ? ", { inputs: wired }" : "") +
              (ioapics_ > 2 ? third : "") + " ]\n  host_bridges:");
  std::vector<MadeBridge> bridges = bridges_;
  writer.shuffle(bridges);
  for (MadeBridge& bridge : bridges) {
    writer.line("    - id: " + id_ref(bridge.id) + "\n      " +
                bridge.place.substr(0, bridge.place.find(',')) + "\n      " +
                bridge.place.substr(bridge.place.find(',') + 2));
    writer.list("      devices", "      - ", bridge.devices);
  }
  writer.list("affinity", "", affinity_);
  writer.list("workload", "- ", workload_);
  writer.line("handler: " + handler_);
  writer.list("handlers", "", handlers_);
  writer.list("during", "- ", during_);
  writer.list("prices", "", prices_);
  writer.line(std::string("profile: ") + (ties() || cpus_ == 3 ? "unit" : "x86-skl"));
  return {writer.text(), writer.names()};
}

}  // namespace

MadeScenario make_scenario(Purpose purpose, std::uint64_t seed, Arrangement arrangement) {
  Maker maker(purpose, seed);
  maker.make();
  return maker.write(arrangement);
}

}  // namespace irqfab::test
