#include "fabric/scenario/phrases.hpp"

#include <algorithm>
#include <array>

#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

struct StepPhrase {
  HandlerStepKind kind;
  std::string_view words;
  bool has_length;
};
constexpr std::array<StepPhrase, 8> kStepPhrases = {{
    {HandlerStepKind::Busy, "busy", true},
    {HandlerStepKind::ReadDevice, "read device", true},
    {HandlerStepKind::Mask, "mask", false},
    {HandlerStepKind::Poll, "poll", true},
    {HandlerStepKind::Unmask, "unmask", false},
    {HandlerStepKind::EnableInterrupts, "enable interrupts", false},
    {HandlerStepKind::DisableInterrupts, "disable interrupts", false},
    {HandlerStepKind::Acknowledge, "acknowledge", false},
}};

struct Operator {
  Compare compare;
  std::string_view text;
};
// Longer ones first: `<=` starts with `<`.
constexpr std::array<Operator, 6> kOperators = {{
    {Compare::Equal, "=="},
    {Compare::NotEqual, "!="},
    {Compare::LessEqual, "<="},
    {Compare::GreaterEqual, ">="},
    {Compare::Less, "<"},
    {Compare::Greater, ">"},
}};

struct Errno {
  std::string_view name;
  std::int64_t number;
};
// Linux, asm-generic/errno-base.h and errno.h: what KVM's calls answer.
constexpr std::array<Errno, 16> kErrnos = {{
    {"EPERM", 1},
    {"ENOENT", 2},
    {"EINTR", 4},
    {"EIO", 5},
    {"ENXIO", 6},
    {"E2BIG", 7},
    {"EBADF", 9},
    {"EAGAIN", 11},
    {"ENOMEM", 12},
    {"EFAULT", 14},
    {"EBUSY", 16},
    {"EEXIST", 17},
    {"ENODEV", 19},
    {"EINVAL", 22},
    {"ENOTTY", 25},
    {"EOPNOTSUPP", 95},
}};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

const Metric* metric_named(std::string_view name) {
  for (const Metric& metric : metrics()) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

/// `nvme0.handler.p99.9`: the metric is the longest name that ends it, for one has a point in it.
const Metric* metric_at_end_of(std::string_view subject) {
  for (std::size_t at = 0; at != std::string_view::npos;) {
    if (const Metric* metric = metric_named(subject.substr(at))) return metric;
    const std::size_t dot = subject.find('.', at);
    at = dot == std::string_view::npos ? dot : dot + 1;
  }
  return nullptr;
}

Fault unknown_metric(std::string_view subject) {
  std::vector<std::string_view> names;
  for (const Metric& metric : metrics()) names.push_back(metric.name);
  const std::string_view last = subject.substr(subject.rfind('.') + 1);
  return {"no-such-metric", quote(last) + " is not a metric" + did_you_mean(last, names), last};
}

/// Fills in what stands before the operator.
std::optional<Fault> read_subject(std::string_view subject, Expectation& expectation) {
  const Metric* metric = metric_at_end_of(subject);
  if (metric == nullptr) return unknown_metric(subject);
  expectation.metric = metric->name;
  std::string_view prefix = subject.substr(0, subject.size() - metric->name.size());
  constexpr std::string_view kHandler = "handler.";
  if (prefix.size() >= kHandler.size() &&
      prefix.substr(prefix.size() - kHandler.size()) == kHandler) {
    expectation.to_handler = true;
    prefix.remove_suffix(kHandler.size());
  }
  if (expectation.to_handler && metric->kind != MetricKind::Latency) {
    return Fault{"bad-expectation", "'handler' goes with a latency, not with a count"};
  }
  if (prefix.empty()) return std::nullopt;
  if (metric->kind == MetricKind::Software) {
    return Fault{"bad-expectation", quote(metric->name) + " is counted for all devices together",
                 prefix};
  }
  prefix.remove_suffix(1);
  if (!is_id(prefix)) {
    return Fault{"bad-expectation", quote(prefix) + " is not a device's id", prefix};
  }
  expectation.device = prefix;
  return std::nullopt;
}

Parsed<std::uint64_t> read_bound(std::string_view text, MetricKind kind) {
  return kind == MetricKind::Latency ? parse_duration(text) : parse_number(text);
}

}  // namespace

Parsed<HandlerStep> parse_handler_step(std::string_view text) {
  for (const StepPhrase& phrase : kStepPhrases) {
    if (text.substr(0, phrase.words.size()) != phrase.words) continue;
    const std::string_view rest = text.substr(phrase.words.size());
    if (!phrase.has_length && rest.empty()) return HandlerStep{phrase.kind, 0};
    if (!phrase.has_length && rest[0] == ' ') {
      return Fault{"bad-step", "'" + std::string(phrase.words) + "' takes no time of its own"};
    }
    if (phrase.has_length && rest.empty()) {
      return Fault{"bad-step", "'" + std::string(phrase.words) + "' needs to say how long"};
    }
    if (!phrase.has_length || rest[0] != ' ') break;
    const auto length = parse_duration(rest.substr(1));
    if (!length) return in_part(length.fault(), rest.substr(1));
    return HandlerStep{phrase.kind, *length};
  }
  std::vector<std::string_view> names;
  for (const StepPhrase& phrase : kStepPhrases) names.push_back(phrase.words);
  const std::string_view words = trimmed(text.substr(0, text.find_first_of("0123456789")));
  return Fault{"bad-step",
               quote(text) + " is not a step of a handler" + did_you_mean(words, names)};
}

