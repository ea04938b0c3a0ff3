#include "models/x86/vtd_registers.hpp"

#include "tests/models/x86/vtd_fixture.hpp"

namespace irqfab::x86::test {
namespace {

class VtdRegistersTest : public VtdTest {};

TEST_F(VtdRegistersTest, GstsReportsWhatGcmdDid) {
  EXPECT_EQ(reg(vtd::GSTS_REG), kQie | kIre | kSirtp);
  unit_.write_register(vtd::GCMD_REG, kCfi, env_);
  EXPECT_EQ(reg(vtd::GSTS_REG), kCfi | kSirtp) << "the table pointer stays set";
  EXPECT_EQ(reg(vtd::GCMD_REG), 0u);
}

TEST_F(VtdRegistersTest, CapabilitiesSayWhatIsModelled) {
  EXPECT_EQ(reg(vtd::VER_REG), 0x10u);
  EXPECT_EQ(reg(vtd::ECAP_REG), 0xF0000Au);  // MHMV 15, IR, QI; no EIM
  EXPECT_EQ(reg(vtd::CAP_REG) >> 24, vtd::FRCD_REG / 16);
  EXPECT_EQ(reg(vtd::CAP_REG + 4), 0u);  // one fault record; no posting
}

TEST_F(VtdRegistersTest, QueueRegistersKeepTheirFieldsOnly) {
  unit_.write_register(vtd::GCMD_REG, 0, env_);
  unit_.write_register(vtd::IQT_REG, ~0u, env_);
  unit_.write_register(vtd::IQT_REG + 4, ~0u, env_);
  EXPECT_EQ(reg(vtd::IQT_REG), 0x7FFF0u);
  EXPECT_EQ(reg(vtd::IQT_REG + 4), 0u);
  unit_.write_register(vtd::IQA_REG, ~0u, env_);
  EXPECT_EQ(reg(vtd::IQA_REG), 0xFFFFF007u);
}

TEST_F(VtdRegistersTest, A64BitRegisterIsTwoDwords) {
  unit_.write_register(vtd::IRTA_REG, 0x2345678F, env_);
  unit_.write_register(vtd::IRTA_REG + 4, 0x1, env_);
  EXPECT_EQ(reg(vtd::IRTA_REG), 0x2345600Fu) << "reserved bits and EIME read as zero";
  EXPECT_EQ(reg(vtd::IRTA_REG + 4), 0x1u);
}

TEST_F(VtdRegistersTest, TheFirstFaultIsKeptAndFurtherOnesOverflow) {
  request(remappable(300), 0, span(0), VtdRemapper::kInput, RequesterId{0x18});
  EXPECT_EQ(reg(vtd::FSTS_REG), 0x2u);
  request(remappable(301), 0, span(1), VtdRemapper::kInput, RequesterId{0x20});
  EXPECT_EQ(reg(vtd::FSTS_REG), 0x3u);
  EXPECT_EQ(reg(vtd::FRCD_REG + 4), 300u << 16);
  EXPECT_EQ(reg(vtd::FRCD_REG + 8), 0x18u);
  EXPECT_EQ(reg(vtd::FRCD_REG + 12), 0x80000021u);
}

TEST_F(VtdRegistersTest, SoftwareClearsAFaultAndThenTheOverflow) {
  request(remappable(300), 0, span(0));
  request(remappable(300), 0, span(1));
  unit_.write_register(vtd::FRCD_REG + 12, 0x7FFFFFFF, env_);
  EXPECT_EQ(reg(vtd::FSTS_REG), 0x3u);
  unit_.write_register(vtd::FRCD_REG + 12, 0x80000000, env_);
  EXPECT_EQ(reg(vtd::FSTS_REG), 0x1u);
  request(remappable(301), 0, span(2));
  EXPECT_EQ(reg(vtd::FSTS_REG), 0x1u) << "nothing is recorded while PFO is set";
  unit_.write_register(vtd::FSTS_REG, 0x1, env_);
  EXPECT_EQ(reg(vtd::FSTS_REG), 0u);
  request(remappable(302), 0, span(3));
  EXPECT_EQ(reg(vtd::FSTS_REG), 0x2u);
  EXPECT_EQ(reg(vtd::FRCD_REG + 4), 302u << 16);
}

TEST_F(VtdRegistersTest, RegistersAnswerOnTheBus) {
  const std::uint64_t base = VtdRemapper::Config{}.register_base;
  unit_.receive(VtdRemapper::kRegisters,
                BusWrite{base + vtd::IRTA_REG, 0x123400003, kNoSpan, {}, 8}, env_);
  unit_.receive(VtdRemapper::kRegisters, BusRead{base + vtd::IRTA_REG, Tag{9}, kNoSpan, {}, 8},
                env_);
  unit_.receive(VtdRemapper::kRegisters, BusRead{base + vtd::IRTA_REG + 4, Tag{10}, kNoSpan, {}, 4},
                env_);
  const auto answers = env_.messages<BusData>();
  ASSERT_EQ(answers.size(), 2u);
  std::uint64_t value = 0;
  std::memcpy(&value, answers[0].data.data(), 8);
  EXPECT_EQ(value, 0x123400003u);
  EXPECT_EQ(answers[0].tag, Tag{9});
  EXPECT_EQ(answers[0].status, BusStatus::Ok);
  std::memcpy(&value, answers[1].data.data(), 8);
  EXPECT_EQ(value, 1u);
}

TEST_F(VtdRegistersTest, WrongAccessesAreAnsweredAndChangeNothing) {
  const std::uint64_t base = VtdRemapper::Config{}.register_base;
  struct Wrong {
    std::uint64_t address;
    std::uint8_t size;
    GuestFault fault;
    BusStatus status;
  };
  for (const Wrong& wrong :
       {Wrong{base + vtd::GCMD_REG, 2, GuestFault::WrongAccessSize, BusStatus::Error},
        Wrong{base + vtd::GCMD_REG + 2, 4, GuestFault::WrongAccessSize, BusStatus::Error},
        Wrong{base + vtd::FSTS_REG, 8, GuestFault::WrongAccessSize, BusStatus::Error},
        Wrong{base + vtd::GCMD_REG, 0, GuestFault::WrongAccessSize, BusStatus::Error},
        Wrong{base + 0x1000, 4, GuestFault::UnclaimedAddress, BusStatus::NoDecode},
        Wrong{base - 4, 4, GuestFault::UnclaimedAddress, BusStatus::NoDecode},
        Wrong{base + 0x800, 4, GuestFault::UnknownRegister, BusStatus::Ok}}) {
    const VtdRemapper before = unit_;
    env_.clear();
    unit_.receive(VtdRemapper::kRegisters,
                  BusWrite{wrong.address, ~std::uint64_t{0}, kNoSpan, {}, wrong.size}, env_);
    unit_.receive(VtdRemapper::kRegisters, BusRead{wrong.address, Tag{9}, kNoSpan, {}, wrong.size},
                  env_);
    EXPECT_EQ(details(Event::GuestError),
              (std::vector<std::uint64_t>(2, static_cast<std::uint64_t>(wrong.fault))));
    ASSERT_EQ(env_.sent.size(), 1u);
    const auto& answer = std::get<BusData>(env_.sent[0].message);
    EXPECT_EQ(answer.status, wrong.status);
    EXPECT_EQ(answer.data, Bytes16{});
    EXPECT_TRUE(unit_ == before);
  }
}

TEST_F(VtdRegistersTest, ReadOnlyRegistersIgnoreWrites) {
  const VtdRemapper before = unit_;
  for (const std::uint64_t offset : {vtd::VER_REG, vtd::CAP_REG, vtd::ECAP_REG, vtd::GSTS_REG,
                                     vtd::IQH_REG, vtd::FRCD_REG, vtd::FRCD_REG + 8}) {
    unit_.write_register(offset, ~0u, env_);
  }
  EXPECT_TRUE(unit_ == before);
  EXPECT_FALSE(env_.noted(Event::GuestError));
}

}  // namespace
}  // namespace irqfab::x86::test
