// 3x3 convolution of bfloat16 with padding 1 and stride 1 by the processor's matrix tiles (Intel's AMX), and the
// gradient of its weights.  Products are exact and sums are float, made directly: no transform rounds anything.
//
// A tile is 16 rows of 64 bytes, and one instruction multiplies 16 x 32 numbers with 32 x 16 and adds to 16 x 16 sums.
// Its rows lie in memory at equal distances.  So images are first copied under each other with a row of zeros between
// them, and a pixel of zeros after each row:
//
//     0 0 0 0         A pixel of the output at place p of this line of pixels (its zeros count, too: what comes out
//     0 a b c         there is thrown away) has its taps at p, p + 1 and p + 2, the same a row on, and two rows on.
//     0 d e f         The taps of a row are neighbours in memory, and so are the pixels of 16 outputs.
//     0 0 0 0 0
//
// Sums are made in pieces of the images and added in their order (pieces.h): bits do not depend on the number of
// threads.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "numbers.h"
#include "pieces.h"

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#define RESLAB_TILES
#endif

#ifdef RESLAB_TILES

#include <sys/syscall.h>
#include <unistd.h>

namespace {

using namespace reslab;

constexpr int TAPS = 3;            // along one axis
constexpr int SIDE = 16;           // rows of a tile, and sums of one of its rows
constexpr int DEPTH = 32;          // numbers of bfloat16 in a row, which are summed over
constexpr int TILE = SIDE * SIDE;  // words of a tile
constexpr int WIDE = 64;           // bytes of its row
constexpr int ENOUGH = 512;        // pixels that are copied before they are multiplied, at least
constexpr int PIECES = 32;         // of the maps, at most

// The instructions, with memory for a clobber: a compiler must have written what they read.
template <int T> inline void clear_tile() { asm volatile("tilezero %%tmm%c0" ::"i"(T)); }
template <int T> inline void load_tile(const void* from, int64_t apart) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(apart), "i"(T) : "memory");
}
template <int T> inline void store_tile(void* to, int64_t apart) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(apart), "i"(T) : "memory");
}
template <int SUMS, int LEFT, int RIGHT> inline void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(SUMS), "i"(LEFT), "i"(RIGHT));
}

