// The architectural level of the language for the AMD-Vi unit: the names are those of 48882.
#include "fabric/scenario/amdvi_names.hpp"
#include "fabric/scenario/language_parts.hpp"

namespace irqfab::scenario {
namespace {

constexpr auto make_register_words() {
  std::array<Word, kAmdviRegisters.size()> words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i].name = kAmdviRegisters[i].name;
  return words;
}
constexpr auto make_event_words() {
  std::array<Word, kAmdviEvents.size()> words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i].name = kAmdviEvents[i];
  return words;
}
constexpr auto kRegisterWords = make_register_words();
constexpr auto kEventWords = make_event_words();
constexpr Shape kRegister = {Kind::Word, 0, 0, Words{kRegisterWords.data(), kRegisterWords.size()}};
constexpr Shape kEventCode = {Kind::Word, 0, 0, Words{kEventWords.data(), kEventWords.size()}};

constexpr Word kControls[] = {{"abort"}, {"forward"}, {"remap"}, {"reserved"}};
constexpr Word kFormats[] = {{"short"}, {"long"}, {"wide"}};
constexpr Word kMost[] = {{"512"}, {"2048"}};
constexpr Word kTypes[] = {{"fixed"}, {"arbitrated"}};
constexpr Word kWhat[] = {{"device"}, {"interrupts"}, {"all"}};

constexpr Shape kRequester = of(Kind::Bdf);
constexpr Shape kIndex = number(0, 2047);

constexpr Key kEnableKeys[] = {
    defaulted("entries", one_of(kFormats), "short",
              "Of interrupts: `short` 32 bits; `long` 128 (GAEn), with destinations of 8 bits; "
              "`wide` the same with 32 (XTEn)."),
    defaulted("most", one_of(kMost), "2048",
              "Interrupts of a device (NumIntRemapMode). With 2048, messages have DM set."),
};
constexpr std::string_view kTable = "table";
constexpr Key kDteKeys[] = {
    required("requester", kRequester, "Whose entry of the device table."),
    choice("bits", bits(kMax64), "Bits 191 to 128."),
    choice("table", bits(kMax64),
           "The table of its interrupts, a multiple of 128; the other fields stand beside it."),
    optional("length", number(0, 15), "0", "IntTabLen: 2^length entries.").beside(kTable),
    optional("valid", kFlag, "true", "IV.").beside(kTable),
    optional("control", one_of(kControls), "remap", "IntCtl.").beside(kTable),
    optional("ignore", kFlag, "false", "IG: no events of its interrupts.").beside(kTable),
    optional("nmi", kFlag, "false", "NMIPass.").beside(kTable),
    optional("init", kFlag, "false", "INITPass.").beside(kTable),
    optional("extint", kFlag, "false", "EIntPass.").beside(kTable),
};
constexpr std::string_view kVectorKey = "vector";
constexpr Key kIrteKeys[] = {
    required("requester", kRequester, "Whose table, as the device table has it."),
    required("index", kIndex, "Which entry."),
    choice("low", bits(kMax64), "Bits 63 to 0, or all 32."),
    optional("high", bits(kMax64), "0", "Bits 127 to 64.").beside("low"),
    choice("vector", kVector, "The vector; the other fields stand beside it."),
    optional("enabled", kFlag, "true", "RemapEn.").beside(kVectorKey),
    optional("suppress", kFlag, "false", "SupIOPF.").beside(kVectorKey),
    optional("type", one_of(kTypes), "fixed", "IntType.").beside(kVectorKey),
    optional("trigger", one_of(kTriggers), "edge", "RqEoi: `level` asks for an EOI.")
        .beside(kVectorKey),
    optional("destmode", one_of(kDestModes), "physical", "DM.").beside(kVectorKey),
    optional("dest", bits(kMax32), "0", "Destination.").beside(kVectorKey),
};
constexpr Key kWriteKeys[] = {
    required("reg", kRegister, "The register."),
    required("value", bits(kMax64), "What is written."),
};
constexpr Key kReadKeys[] = {
    required("reg", kRegister, "The register."),
    required("answers", bits(kMax64), "What the read must give."),
};
constexpr Key kInvalidateKeys[] = {
    required("what", one_of(kWhat),
             "INVALIDATE_DEVTAB_ENTRY, INVALIDATE_INTERRUPT_TABLE, or INVALIDATE_IOMMU_ALL."),
    optional("requester", kRequester, "00:00.0", "Whose."),
};
constexpr Key kWaitKeys[] = {
    optional("store", bits(kMax64), "no store", "S: the address, a multiple of 8."),
    optional("data", bits(kMax64), "1", "What is stored.").beside("store"),
    defaulted("interrupt", kFlag, "false", "I: set ComWaitInt."),
    defaulted("flush", kFlag, "false", "F: later commands wait for this one."),
};
constexpr Key kCommandKeys[] = {
    required("low", bits(kMax64), "Bits 63 to 0."),
    defaulted("high", bits(kMax64), "0", "Bits 127 to 64."),
};

constexpr Key kRegKeys[] = {
    required("reg", kRegister, "The register."),
    required("value", bits(kMax64), "What a read of it gives."),
};
constexpr Key kEventKeys[] = {
    defaulted("entry", number(0, 32767), "0", "Which entry of the log."),
    required("code", kEventCode, "Its code; `none` if nothing has been logged there."),
    optional("requester", kRequester, "not checked", "DeviceID."),
    optional("address", bits(kMax64), "not checked", "Bits 127 to 64."),
    optional("present", kFlag, "not checked", "PR."),
    optional("reserved", kFlag, "not checked", "RZ."),
};

}  // namespace

constexpr Table kAmdviEnable = {"amdvi.enable", "in 'amdvi.enable'", "", rows(kEnableKeys)};
constexpr Table kAmdviDte = {"amdvi.dte", "in 'amdvi.dte'", "", rows(kDteKeys),
                             "how the entry is given"};
constexpr Table kAmdviIrte = {"amdvi.irte", "in 'amdvi.irte'", "", rows(kIrteKeys),
                              "how the entry is given"};
constexpr Table kAmdviWrite = {"amdvi.write", "in 'amdvi.write'", "", rows(kWriteKeys)};
constexpr Table kAmdviRead = {"amdvi.read", "in 'amdvi.read'", "", rows(kReadKeys)};
constexpr Table kAmdviInvalidate = {"amdvi.invalidate", "in 'amdvi.invalidate'", "",
                                    rows(kInvalidateKeys)};
constexpr Table kAmdviWait = {"amdvi.wait", "in 'amdvi.wait'", "", rows(kWaitKeys)};
constexpr Table kAmdviCommand = {"amdvi.command", "in 'amdvi.command'", "", rows(kCommandKeys)};
constexpr Table kAmdviReg = {"amdvi.reg", "in 'amdvi.reg'", "", rows(kRegKeys)};
constexpr Table kAmdviEvent = {"amdvi.event", "in 'amdvi.event'", "", rows(kEventKeys)};

}  // namespace irqfab::scenario
