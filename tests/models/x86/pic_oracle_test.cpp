// The core against an independent model of the same pair, over random operations: INT, vectors and
// every register that software can read are equal after each.

#include "tests/models/x86/pic_oracle.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/models/x86/pic_fixture.hpp"

namespace irqfab::x86::test {
namespace {

class PicOracle : public PicFixture {
 protected:
  PicOracle() {
    oracle.master.start(kMasterVectors, false, false);
    oracle.slave.start(kSlaveVectors, false, false);
  }

  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  std::uint16_t port() const { return of_slave ? kSlave : kMaster; }
  OracleChip& chip() { return of_slave ? oracle.slave : oracle.master; }

  void change_pin() {
    const int pin = chance(3) ? 2 : below(16);
    const bool high = chance(55);
    high ? raise(static_cast<unsigned>(pin)) : lower(static_cast<unsigned>(pin));
    oracle.pin(pin, high);
  }
  void initialize_one() {
    const int vectors = below(256);
    const bool aeoi = chance(30);
    const bool sfnm = chance(30);
    const unsigned icw4 = kIcw4 | (aeoi ? kAeoi : 0u) | (sfnm ? kSfnm : 0u);
    setup(port(),
          {kIcw1, static_cast<std::uint8_t>(vectors),
           static_cast<std::uint8_t>(of_slave ? 0x02 : 0x04), static_cast<std::uint8_t>(icw4)});
    // The chip is silent until the last word: its INT falls in between.
    if (of_slave) oracle.master.wire(2, oracle.driven[2]);
    chip().start(vectors, aeoi, sfnm);
  }
  void write_mask() {
    const int imr = below(256) & below(256);
    mask(port(), static_cast<unsigned>(imr));
    for (int n = 0; n < 8; ++n) chip().inputs[n].masked = imr >> n & 1;
  }
  void write_elcr() {
    const int bits = below(256) & (of_slave ? 0xDE : 0xF8);
    elcr(of_slave ? Pic::kSlaveElcr : Pic::kMasterElcr, static_cast<unsigned>(bits));
    for (int n = 0; n < 8; ++n) chip().trigger(n, bits >> n & 1);
  }
  void operate() {
    const int n = below(8);
    const int operation = below(8);
    command(port(), static_cast<unsigned>(operation << 5 | n));
    OracleChip& c = chip();
    switch (operation) {
      case 0:
        c.rotates = false;
        break;
      case 1:
        c.end_highest(false);
        break;
      case 3:
        c.inputs[n].served = false;
        break;
      case 4:
        c.rotates = true;
        break;
      case 5:
        c.end_highest(true);
        break;
      case 6:
        c.make_lowest(n);
        break;
      case 7:
        c.inputs[n].served = false, c.make_lowest(n);
        break;
      default:
        break;
    }
  }
  void set_modes() {
    const int word = below(128) & 0x67;
    command(port(), static_cast<unsigned>(word | 8));
    if (word & 0x40) chip().special = word & 0x20;
    if (word & 4) {
      chip().polled = true;
    } else if (word & 2) {
      chip().shows_service = word & 1;
    }
  }
  void read_registers() {
    const int expected = chip().polled          ? oracle.poll(of_slave)
                         : chip().shows_service ? chip().shown(true)
                                                : chip().shown(false);
    ASSERT_EQ(read(port()), expected);
  }

  void step() {
    of_slave = chance(50);
    const int dice = below(100);
    if (dice < 45) {
      change_pin();
    } else if (dice < 60) {
      ASSERT_EQ(static_cast<int>(inta()), oracle.inta());
    } else if (dice < 80) {
      operate();
    } else if (dice < 85) {
      write_mask();
    } else if (dice < 88) {
      write_elcr();
    } else if (dice < 93) {
      set_modes();
    } else if (dice < 99) {
      read_registers();
    } else {
      initialize_one();
    }
    oracle.settle();
  }

  void compare() {
    ASSERT_EQ(wants(), oracle.master.interrupting().has_value());
    for (const PicRole role : {PicRole::Master, PicRole::Slave}) {
      const OracleChip& expected = role == PicRole::Master ? oracle.master : oracle.slave;
      ASSERT_EQ(pic.chip(role).irr(), expected.shown(false)) << "IRR of " << int(role);
      ASSERT_EQ(pic.chip(role).isr(), expected.shown(true)) << "ISR of " << int(role);
    }
    env.clear();
  }

  OraclePic oracle;
  bool of_slave = false;

 private:
  std::mt19937 random_{231468};
};

TEST_F(PicOracle, AgreesOverRandomOperations) {
  for (unsigned n = 0; n < 300'000; ++n) {
    step();
    compare();
    if (HasFatalFailure()) FAIL() << "at step " << n;
  }
}

}  // namespace
}  // namespace irqfab::x86::test