// Sets the sizes of this thread's tiles: all of them whole or, with `half`, 5 and 7 for sums over half of DEPTH.
class Tiles {
 public:
  explicit Tiles(bool half) {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } sizes;
    std::fill_n(sizes.bytes, 8, WIDE);
    std::fill_n(sizes.rows, 8, SIDE);
    if (half) sizes.bytes[5] = WIDE / 2, sizes.rows[7] = SIDE / 2;
    asm volatile("ldtilecfg %0" ::"m"(sizes));
  }
  ~Tiles() { asm volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

struct Shape {
  int64_t images;
  int height, width, in, out, threads;
  int row() const { return width + 1; }                                 // pixels
  int64_t image() const { return int64_t{height + 1} * row(); }         // places
  int64_t together() const { return std::max(ENOUGH / (height * width), 1); }
  int64_t groups() const { return (images + together() - 1) / together(); }
  // Places from the first pixel of a group to its last.
  int64_t places(int64_t num_images) const { return num_images * image() - row() - 1; }
};

inline int64_t round_up(int64_t number, int64_t to) { return (number + to - 1) / to * to; }

// Some images with zeros around and between them.
class Bordered {
 public:
  // There is room for `before` places before the first image, and for `places` and the borders after them.
  Bordered(const Shape& shape, int channels, int64_t before, int64_t places)
      : shape_(shape), channels_(channels), before_(before), numbers_(((before + places) * channels + 1) / 2) {
    std::memset(numbers_.words(), 0, static_cast<size_t>(before + places) * channels * sizeof(bfloat));
  }

  // Of `from` channels in memory; those that are added stay zero, as do the images that are missing of `together`.
  void take(int64_t num_images, const bfloat* maps, int from) {
    for (int64_t i = 0; i < shape_.together(); i++) {
      for (int y = 0; y < shape_.height; y++) {
        bfloat* to = start() + (before_ + i * shape_.image() + int64_t{y} * shape_.row()) * channels_;
        if (i >= num_images) {
          std::memset(to, 0, sizeof(bfloat) * shape_.width * channels_);
        } else if (from == channels_) {
          std::memcpy(to, maps, sizeof(bfloat) * shape_.width * channels_);
          maps += int64_t{shape_.width} * from;
        } else {
          for (int x = 0; x < shape_.width; x++, maps += from) std::memcpy(to + x * channels_, maps, sizeof(bfloat) * from);
        }
      }
    }
  }
  bfloat* start() { return reinterpret_cast<bfloat*>(numbers_.words()); }

 private:
  const Shape& shape_;
  int channels_;
  int64_t before_;
  Buffer numbers_;
};

// How the numbers of one row of taps are summed over: so many whole tiles deep, and with 16 channels half of one more.
struct Depth {
  explicit Depth(int in) : half(in == SIDE), channels(half ? in : static_cast<int>(round_up(in, DEPTH))) {
    whole = TAPS * channels / DEPTH;
  }
  bool half;
  int channels, whole;
  int64_t words() const { return TAPS * (whole * TILE + (half ? TILE / 2 : 0)); }  // of the weights for SIDE outputs
};

// The weights as tiles, [out / SIDE][row of taps][depth / 2][SIDE][2], from filters[out][tap][in] or, with `back`,
// turned round from filters[in][tap][out].
void prepare(const Shape& shape, const Depth& depth, const float* filters, bool back, uint32_t* words) {
  each_piece(shape.out / SIDE, shape.threads, [=](int piece) {
    uint32_t* to = words + piece * depth.words();
    std::memset(to, 0, static_cast<size_t>(depth.words()) * 4);
    for (int tap = 0; tap < TAPS * TAPS; tap++) {
      // Each row of taps has TAPS * channels numbers of depth.
      uint32_t* of_tap = to + int64_t{tap} * depth.channels / 2 * SIDE;
      for (int e = 0; e < shape.in; e += back ? 2 : SIDE) {
        if (back) {
          const float* from = filters + (int64_t{e} * TAPS * TAPS + TAPS * TAPS - 1 - tap) * shape.out + piece * SIDE;
          Numbers<bfloat>::store_pairs(of_tap + e / 2 * SIDE, 0, load(from), load(from + TAPS * TAPS * shape.out));
        } else {
          for (int o = 0; o < SIDE; o++) {
            alignas(32) uint32_t pairs[SIDE / 2];
            const float* from = filters + ((int64_t{piece} * SIDE + o) * TAPS * TAPS + tap) * shape.in + e;
            Numbers<bfloat>::store_pixel(reinterpret_cast<bfloat*>(pairs), load(from));
            for (int i = 0; i < SIDE / 2; i++) of_tap[(e / 2 + i) * SIDE + o] = pairs[i];
          }
        }
      }
    }
  });
}

// What one block of outputs is summed from; distances in bytes.
struct Taps {
  const char* pixels;
  int64_t pixel, row;
  int whole;
  const uint32_t* weights;
};

// Sums for 4 * SIDE places and SIDE outputs, in tiles 0 to 3.
template <bool HALF> inline void sum_places(Taps taps) {
  clear_tile<0>(), clear_tile<1>(), clear_tile<2>(), clear_tile<3>();
  const int64_t further = SIDE * taps.pixel;
  for (int y = 0; y < TAPS; y++, taps.pixels += taps.row) {
    const char* pixels = taps.pixels;
    for (int i = 0; i < taps.whole; i++, pixels += WIDE, taps.weights += TILE) {
      constexpr int OTHER = HALF ? 4 : 5;
      load_tile<6>(taps.weights, WIDE);
      load_tile<4>(pixels, taps.pixel), multiply_tiles<0, 4, 6>();
      load_tile<OTHER>(pixels + further, taps.pixel), multiply_tiles<1, OTHER, 6>();
      load_tile<4>(pixels + 2 * further, taps.pixel), multiply_tiles<2, 4, 6>();
      load_tile<OTHER>(pixels + 3 * further, taps.pixel), multiply_tiles<3, OTHER, 6>();
    }
    if (HALF) {
      load_tile<7>(taps.weights, WIDE);
      load_tile<5>(pixels, taps.pixel), multiply_tiles<0, 5, 7>();
      load_tile<5>(pixels + further, taps.pixel), multiply_tiles<1, 5, 7>();
      load_tile<5>(pixels + 2 * further, taps.pixel), multiply_tiles<2, 5, 7>();
      load_tile<5>(pixels + 3 * further, taps.pixel), multiply_tiles<3, 5, 7>();
      taps.weights += TILE / 2;
    }
  }
}

// Sums for 2 * SIDE places and 2 * SIDE outputs, whose weights are so many words apart.
inline void sum_square(Taps taps, int64_t weights_apart) {
  clear_tile<0>(), clear_tile<1>(), clear_tile<2>(), clear_tile<3>();
  for (int y = 0; y < TAPS; y++, taps.pixels += taps.row) {
    const char* pixels = taps.pixels;
    for (int i = 0; i < taps.whole; i++, pixels += WIDE, taps.weights += TILE) {
      load_tile<6>(taps.weights, WIDE), load_tile<4>(pixels, taps.pixel), multiply_tiles<0, 4, 6>();
      load_tile<7>(taps.weights + weights_apart, WIDE), multiply_tiles<2, 4, 7>();
      load_tile<5>(pixels + SIDE * taps.pixel, taps.pixel), multiply_tiles<1, 5, 6>(), multiply_tiles<3, 5, 7>();
    }
  }
}

// For each place the pixel of the group's output that it is, or -1.
std::vector<int32_t> outputs(const Shape& shape, int64_t places) {
  std::vector<int32_t> to(places, -1);
  int32_t pixel = 0;
  for (int64_t i = 0; i < shape.together(); i++) {
    for (int y = 0; y < shape.height; y++) {
      for (int x = 0; x < shape.width; x++) to[i * shape.image() + int64_t{y} * shape.row() + x] = pixel++;
    }
  }
  return to;
}

void convolve(const Shape& shape, const bfloat* maps, const float* filters, bool back, bfloat* out) {
  const Depth depth(shape.in);
  Buffer weights(shape.out / SIDE * depth.words());
  prepare(shape, depth, filters, back, weights.words());
  const bool square = !depth.half && shape.out % (2 * SIDE) == 0;
  const int step = square ? 2 * SIDE : 4 * SIDE;
  const int64_t places = round_up(shape.places(shape.together()), step);
  const std::vector<int32_t> pixels = outputs(shape, places);
  const int64_t pixel = int64_t{depth.channels} * 2;  // bytes
  const int pieces = static_cast<int>(std::min<int64_t>(shape.groups(), PIECES));
  in_pieces(pieces, shape.threads, [&] {
    return [&, bordered = Bordered(shape, depth.channels, shape.row() + 1, places + shape.row() + 2),
            sums = Buffer(4 * TILE)](int number) mutable {
      const Tiles tiles(depth.half);
      const Piece piece(shape.groups(), pieces, number);
      for (int64_t group = piece.first; group < piece.end; group++) {
        const int64_t first = group * shape.together(), images = std::min(shape.together(), shape.images - first);
        const int64_t area = int64_t{shape.height} * shape.width;
        bordered.take(images, maps + first * area * shape.in, shape.in);
        for (int o = 0; o < shape.out; o += square ? 2 * SIDE : SIDE) {
          bfloat* to = out + first * area * shape.out + o;
          const uint32_t* of_outputs = weights.words() + o / SIDE * depth.words();
          for (int64_t place = 0; place < shape.places(images); place += step) {
            const Taps taps{reinterpret_cast<const char*>(bordered.start()) + place * pixel, pixel, shape.row() * pixel,
                            depth.whole, of_outputs};
            if (square) {
              sum_square(taps, depth.words());
            } else if (depth.half) {
              sum_places<true>(taps);
            } else {
              sum_places<false>(taps);
            }
            store_tile<0>(sums.floats(), WIDE), store_tile<1>(sums.floats() + TILE, WIDE);
            store_tile<2>(sums.floats() + 2 * TILE, WIDE), store_tile<3>(sums.floats() + 3 * TILE, WIDE);
            const float* sum = sums.floats();
            for (int i = 0; i < step; i++, sum += SIDE) {
              const int64_t which = pixels[place + i];
              if (which < 0 || which >= images * area) continue;
              Numbers<bfloat>::store_pixel(to + which * shape.out, load(sum));
              if (square) Numbers<bfloat>::store_pixel(to + which * shape.out + SIDE, load(sum + 2 * TILE));
            }
          }
        }
      }
    };
  });
}

// Each word a number of the one and a number of the other: 16 of each.
inline __m512i weave(const bfloat* one, const bfloat* other) {
  const auto widened = [](const bfloat* from) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  };
  return _mm512_or_si512(widened(one), _mm512_slli_epi32(widened(other), 16));
}

