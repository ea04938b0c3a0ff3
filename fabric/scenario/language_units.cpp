// The architectural level of the language for the VT-d remapping unit and the HPET: the names are
// those of their specifications.
#include "fabric/scenario/language_parts.hpp"

namespace irqfab::scenario {
namespace {

constexpr Word kSizes[] = {{"4"}, {"8"}};
constexpr Word kMemorySizes[] = {{"1"}, {"2"}, {"4"}, {"8"}};

constexpr Shape kIndex = number(0, kMax16);
constexpr Shape kRequester = of(Kind::Bdf);
constexpr const char* kRegister = "The register, by name or by its offset.";
constexpr const char* kOwnSize = "as the register has";

constexpr Key kVtdEnableKeys[] = {
    defaulted("entries", number(2, 65536), "65536", "Of the table: a power of 2."),
    defaulted("cfi", kFlag, "false", "Whether requests in compatibility format pass."),
    optional("eime", kFlag, "as `apic` says", "Extended interrupt mode: 32-bit destinations."),
};
constexpr std::string_view kFields = "vector";
constexpr Key kVtdIrteKeys[] = {
    required("index", kIndex, "Which entry."),
    choice("low", bits(kMax64), "Bits 63 to 0."),
    optional("high", bits(kMax64), "0", "Bits 127 to 64.").beside("low"),
    choice("vector", kVector, "The vector; the other fields stand beside it."),
    optional("present", kFlag, "true", "P.").beside(kFields),
    optional("fpd", kFlag, "false", "Fault processing disable.").beside(kFields),
    optional("dest", bits(kMax32), "0",
             "An APIC id, or a logical set: bits 47 to 40 of the entry, or 63 to 32 with "
             "`apic: x2apic`.")
        .beside(kFields),
    optional("destmode", one_of(kDestModes), "physical", "Destination mode.").beside(kFields),
    optional("hint", kFlag, "false", "Redirection hint.").beside(kFields),
    optional("trigger", one_of(kTriggers), "edge", "Trigger mode.").beside(kFields),
    optional("mode", one_of(kModes), "fixed", "Delivery mode.").beside(kFields),
    optional("avail", number(0, 15), "0", "Software's own bits.").beside(kFields),
    optional("pda", bits(kMax64), "none",
             "The address of a posted-interrupt descriptor, a multiple of 64: the entry posts "
             "(IM), and has a virtual vector and no destination.")
        .beside(kFields),
    optional("urgent", kFlag, "false", "URG of a posted entry.").beside("pda"),
    optional("requester", kRequester, "anyone",
             "Who may use the entry: SVT = 01 with this source id.")
        .beside(kFields),
    optional("sq", number(0, 3), "0",
             "How many low bits of the function are ignored in that: SQ = 01 bit 2, 10 bits 2 and "
             "1, 11 all.")
        .beside("requester"),
    optional("buses", of(Kind::BusRange), "anyone",
             "Requesters on these buses may use the entry: SVT = 10.")
        .beside(kFields),
};
constexpr Key kVtdWriteKeys[] = {
    required("reg", of(Kind::VtdRegister), kRegister),
    required("value", bits(kMax64), "What is written."),
    optional("size", one_of(kSizes), kOwnSize, "Bytes."),
};
constexpr Key kVtdReadKeys[] = {
    required("reg", of(Kind::VtdRegister), kRegister),
    required("answers", bits(kMax64), "What the read must give."),
    optional("size", one_of(kSizes), kOwnSize, "Bytes."),
};
constexpr Key kVtdInvalidateKeys[] = {
    optional("index", kIndex, "all entries", "IIDX: the first index."),
    optional("mask", number(0, 31), "0", "IM: 2^mask indices, aligned.").needing("index"),
};
constexpr Key kVtdWaitKeys[] = {
    optional("status", bits(kMax64), "no status write", "SW: the address of the status."),
    optional("data", bits(kMax32), "1", "What is written there.").beside("status"),
    defaulted("interrupt", kFlag, "false", "IF: report the completion in ICS_REG."),
    defaulted("fence", kFlag, "false", "FN: later descriptors wait for this one."),
};
constexpr Key kVtdDescriptorKeys[] = {
    required("low", bits(kMax64), "Bits 63 to 0."),
    defaulted("high", bits(kMax64), "0", "Bits 127 to 64."),
};
constexpr Key kHpetWriteKeys[] = {
    required("reg", of(Kind::HpetRegister), kRegister),
    required("value", bits(kMax64), "What is written."),
    optional("size", one_of(kSizes), "8", "Bytes."),
};

constexpr Key kVtdRegStateKeys[] = {
    required("reg", of(Kind::VtdRegister), kRegister),
    required("value", bits(kMax64), "What a read of it gives."),
};
constexpr Key kVtdFaultKeys[] = {
    defaulted("record", number(0, 255), "0", "Which fault recording register."),
    choice("pending", kFlag, "Whether it holds a fault that software has not cleared."),
    choice("reason", bits(255), "It holds a fault for this reason (FR)."),
    optional("requester", kRequester, "not checked", "Of this requester (SID).").beside("reason"),
    optional("index", kIndex, "not checked", "At this index (FI).").beside("reason"),
};
constexpr Key kVtdQueueKeys[] = {
    required("head", number(0, 32767), "The descriptor that comes next (QH)."),
    optional("tail", number(0, 32767), "not checked", "Where software writes next (QT)."),
    defaulted("error", kFlag, "false", "Whether it has stopped for an error (IQE)."),
};
constexpr Key kVtdCacheKeys[] = {
    required("index", kIndex, "Which entry of the table."),
    required("cached", kFlag, "Whether the interrupt entry cache holds it."),
};
constexpr Key kMemoryStateKeys[] = {
    required("address", bits(kMax64), "Where."),
    defaulted("size", one_of(kMemorySizes), "4", "Bytes."),
    required("value", bits(kMax64), "What memory holds there, the lowest byte first."),
};
constexpr Key kHpetRegStateKeys[] = {
    required("reg", of(Kind::HpetRegister), kRegister),
    required("value", bits(kMax64), "What a read of its 64 bits gives."),
};

}  // namespace

constexpr Table kVtdEnable = {"vtd.enable", "in 'vtd.enable'", "", rows(kVtdEnableKeys)};
constexpr Table kVtdIrte = {"vtd.irte", "in 'vtd.irte'", "", rows(kVtdIrteKeys),
                            "how the entry is given"};
constexpr Table kVtdWrite = {"vtd.write", "in 'vtd.write'", "", rows(kVtdWriteKeys)};
constexpr Table kVtdRead = {"vtd.read", "in 'vtd.read'", "", rows(kVtdReadKeys)};
constexpr Table kVtdInvalidate = {"vtd.invalidate", "in 'vtd.invalidate'", "",
                                  rows(kVtdInvalidateKeys)};
constexpr Table kVtdWait = {"vtd.wait", "in 'vtd.wait'", "", rows(kVtdWaitKeys)};
constexpr Table kVtdDescriptor = {"vtd.descriptor", "in 'vtd.descriptor'", "",
                                  rows(kVtdDescriptorKeys)};
constexpr Table kHpetWrite = {"hpet.write", "in 'hpet.write'", "", rows(kHpetWriteKeys)};

constexpr Table kVtdRegState = {"vtd.reg", "in 'vtd.reg'", "", rows(kVtdRegStateKeys)};
constexpr Table kVtdFault = {"vtd.fault", "in 'vtd.fault'", "", rows(kVtdFaultKeys),
                             "what the record holds"};
constexpr Table kVtdQueue = {"vtd.queue", "in 'vtd.queue'", "", rows(kVtdQueueKeys)};
constexpr Table kVtdCache = {"vtd.cache", "in 'vtd.cache'", "", rows(kVtdCacheKeys)};
constexpr Table kMemoryState = {"memory", "in 'memory'", "", rows(kMemoryStateKeys)};
constexpr Table kHpetRegState = {"hpet.reg", "in 'hpet.reg'", "", rows(kHpetRegStateKeys)};

}  // namespace irqfab::scenario
