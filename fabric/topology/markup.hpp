// Text inside HTML, and inside the HTML-like labels of Graphviz.
#pragma once

#include <string>
#include <string_view>

namespace irqfab::topology {

std::string escaped(std::string_view text);

}  // namespace irqfab::topology