// Turns 16 x 16 words.
inline void transpose(__m512i rows[SIDE]) {
  __m512i pairs[SIDE];
#pragma GCC unroll 8
  for (int i = 0; i < SIDE; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < SIDE; i += 4) {  // now columns 4 j + k of rows i to i + 3 are lane j of rows[i + k]
    rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    const __m512i low = _mm512_shuffle_i32x4(rows[k], rows[4 + k], 0x88);       // lanes 0, 2 of both
    const __m512i high = _mm512_shuffle_i32x4(rows[k], rows[4 + k], 0xdd);      // lanes 1, 3
    const __m512i low_on = _mm512_shuffle_i32x4(rows[8 + k], rows[12 + k], 0x88);
    const __m512i high_on = _mm512_shuffle_i32x4(rows[8 + k], rows[12 + k], 0xdd);
    pairs[k] = _mm512_shuffle_i32x4(low, low_on, 0x88);
    pairs[4 + k] = _mm512_shuffle_i32x4(high, high_on, 0x88);
    pairs[8 + k] = _mm512_shuffle_i32x4(low, low_on, 0xdd);
    pairs[12 + k] = _mm512_shuffle_i32x4(high, high_on, 0xdd);
  }
  std::memcpy(rows, pairs, sizeof pairs);
}

