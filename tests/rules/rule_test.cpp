// Every table of rules is instantiated with this.
#include "tests/rules/rule.hpp"

namespace irqfab::rules {

TEST_P(Rules, Hold) { GetParam().check(); }

}  // namespace irqfab::rules
