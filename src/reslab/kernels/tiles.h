// Matrix tiles of bfloat16 (Intel's AMX): a tile is 16 rows of 64 bytes, and one instruction multiplies 16 x 32 numbers
// by 32 x 16 and adds the result to 16 x 16 float sums.  Loading a tile takes about as long as multiplying by it, so
// each is used as often as eight tiles allow.

#pragma once

#include <algorithm>
#include <cstdint>

#include "numbers.h"
#include "pieces.h"

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__) && \
    !defined(RESLAB_NO_TILES)
#define RESLAB_TILES

namespace reslab {

constexpr int TAPS = 3;            // along one axis
constexpr int SIDE = 16;           // rows of a tile, and sums in a row
constexpr int DEPTH = 32;          // bfloat16 numbers in a row, which are summed over
constexpr int TILE = SIDE * SIDE;  // words in a tile
constexpr int WIDE = 64;           // bytes in a row

// The instructions, with a memory clobber: the compiler must have written what they read.
template <int T> inline void clear_tile() { asm volatile("tilezero %%tmm%c0" ::"i"(T)); }
template <int T> inline void load_tile(const void* from, int64_t apart = WIDE) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(apart), "i"(T) : "memory");
}
template <int T> inline void store_tile(void* to, int64_t apart = WIDE) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(apart), "i"(T) : "memory");
}
template <int SUMS, int LEFT, int RIGHT> inline void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(SUMS), "i"(LEFT), "i"(RIGHT));
}

// Configures this thread's tiles, all at full size.
class Tiles {
 public:
  Tiles() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } sizes;
    std::fill_n(sizes.bytes, 8, WIDE);
    std::fill_n(sizes.rows, 8, SIDE);
    asm volatile("ldtilecfg %0" ::"m"(sizes));
  }
  ~Tiles() { asm volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

inline int64_t round_up(int64_t number, int64_t to) { return (number + to - 1) / to * to; }

struct Shape {
  int64_t images;
  int height, width, in, out, threads;
  int64_t area() const { return int64_t{height} * width; }
};

}  // namespace reslab

#endif