// Places as rows, from places x channels: to[channel][place].
void places_along(const bfloat* from, int64_t places, int channels, int64_t apart, bfloat* to) {
  for (int c = 0; c < channels; c += SIDE) {
    for (int64_t place = 0; place < places; place += DEPTH) {
      __m512i rows[SIDE];
      const bfloat* start = from + place * channels + c;
#pragma GCC unroll 16
      for (int i = 0; i < SIDE; i++) rows[i] = weave(start + 2 * i * channels, start + (2 * i + 1) * channels);
      transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < SIDE; i++) _mm512_storeu_si512(to + (c + i) * apart + place, rows[i]);
    }
  }
}

// Two places to a word, from places x channels: to[place / 2][channel].
void places_in_pairs(const bfloat* from, int64_t places, int channels, uint32_t* to) {
  for (int64_t place = 0; place < places; place += 2, from += 2 * channels, to += channels) {
    for (int c = 0; c < channels; c += SIDE) _mm512_storeu_si512(to + c, weave(from + c, from + channels + c));
  }
}

// Adds to the gradient of SIDE x SIDE weights of NUM taps, `to`, what the group gives.
struct Group {
  int64_t depth;          // tiles
  const bfloat* maps;     // SIDE rows of places
  int64_t apart;          // bytes
  const uint32_t* backs;  // pairs of places
  int out;
};

template <int T, int NUM> inline void add_taps(const bfloat* maps, int64_t apart, const int64_t* taps) {
  if constexpr (T < NUM) {
    load_tile<6>(maps + taps[T], apart), multiply_tiles<T, 6, 7>();
    add_taps<T + 1, NUM>(maps, apart, taps);
  }
}
template <int T, int NUM> inline void each_tile(bool load, float* to, int64_t apart, int64_t row) {
  if constexpr (T < NUM) {
    load ? load_tile<T>(to, row) : store_tile<T>(to, row);
    each_tile<T + 1, NUM>(load, to + apart, apart, row);
  }
}
template <int NUM> void add_taps(const Group& group, const int64_t* taps, int64_t weights_apart, float* to) {
  const int64_t row = int64_t{group.out} * 4;
  each_tile<0, NUM>(true, to, weights_apart, row);
  const bfloat* maps = group.maps;
  const uint32_t* backs = group.backs;
  for (int64_t i = 0; i < group.depth; i++, maps += DEPTH, backs += DEPTH / 2 * group.out) {
    load_tile<7>(backs, row);
    add_taps<0, NUM>(maps, group.apart, taps);
  }
  each_tile<0, NUM>(false, to, weights_apart, row);
}

