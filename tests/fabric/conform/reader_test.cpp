// Every kind of wrong input is refused with its place, and nothing is ignored.
#include "fabric/conform/reader.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace irqfab::conform {
namespace {

const std::string kCreate = R"({"op":"create_vm","irqchip":"full","apic_ids":[0,1]})";
const std::string kState = R"({"cpu":[{},{}],"ioapic":{},"pic":{}})";

std::string kvm(const std::string& ops, const std::string& observed = kState) {
  return R"({"id":"a","setup":[)" + kCreate + (ops.empty() ? "" : "," + ops) +
         R"(],"stimulus":[],"observed":)" + observed + "}";
}
std::string qemu(const std::string& ops, const std::string& observed = "{}",
                 const std::string& machine =
                     R"({"cpus":2,"apic_ids":[0,1],"iommu_ir":false,"edu_rids":["0x18"]})") {
  return R"({"id":"q","verdict":"deviates","machine":)" + machine + R"(,"setup":[],"stimulus":[)" +
         ops + R"(],"observed":)" + observed + "}";
}

Result<std::vector<Case>> read_text(const std::string& text) {
  std::istringstream in(text);
  return read(in, "f.jsonl");
}

/// The message, and where: "line:column message".
std::string refusal(const std::string& text) {
  const auto cases = read_text(text);
  if (cases) return "accepted";
  const Diagnostic& error = cases.errors().front();
  return std::to_string(error.where.line) + ':' + std::to_string(error.where.column) + ' ' +
         error.message;
}

TEST(ConformReader, AcceptsACaseOfEachVocabulary) {
  const auto cases = read_text(kvm("") + "\n\n" + qemu("") + "\n");
  ASSERT_TRUE(cases);
  ASSERT_EQ(cases->size(), 2u);
  EXPECT_EQ(cases->at(0).vocabulary, Vocabulary::KvmX86);
  EXPECT_EQ(cases->at(1).vocabulary, Vocabulary::QemuX86);
  EXPECT_EQ(cases->at(1).verdict, Verdict::Deviates);
  EXPECT_EQ(cases->at(1).where.line, 3);
}

TEST(ConformReader, NumbersMayBeHexDecimalOrBoolean) {
  const auto cases = read_text(
      kvm(R"({"op":"signal_msi","addr_lo":"0xfee00000","data":65,"flags":true,"ret":-1},)"
          R"({"op":"irq_line_status","gsi":"0x4","level":"0x1","ret":"0x0","status":"-0x1"})"));
  ASSERT_TRUE(cases) << cases.errors().front().message;
  const Op& msi = cases->front().ops[1];
  EXPECT_EQ(msi.number_of("addr_lo"), 0xFEE00000u);
  EXPECT_EQ(msi.number_of("data"), 65u);
  EXPECT_EQ(msi.number_of("flags"), 1u);
  EXPECT_TRUE(same(msi.fields.at("ret"), cases->front().ops[2].fields.at("status")));
}

TEST(ConformReader, AnUnknownOpIsRefusedWithItsNumberAndPlace) {
  EXPECT_EQ(refusal(kvm("") + '\n' + kvm(R"({"op":"kvm_smi","cpu":0})")),
            "2:74 op 2: there is no op 'kvm_smi' in kvm_x86");
  EXPECT_EQ(refusal(qemu(R"({"op":"signal_msi"})")).substr(0, 46),
            "1:131 op 1: there is no op 'signal_msi' in qem");
}

TEST(ConformReader, FieldsAreThoseOfTheOp) {
  EXPECT_EQ(refusal(kvm(R"({"op":"kvm_nmi","cpu":0,"irq":3})")),
            "1:97 op 2 (kvm_nmi): it has no field 'irq'");
  EXPECT_EQ(refusal(kvm(R"({"op":"kvm_interrupt","cpu":0})")),
            "1:73 op 2 (kvm_interrupt): it lacks 'irq'");
}

TEST(ConformReader, ValuesAreOfTheirKind) {
  const auto nmi = [](const std::string& cpu) {
    return refusal(kvm(R"({"op":"kvm_nmi","cpu":)" + cpu + "}"));
  };
  for (const char* wrong : {"1.0", "\"1\"", "\"x\"", "\"0x\"", "-1", "null", "[]", "{}",
                            "\"0x10000000000000000\"", "4294967296", "\"0x1g\""}) {
    EXPECT_EQ(nmi(wrong).substr(0, 33),
              "1:89 op 2 (kvm_nmi): 'cpu' is " + std::string(wrong).substr(0, 3))
        << wrong;
  }
  EXPECT_EQ(nmi("2"), "1:89 op 2 (kvm_nmi): there is no CPU 2");
  EXPECT_EQ(nmi("\"0x1\""), "accepted");
  EXPECT_NE(refusal(kvm(R"({"op":"set_pic","chip":"ioapic","imr":0,"irq_base":8,"elcr":0})")),
            "accepted");
  EXPECT_NE(refusal(kvm(R"({"op":"irqfd","fd":"A","gsi":1,"flags":"assign"})")), "accepted");
  EXPECT_NE(refusal(kvm(R"({"op":"set_ioapic_rte","pin":24,"rte":0})")), "accepted");
}

TEST(ConformReader, RoutesAreCheckedToo) {
  const auto route = [](const std::string& one) {
    return refusal(kvm(R"({"op":"set_gsi_routing","nr":1,"routes":[)" + one + "]}"));
  };
  EXPECT_EQ(route(R"({"gsi":1,"type":"msi","addr_lo":0,"addr_hi":0,"data":0})"), "accepted");
  EXPECT_EQ(route(R"({"gsi":1,"type":77})"), "accepted");
  for (const char* wrong :
       {R"({"gsi":1})", R"({"gsi":1,"type":"msi"})", R"({"gsi":1,"type":"irqchip","chip":"pic"})",
        R"({"gsi":1,"type":"irqchip","chip":"ioapic"})", R"({"gsi":1,"type":0,"x":1})", "7"}) {
    EXPECT_NE(route(wrong), "accepted") << wrong;
  }
}

TEST(ConformReader, TheVmIsMadeFirstAndOnce) {
  EXPECT_NE(refusal(kvm(kCreate)), "accepted");
  EXPECT_NE(refusal(R"({"id":"a","setup":[],"stimulus":[],"observed":{"cpu":[]}})"), "accepted");
  EXPECT_NE(refusal(R"({"id":"a","setup":[{"op":"kvm_nmi","cpu":0}],"stimulus":[],)"
                    R"("observed":{"cpu":[]}})"),
            "accepted");
}

TEST(ConformReader, WhatWasObservedFitsTheCase) {
  EXPECT_NE(refusal(kvm("", R"({"cpu":[{}],"ioapic":{},"pic":{}})")), "accepted") << "one CPU";
  EXPECT_NE(refusal(kvm("", R"({"cpu":[{},{"irqs":[]}]})")), "accepted");
  EXPECT_NE(refusal(kvm("", R"({"cpu":[{},{"irr":[256]}]})")), "accepted");
  EXPECT_NE(refusal(kvm("", R"({"cpu":[{},{}],"lapic":{}})")), "accepted");
  const std::string read = R"({"op":"lapic_tmr","cpu":0,"as":"t"})";
  EXPECT_EQ(refusal(qemu(read, R"({"t":[]})")), "accepted");
  EXPECT_NE(refusal(qemu(read)), "accepted") << "no value for the read";
  EXPECT_NE(refusal(qemu(read, R"({"t":[],"u":[]})")), "accepted") << "a value for no read";
  EXPECT_NE(refusal(qemu(read + "," + read, R"({"t":[]})")), "accepted") << "a label twice";
}

TEST(ConformReader, FunctionsAreTheMachines) {
  EXPECT_EQ(refusal(qemu(R"({"op":"pci_command","rid":"0x18","val":6})")), "accepted");
  EXPECT_EQ(refusal(qemu(R"({"op":"msix_control","rid":"0x30","enable":1,"function_mask":0})")),
            "accepted");
  EXPECT_NE(refusal(qemu(R"({"op":"pci_command","rid":"0x20","val":6})")), "accepted");
  EXPECT_NE(refusal(qemu(R"({"op":"msix_control","rid":"0x18","enable":1,"function_mask":0})")),
            "accepted");
  EXPECT_NE(refusal(qemu(R"({"op":"irte","index":0,"lo":0,"hi":0})")), "accepted")
      << "without a remapping unit";
}

TEST(ConformReader, OtherVocabulariesAreRefusedByName) {
  for (const auto& [machine, name] :
       {std::pair<const char*, const char*>{R"({"gic":2})", "qemu_gicv2m"},
        {R"({"gic":3})", "qemu_gicv3_its"},
        {R"({"model":"pseries"})", "qemu_power_xics"}}) {
    EXPECT_NE(
        refusal(qemu("", "{}", machine)).find("'" + std::string(name) + "' is not supported yet"),
        std::string::npos);
  }
}

TEST(ConformReader, JsonThatIsNoneIsRefusedWhereItEnds) {
  EXPECT_EQ(refusal("{\"id\":\"a\",,}"), "1:11 this is no JSON");
  EXPECT_NE(refusal("[]"), "accepted");
  EXPECT_NE(refusal("{}"), "accepted");
  EXPECT_EQ(refusal(""), "0:0 there is no case in it");
  EXPECT_EQ(refusal(R"({"id":"a","id":"b"})"), "1:1 the key 'id' occurs twice in one object");
  EXPECT_NE(refusal(std::string(100'000, '[')), "accepted");
  EXPECT_EQ(refusal(R"({"id":)" + std::string(40, '[') + std::string(40, ']') + "}"),
            "1:1 lists and objects are nested too deeply");
  EXPECT_EQ(refusal(std::string(kMaxLineBytes + 1, ' ') + '\n'), "1:1 this is too long to be read");
}

}  // namespace
}  // namespace irqfab::conform