std::string write_handler_step(const HandlerStep& step) {
  for (const StepPhrase& phrase : kStepPhrases) {
    if (phrase.kind != step.kind) continue;
    return std::string(phrase.words) + (phrase.has_length ? ' ' + write_duration(step.length) : "");
  }
  return "";
}

const std::vector<Metric>& metrics() {
  constexpr MetricKind kCount = MetricKind::Count, kLatency = MetricKind::Latency,
                       kSoftware = MetricKind::Software;
  static const std::vector<Metric> rows = {
      {"asserted", kCount, "interrupts that sources asked for"},
      {"handled", kCount, "ended by their handler"},
      {"coalesced", kCount, "merged into one that was pending already"},
      {"dropped", kCount, "lost for a reason of the closed list"},
      {"cancelled", kCount, "taken back before they were handled"},
      {"in_flight", kCount, "without an outcome when the run ends"},
      {"spurious", kCount, "answered although nothing was pending"},
      {"duplicated", kCount, "taken once more than they were asserted"},
      {"lost", kCount, "dropped, or in flight when the run ends"},
      {"min", kLatency, "shortest"},
      {"p50", kLatency, "median"},
      {"p90", kLatency, "percentile"},
      {"p99", kLatency, "percentile"},
      {"p99.9", kLatency, "percentile"},
      {"max", kLatency, "longest"},
      {"mean", kLatency, "mean"},
      {"routes.hits", kSoftware, "messages of the VMM that found a route made on demand"},
      {"routes.misses", kSoftware, "those that needed a new one"},
      {"routes.flushes", kSoftware, "times that the VMM gave up all routes made on demand"},
      {"routes.commits", kSoftware, "calls of KVM_SET_GSI_ROUTING"},
      {"routes.refused", kSoftware, "those that the kernel refused"},
      {"routes.peak", kSoftware, "most entries that the routing table has had"},
      {"routes.fallbacks", kSoftware,
       "vectors that have no route at the end because none was left, and that the VMM serves "
       "itself"},
      {"exits.kernel", kSoftware, "exits of vCPUs that the host's kernel dealt with"},
      {"faults", kSoftware, "rules of lifetime and of locks that the host's software broke"},
      {"exits.user", kSoftware, "exits of vCPUs that went on to the VMM"},
  };
  return rows;
}

MetricKind kind_of_metric(std::string_view name) { return metric_named(name)->kind; }

Parsed<Expectation> parse_expectation(std::string_view text) {
  const std::size_t at = text.find_first_of("=!<>");
  const Operator* found = nullptr;
  if (at != std::string_view::npos) {
    for (const Operator& op : kOperators) {
      if (found == nullptr && text.substr(at, op.text.size()) == op.text) found = &op;
    }
  }
  if (found == nullptr) {
    return Fault{"bad-expectation", quote(text) + " compares nothing",
                 at != std::string_view::npos ? text.substr(at, 1) : text};
  }
  Expectation expectation;
  expectation.text = text;
  expectation.compare = found->compare;
  if (const auto fault = read_subject(trimmed(text.substr(0, at)), expectation)) return *fault;
  const MetricKind kind = metric_named(expectation.metric)->kind;
  const std::string_view right = trimmed(text.substr(at + found->text.size()));
  const auto bound = read_bound(right, kind);
  if (!bound) {
    return in_part(bound.fault(), right.empty() ? text.substr(at, found->text.size()) : right);
  }
  expectation.bound = *bound;
  return expectation;
}

