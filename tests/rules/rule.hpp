// A rule of a specification, as a row of a table: where it stands, what it says in our words, and a
// check that fails if a model does not keep it. The name of its test is made of section and rule:
//   Sdm3_11/Rules.Hold/s11_8_4_AVectorInServiceHoldsBackItsClass
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <ostream>
#include <string>

namespace irqfab::rules {

struct Rule {
  const char* section;  // "11.8.4"; "Interrupt Sequence" where a document has no numbers
  const char* rule;     // in letters and digits: AVectorInServiceHoldsBackItsClass
  void (*check)();
};

inline void PrintTo(const Rule& rule, std::ostream* out) { *out << rule.section << ' ' << rule.rule; }

inline std::string name_of(const testing::TestParamInfo<Rule>& info) {
  std::string name = "s" + std::string(info.param.section) + "_" + info.param.rule;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

class Rules : public testing::TestWithParam<Rule> {};

}  // namespace irqfab::rules
