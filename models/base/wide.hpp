// 128-bit integers, for products and sums of 64-bit ones.
#pragma once

namespace irqfab {

__extension__ typedef unsigned __int128 Uint128;  // ISO C++ has no name for it

}  // namespace irqfab
