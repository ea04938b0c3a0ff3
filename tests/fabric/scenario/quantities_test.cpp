#include "fabric/scenario/quantities.hpp"

#include <gtest/gtest.h>

namespace irqfab::scenario {
namespace {

TEST(Number, IsDecimalOrHexadecimal) {
  EXPECT_EQ(*parse_number("0"), 0u);
  EXPECT_EQ(*parse_number("4096"), 4096u);
  EXPECT_EQ(*parse_number("0xfEe00000"), 0xfee00000u);
  EXPECT_EQ(*parse_number("18446744073709551615"), ~std::uint64_t{0});
  EXPECT_EQ(*parse_number("0xffffffffffffffff"), ~std::uint64_t{0});
}

TEST(Number, LeadingZerosAreNoOctal) {
  EXPECT_FALSE(parse_number("010"));
  EXPECT_FALSE(parse_number("00"));
  EXPECT_EQ(*parse_number("0x010"), 16u);
}

TEST(Number, BeyondSixtyFourBitsIsRefused) {
  EXPECT_EQ(parse_number("18446744073709551616").fault().code, "out-of-range");
  EXPECT_EQ(parse_number("0x10000000000000000").fault().code, "out-of-range");
}

TEST(Number, OtherNotationsAreRefused) {
  for (const char* text : {"", "0x", "0X1", "1_000", "-1", "+1", "1e3", "1.0", "0b1", " 1", "a"}) {
    EXPECT_FALSE(parse_number(text)) << text;
  }
}

TEST(Duration, EachUnitHasItsScale) {
  EXPECT_EQ(*parse_duration("7ps"), 7u);
  EXPECT_EQ(*parse_duration("7ns"), 7'000u);
  EXPECT_EQ(*parse_duration("7us"), 7'000'000u);
  EXPECT_EQ(*parse_duration("7ms"), 7'000'000'000u);
  EXPECT_EQ(*parse_duration("7s"), 7'000'000'000'000u);
}

TEST(Duration, DecimalsAreExact) {
  EXPECT_EQ(*parse_duration("1.5us"), 1'500'000u);
  EXPECT_EQ(*parse_duration("0.001ns"), 1u);
  EXPECT_EQ(*parse_duration("0.000000000001s"), 1u);
}

TEST(Duration, FinerThanAPicosecondIsRefused) {
  EXPECT_FALSE(parse_duration("0.0001ns"));
  EXPECT_FALSE(parse_duration("1.5ps"));
  EXPECT_EQ(*parse_duration("1.000ps"), 1u) << "trailing zeros are not finer";
}

TEST(Duration, NeedsItsUnit) {
  EXPECT_EQ(parse_duration("5").fault().code, "no-unit");
  EXPECT_EQ(parse_duration("5min").fault().code, "bad-unit");
  EXPECT_EQ(parse_duration("5 us").fault().code, "bad-unit");
}

TEST(Duration, AMillionSecondsIsTheLongest) {
  EXPECT_EQ(*parse_duration("1000000s"), kLongestDuration);
  EXPECT_FALSE(parse_duration("1000000.000000000001s"));
  EXPECT_FALSE(parse_duration("99999999999999999999s"));
}

TEST(Rate, IsTheTimeBetweenTwoRoundedDown) {
  EXPECT_EQ(*parse_rate("250/s"), 4'000'000'000u);
  EXPECT_EQ(*parse_rate("100k/s"), 10'000'000u);
  EXPECT_EQ(*parse_rate("1M/s"), 1'000'000u);
  EXPECT_EQ(*parse_rate("1.5M/s"), 666'666u);
  EXPECT_EQ(*parse_rate("3/s"), 333'333'333'333u);
  EXPECT_EQ(*parse_rate("0.5/s"), 2'000'000'000'000u);
  EXPECT_EQ(*parse_rate("1000G/s"), 1u);
}

TEST(Rate, OfNothingOrFasterThanAPicosecondIsRefused) {
  EXPECT_FALSE(parse_rate("0/s"));
  EXPECT_FALSE(parse_rate("0.0M/s"));
  EXPECT_FALSE(parse_rate("1001G/s"));
  EXPECT_FALSE(parse_rate("18446744073709551615G/s")) << "must not wrap around";
}

TEST(Period, IsARateOrATime) {
  EXPECT_EQ(*parse_period("1k/s"), *parse_period("1ms"));
  EXPECT_FALSE(parse_period("0ns"));
  EXPECT_FALSE(parse_period("1k"));
}

TEST(Price, IsATimeOrCycles) {
  EXPECT_FALSE(parse_price("40ns")->in_cycles);
  EXPECT_EQ(parse_price("40ns")->value, 40'000u);
  EXPECT_TRUE(parse_price("12 cycles")->in_cycles);
  EXPECT_EQ(parse_price("0x10 cycles")->value, 16u);
  EXPECT_FALSE(parse_price("12cycles"));
  EXPECT_FALSE(parse_price("1.5 cycles"));
  EXPECT_FALSE(parse_price("18446744073709551615 cycles"));
}

TEST(PriceName, EndsInAnEventOfTheVocabulary) {
  EXPECT_EQ(parse_price_name("PinLatched")->node, "");
  EXPECT_EQ(parse_price_name("ioapic0.PinLatched")->node, "ioapic0");
  EXPECT_EQ(parse_price_name("a.b.PinLatched")->node, "a.b");
  EXPECT_EQ(parse_price_name("a.b.PinLatched")->event, "PinLatched");
  EXPECT_FALSE(parse_price_name("PinLatched.ioapic0"));
  EXPECT_FALSE(parse_price_name(".PinLatched"));
}

TEST(Bdf, IsTheRequesterId) {
  EXPECT_EQ(*parse_bdf("01:00.0"), RequesterId{0x0100});
  EXPECT_EQ(*parse_bdf("fF:1f.7"), RequesterId{0xffff});
  EXPECT_EQ(*parse_bdf("00:05.3"), RequesterId{0x002b});
}

TEST(Bdf, DeviceAndFunctionHaveTheirLimits) {
  for (const char* text :
       {"00:20.0", "00:00.8", "00:00", "0:00.0", "00:00.0 ", "00.00.0", "g0:00.0"}) {
    EXPECT_FALSE(parse_bdf(text)) << text;
  }
}

TEST(Sources, NameAVectorARangeAnIntxOrAll) {
  const auto vector = parse_sources("nvme0:3");
  EXPECT_EQ(vector->kind, SourceKind::Vectors);
  EXPECT_EQ(vector->first, 3u);
  EXPECT_EQ(vector->last, 3u);
  const auto range = parse_sources("nvme0:0x1..8");
  EXPECT_EQ(range->first, 1u);
  EXPECT_EQ(range->last, 8u);
  const auto intx = parse_sources("uart-0:INTC");
  EXPECT_EQ(intx->device, "uart-0");
  EXPECT_EQ(intx->kind, SourceKind::Intx);
  EXPECT_EQ(intx->first, 2u);
  EXPECT_EQ(parse_sources("nvme0")->kind, SourceKind::Whole);
}

TEST(Sources, OtherFormsAreRefused) {
  for (const char* text : {"", ":3", "d:", "d:3..", "d:..3", "d:8..1", "d:INT", "d:INTE", "d:INTAB",
                           "d:inta", "d:1:2", "3:1", "d:01"}) {
    EXPECT_FALSE(parse_sources(text)) << text;
  }
}

TEST(Id, StartsWithALetterOrUnderscore) {
  EXPECT_TRUE(is_id("a"));
  EXPECT_TRUE(is_id("_x-9"));
  EXPECT_TRUE(is_id(std::string(64, 'x')));
  EXPECT_FALSE(is_id(std::string(65, 'x')));
  EXPECT_FALSE(is_id(""));
  EXPECT_FALSE(is_id("9a"));
  EXPECT_FALSE(is_id("-a"));
  EXPECT_FALSE(is_id("a.b"));
  EXPECT_FALSE(is_id("\xc3\xa9"));
}

TEST(Quote, CutsLongTextBetweenCharactersAndHidesControls) {
  EXPECT_EQ(quote("abc"), "'abc'");
  EXPECT_EQ(quote("a\x1b"
                  "b"),
            "'a?b'");
  const std::string text = std::string(47, 'x') + "\xc3\xa9";  // the 48th byte is half a character
  EXPECT_EQ(quote(text), '\'' + std::string(47, 'x') + "...'");
}

TEST(WriteDuration, UsesTheLargestUnitAndReadsBack) {
  EXPECT_EQ(write_duration(0), "0ns");
  EXPECT_EQ(write_duration(1'500'000), "1.5us");
  EXPECT_EQ(write_duration(10'000'000'000), "10ms");
  EXPECT_EQ(write_duration(1'000'001), "1.000001us");
  for (const Duration ps : {Duration{1}, Duration{999}, Duration{1'001}, kLongestDuration,
                            kLongestDuration - 1, Duration{333'333'333'333}}) {
    EXPECT_EQ(*parse_duration(write_duration(ps)), ps);
  }
}

TEST(WriteBdf, ReadsBack) {
  for (unsigned rid = 0; rid <= 0xffff; ++rid) {
    ASSERT_EQ(*parse_bdf(write_bdf(RequesterId(rid))), RequesterId(rid));
  }
}

}  // namespace
}  // namespace irqfab::scenario
