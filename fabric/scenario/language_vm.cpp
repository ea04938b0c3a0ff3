// The architectural level of the language for virtual machines whose vCPUs are threads of a
// modelled host: what they read, what the host decides, and what can be seen of them. Names of
// inhibits and of exit reasons are those of models/.
#include <array>

#include "fabric/scenario/language_parts.hpp"
#include "models/base/outcome.hpp"
#include "models/x86/apicv_controls.hpp"

namespace irqfab::scenario {
namespace {

constexpr auto make_inhibit_words() {
  std::array<Word, x86::kInhibits.size()> words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i].name = x86::kInhibits[i].name;
  return words;
}
constexpr auto make_exit_words() {
  std::array<Word, kExitReasonNames.size()> words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i].name = kExitReasonNames[i];
  return words;
}
constexpr auto kInhibitWords = make_inhibit_words();
constexpr auto kExitWords = make_exit_words();
constexpr Shape kInhibit = {Kind::Word, 0, 0, Words{kInhibitWords.data(), kInhibitWords.size()}};
constexpr Shape kExit = {Kind::Word, 0, 0, Words{kExitWords.data(), kExitWords.size()}};

constexpr Word kPlaces[] = {{"guest"}, {"polling"}, {"blocked"}, {"preempted"}, {"host"}};

constexpr Shape kVcpu = of(Kind::Cpu);
constexpr Shape kVectorList = list_of(kVector);

constexpr Key kLapicReadKeys[] = {
    required("cpu", kVcpu, "Whose local APIC."),
    required("reg", of(Kind::LapicRegister), "The register."),
    required("answers", bits(kMax32), "What the read must give."),
};
constexpr Key kVmInhibitKeys[] = {
    required("reason", kInhibit, "Why."),
    defaulted("on", kFlag, "true", "Whether the reason holds from now on, or no longer."),
};
constexpr Key kVmDescriptorKeys[] = {
    required("vcpu", kVcpu, "Whose."),
    optional("pir", kVectorList, "not checked", "Exactly the vectors that are posted."),
    optional("on", kFlag, "not checked", "Outstanding Notification."),
    optional("sn", kFlag, "not checked", "Suppress Notification."),
    optional("nv", kVector, "not checked", "Notification vector."),
    optional("ndst", bits(kMax32), "not checked",
             "Notification destination: the local APIC of a CPU of the host, in bits 15 to 8."),
};
constexpr Key kVmVcpuKeys[] = {
    required("vcpu", kVcpu, "Which vCPU."),
    required("state", one_of(kPlaces),
             "`guest`: the processor executes it; `polling`: halted, its thread waits awake; "
             "`blocked`: halted, its thread sleeps; `preempted`: the host runs somebody else; "
             "`host`: anything else."),
};
constexpr Key kVmExitsKeys[] = {
    required("vcpu", kVcpu, "Which vCPU."),
    optional("reason", kExit, "all reasons together", "Why it left."),
    required("count", number(0, kMax64), "How often so far."),
};

}  // namespace

constexpr Table kLapicRead = {"lapic.read", "in 'lapic.read'", "", rows(kLapicReadKeys)};
constexpr Table kVmInhibit = {"vm.inhibit", "in 'vm.inhibit'", "", rows(kVmInhibitKeys)};
constexpr Table kVmDescriptor = {"vm.descriptor", "in 'vm.descriptor'", "",
                                 rows(kVmDescriptorKeys)};
constexpr Table kVmVcpu = {"vm.vcpu", "in 'vm.vcpu'", "", rows(kVmVcpuKeys)};
constexpr Table kVmExits = {"vm.exits", "in 'vm.exits'", "", rows(kVmExitsKeys)};

}  // namespace irqfab::scenario