Parsed<std::int64_t> parse_answer(std::string_view text) {
  if (text.size() > 1 && text[0] == '-' && text[1] == 'E') {
    std::vector<std::string_view> names;
    for (const Errno& row : kErrnos) {
      if (row.name == text.substr(1)) return -row.number;
      names.push_back(row.name);
    }
    return Fault{"bad-answer", quote(text) + " is not an error that a call answers" +
                                   did_you_mean(text.substr(1), names)};
  }
  const auto number = parse_number(text);
  if (!number) return number.fault();
  if (*number > 0x7fff'ffff) return Fault{"out-of-range", quote(text) + " is too large"};
  return static_cast<std::int64_t>(*number);
}

std::string write_answer(std::int64_t value) {
  for (const Errno& row : kErrnos) {
    if (row.number == -value) return '-' + std::string(row.name);
  }
  return std::to_string(value);
}

const std::vector<RegisterName>& lapic_registers() {
  static const std::vector<RegisterName> rows = {
      {"ID", 0x020},        {"VERSION", 0x030},   {"TPR", 0x080},       {"APR", 0x090},
      {"PPR", 0x0a0},       {"EOI", 0x0b0},       {"RRD", 0x0c0},       {"LDR", 0x0d0},
      {"DFR", 0x0e0},       {"SVR", 0x0f0},       {"ESR", 0x280},       {"LVT_CMCI", 0x2f0},
      {"ICR", 0x300},       {"ICR2", 0x310},      {"LVT_TIMER", 0x320}, {"LVT_THERMAL", 0x330},
      {"LVT_PMC", 0x340},   {"LVT_LINT0", 0x350}, {"LVT_LINT1", 0x360}, {"LVT_ERROR", 0x370},
      {"TIMER_ICR", 0x380}, {"TIMER_CCR", 0x390}, {"TIMER_DCR", 0x3e0},
  };
  return rows;
}

const std::vector<RegisterName>& ioapic_registers() {
  static const std::vector<RegisterName> rows = {
      {"IOAPICID", 0x00}, {"IOAPICVER", 0x01}, {"IOAPICARB", 0x02}};
  return rows;
}

const std::vector<RegisterName>& vtd_registers() {
  static const std::vector<RegisterName> rows = {
      {"VER_REG", 0x000},    {"CAP_REG", 0x008},     {"ECAP_REG", 0x010},   {"GCMD_REG", 0x018},
      {"GSTS_REG", 0x01c},   {"FSTS_REG", 0x034},    {"FECTL_REG", 0x038},  {"FEDATA_REG", 0x03c},
      {"FEADDR_REG", 0x040}, {"FEUADDR_REG", 0x044}, {"IQH_REG", 0x080},    {"IQT_REG", 0x088},
      {"IQA_REG", 0x090},    {"ICS_REG", 0x09c},     {"IECTL_REG", 0x0a0},  {"IEDATA_REG", 0x0a4},
      {"IEADDR_REG", 0x0a8}, {"IEUADDR_REG", 0x0ac}, {"IQERCD_REG", 0x0b0}, {"IRTA_REG", 0x0b8},
      {"FRCD_REG", 0x220},
  };
  return rows;
}

unsigned vtd_register_bytes(std::uint64_t offset) {
  constexpr std::array<std::uint64_t, 9> kWide = {0x008, 0x010, 0x080, 0x088, 0x090,
                                                  0x0b0, 0x0b8, 0x220, 0x228};
  return std::find(kWide.begin(), kWide.end(), offset) != kWide.end() ? 8 : 4;
}

const std::vector<RegisterName>& hpet_registers() {
  static const std::vector<RegisterName> rows = {
      {"GCAP_ID", 0x000},   {"GEN_CONF", 0x010},  {"GINTR_STA", 0x020}, {"MAIN_CNT", 0x0f0},
      {"TIM0_CONF", 0x100}, {"TIM0_COMP", 0x108}, {"TIM0_FSB", 0x110},  {"TIM1_CONF", 0x120},
      {"TIM1_COMP", 0x128}, {"TIM1_FSB", 0x130},  {"TIM2_CONF", 0x140}, {"TIM2_COMP", 0x148},
      {"TIM2_FSB", 0x150},  {"TIM3_CONF", 0x160}, {"TIM3_COMP", 0x168}, {"TIM3_FSB", 0x170},
      {"TIM4_CONF", 0x180}, {"TIM4_COMP", 0x188}, {"TIM4_FSB", 0x190},  {"TIM5_CONF", 0x1a0},
      {"TIM5_COMP", 0x1a8}, {"TIM5_FSB", 0x1b0},  {"TIM6_CONF", 0x1c0}, {"TIM6_COMP", 0x1c8},
      {"TIM6_FSB", 0x1d0},  {"TIM7_CONF", 0x1e0}, {"TIM7_COMP", 0x1e8}, {"TIM7_FSB", 0x1f0},
  };
  return rows;
}

Parsed<std::uint64_t> parse_register(std::string_view text, const std::vector<RegisterName>& names,
                                     std::uint64_t end) {
  std::vector<std::string_view> known;
  for (const RegisterName& row : names) {
    if (row.name == text) return std::uint64_t{row.offset};
    known.push_back(row.name);
  }
  if (is_id(text)) {
    return Fault{"no-such-register",
                 quote(text) + " is not a register" + did_you_mean(text, known)};
  }
  const auto number = parse_number(text);
  if (number && *number >= end) {
    return Fault{"out-of-range", quote(text) + " is beyond the last register"};
  }
  return number;
}

std::string write_register(std::uint64_t offset, const std::vector<RegisterName>& names) {
  const auto found = std::find_if(names.begin(), names.end(),
                                  [offset](const RegisterName& r) { return r.offset == offset; });
  return found != names.end() ? std::string(found->name) : write_hex(offset);
}

}  // namespace irqfab::scenario