void weights_gradient(const Shape& shape, const bfloat* maps, const bfloat* gradients, float* to) {
  constexpr int MOST = 6;  // taps whose sums are in tiles at once
  const int64_t places = round_up(shape.places(shape.together()), DEPTH);
  const int64_t with_taps = round_up(places + 2 * shape.row() + 2, DEPTH);
  const int64_t apart = with_taps + (with_taps / DEPTH % 2 ? 0 : DEPTH);  // rows on lines of the cache that differ
  int64_t taps[TAPS * TAPS];
  for (int tap = 0; tap < TAPS * TAPS; tap++) taps[tap] = int64_t{tap / TAPS} * shape.row() + tap % TAPS;
  const int64_t weights_apart = int64_t{shape.in} * shape.out, area = int64_t{shape.height} * shape.width;
  WeightSums sums(shape.images, TAPS * TAPS, shape.in, shape.out);
  in_pieces(sums.pieces, shape.threads, [&] {
    return [&, bordered = Bordered(shape, shape.in, shape.row() + 1, with_taps),
            bordered_gradients = Bordered(shape, shape.out, 0, places + shape.row() + 1),
            along = Buffer(shape.in * apart / 2), pairs = Buffer(shape.out * places / 2)](int number) mutable {
      const Tiles tiles(false);
      const Piece piece(shape.groups(), sums.pieces, number);
      float* part = sums.part(number);
      std::fill_n(part, sums.size(), 0.0f);
      for (int64_t group = piece.first; group < piece.end; group++) {
        const int64_t first = group * shape.together(), images = std::min(shape.together(), shape.images - first);
        bfloat* rows = reinterpret_cast<bfloat*>(along.words());
        bordered.take(images, maps + first * area * shape.in, shape.in);
        places_along(bordered.start(), with_taps, shape.in, apart, rows);
        bordered_gradients.take(images, gradients + first * area * shape.out, shape.out);
        places_in_pairs(bordered_gradients.start(), places, shape.out, pairs.words());
        for (int i = 0; i < shape.in; i += SIDE) {
          for (int o = 0; o < shape.out; o += SIDE) {
            const Group of{round_up(shape.places(images), DEPTH) / DEPTH, rows + i * apart, apart * 2,
                           pairs.words() + o, shape.out};
            float* from = part + int64_t{i} * shape.out + o;
            add_taps<MOST>(of, taps, weights_apart, from);
            add_taps<TAPS * TAPS - MOST>(of, taps + MOST, weights_apart, from + MOST * weights_apart);
          }
        }
      }
    };
  });
  sums.add_up(shape.threads, to);
}

}  // namespace

#endif

extern "C" {

// 1 where the processor has tiles and the kernel lets this process use them, which it must be asked for.
int reslab_has_tiles() {
#ifdef RESLAB_TILES
  constexpr int ASK_FOR_STATE = 0x1023, TILE_DATA = 18;
  return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
#else
  return 0;
#endif
}

// maps: images x height x width x in, out: images x height x width x out, in bfloat16; filters: float, out x 3 x 3 x in;
// with `back`, maps are the gradient of an output, out is that of the maps, and filters are in x 3 x 3 x out.
// Channels are multiples of 16.
int reslab_tiles(int64_t images, int height, int width, int in, int out, int threads, const void* maps,
                 const float* filters, int back, void* to) {
#ifdef RESLAB_TILES
  return unless_starved([&] {
    const Shape shape{images, height, width, in, out, threads};
    convolve(shape, static_cast<const bfloat*>(maps), filters, back != 0, static_cast<bfloat*>(to));
  });
#else
  return 0;
#endif
}

// maps and gradients as in the forward pass; to: out x 3 x 3 x in.
int reslab_tiles_weights(int64_t images, int height, int width, int in, int out, int threads, const void* maps,
                         const void* gradients, float* to) {
#ifdef RESLAB_TILES
  return unless_starved([&] {
    const Shape shape{images, height, width, in, out, threads};
    weights_gradient(shape, static_cast<const bfloat*>(maps), static_cast<const bfloat*>(gradients), to);
  });
#else
  return 0;
#endif
}

}  // extern "C"
