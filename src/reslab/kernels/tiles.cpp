// 3x3 convolution of bfloat16 with padding 1 and stride 1 by the processor's matrix tiles (Intel's AMX), and the
// gradient of the weights, with stride 2, too.  Products are exact and sums are float: no transform rounds anything.
//
// A tile is 16 rows of 64 bytes, and one instruction multiplies 16 x 32 numbers with 32 x 16 and adds to 16 x 16 sums.
// To load a tile takes as long as to multiply it, so that each is used as often as there are tiles to hold.
//
// The rows of a tile lie in memory at equal distances.  To convolve, images are copied under each other with a row of
// zeros between them and a pixel of zeros after each row:
//
//     0 0 0 0         A pixel of the output at place p of this line of pixels (its zeros count, too: what comes out
//     0 a b c         there is thrown away) has its taps at p, p + 1 and p + 2, the same a row on, and two rows on.
//     0 d e f         The taps of a row are neighbours in memory, and so are the pixels of 16 outputs.
//     0 0 0 0 0
//
// For the gradient of the weights, which sums over pixels, 32 neighbours of a row (of several images side by side, where
// rows are short) become a row of a tile, and 16 channels its rows: as they are, and moved by one to either side.
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
constexpr int ENOUGH = 512;        // pixels that are copied before they are convolved, at least
constexpr int ENOUGH_BACK = 1024;  // likewise, for the gradient of the weights
constexpr int PIECES = 32;         // of the maps, at most

// The instructions, with memory for a clobber: a compiler must have written what they read.
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

// Makes this thread's tiles ready, all of them whole.
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

// How images lie that are convolved.  Two neighbours of 16 channels count as one place of 32, and so do two of the
// output; of the two places that it comes from, the pixel that is none of its taps has weights of zero.
struct Line {
  explicit Line(const Shape& shape)
      : shape(shape),
        together(static_cast<int>(std::max<int64_t>(ENOUGH / shape.area(), 1))),
        unit(shape.in == SIDE && shape.width % 2 == 0 ? 2 : 1),
        channels(static_cast<int>(unit == 2 ? SIDE : round_up(shape.in, DEPTH))),
        row(shape.width + unit),
        square(unit == 2 || shape.out % (2 * SIDE) == 0),
        whole((unit == 2 ? 2 : TAPS) * unit * channels / DEPTH),
        step(square ? 2 * SIDE : 4 * SIDE) {}
  const Shape& shape;
  int together, unit;  // images, pixels of a place
  int channels, row;   // of a pixel, with those added that are zero; pixels of a row
  bool square;         // sums are of 32 outputs for 32 places, or of 16 for 64
  int whole;           // tiles deep are the taps of a row
  int step;            // places at once
  int64_t image() const { return int64_t{shape.height + 1} * row; }  // pixels
  int64_t groups() const { return (shape.images + together - 1) / together; }
  // Places from the first of some images to the last.
  int64_t places(int64_t images) const { return (images * image() - 2 * row + shape.width) / unit; }
  int64_t words() const { return int64_t{TAPS} * whole * TILE; }  // of the weights for SIDE outputs
  int blocks() const { return shape.out / SIDE * unit; }          // of SIDE outputs
};

// Some images of a line.
class Bordered {
 public:
  explicit Bordered(const Line& line)
      : line_(line),
        numbers_((round_up(line.places(line.together), line.step) * line.unit + 2 * line.row + 4) * line.channels / 2) {
    std::memset(numbers_.words(), 0, static_cast<size_t>(numbers_.size()) * 4);
  }

  void take(int64_t images, const bfloat* maps) {
    const int from = line_.shape.in, width = line_.shape.width;
    for (int64_t i = 0; i < images; i++) {
      for (int y = 0; y < line_.shape.height; y++, maps += int64_t{width} * from) {
        bfloat* to = start() + (line_.row + 1 + i * line_.image() + int64_t{y} * line_.row) * line_.channels;
        if (from == line_.channels) {
          std::memcpy(to, maps, sizeof(bfloat) * width * from);
        } else {
          for (int x = 0; x < width; x++) std::memcpy(to + x * line_.channels, maps + x * from, sizeof(bfloat) * from);
        }
      }
    }
  }
  bfloat* start() { return reinterpret_cast<bfloat*>(numbers_.words()); }

 private:
  const Line& line_;
  Buffer numbers_;
};

// The weights as tiles, [out / SIDE][pixel of a place][row of taps][depth / 2][SIDE][2], from filters[out][tap][in] or,
// with `back`, turned round from filters[in][tap][out].
void prepare(const Line& line, const float* filters, bool back, uint32_t* words) {
  const int in = line.shape.in, out = line.shape.out;
  each_piece(line.blocks(), line.shape.threads, [=, &line](int block) {
    const int first = block / line.unit * SIDE, pixel = block % line.unit;
    std::memset(words + block * line.words(), 0, static_cast<size_t>(line.words()) * 4);
    for (int tap = 0; tap < TAPS * TAPS; tap++) {
      const int64_t pixels = int64_t{tap / TAPS} * line.whole * DEPTH + (tap % TAPS + pixel) * line.channels;
      uint32_t* to = words + block * line.words() + pixels / 2 * SIDE;
      if (back) {
        const float* from = filters + int64_t{TAPS * TAPS - 1 - tap} * out + first;
        const int64_t apart = int64_t{TAPS * TAPS} * out;
        for (int i = 0; i < in; i += 2, to += SIDE) {
          Numbers<bfloat>::store_pairs(to, 0, load(from + i * apart), load(from + (i + 1) * apart));
        }
        continue;
      }
      for (int o = 0; o < SIDE; o++) {
        const float* from = filters + (int64_t{first + o} * TAPS * TAPS + tap) * in;
        for (int i = 0; i < in; i += SIDE) {
          uint32_t pairs[SIDE / 2];
          Numbers<bfloat>::store_pixel(reinterpret_cast<bfloat*>(pairs), load(from + i));
          for (int j = 0; j < SIDE / 2; j++) to[(i / 2 + j) * SIDE + o] = pairs[j];
        }
      }
    }
  });
}

// What one block of outputs is summed from; distances in bytes.
struct Taps {
  const char* pixels;
  int64_t place, row;
  int whole;
  const uint32_t* weights;
};

// Sums for 4 * SIDE places and SIDE outputs, in tiles 0 to 3.
inline void sum_places(Taps taps) {
  clear_tile<0>(), clear_tile<1>(), clear_tile<2>(), clear_tile<3>();
  const int64_t further = SIDE * taps.place;
  for (int y = 0; y < TAPS; y++, taps.pixels += taps.row) {
    const char* pixels = taps.pixels;
    for (int i = 0; i < taps.whole; i++, pixels += WIDE, taps.weights += TILE) {
      load_tile<6>(taps.weights);
      load_tile<4>(pixels, taps.place), multiply_tiles<0, 4, 6>();
      load_tile<5>(pixels + further, taps.place), multiply_tiles<1, 5, 6>();
      load_tile<4>(pixels + 2 * further, taps.place), multiply_tiles<2, 4, 6>();
      load_tile<5>(pixels + 3 * further, taps.place), multiply_tiles<3, 5, 6>();
    }
  }
}

// Sums for 2 * SIDE places and 2 * SIDE outputs, whose weights are so many words apart.
inline void sum_square(Taps taps, int64_t weights_apart) {
  clear_tile<0>(), clear_tile<1>(), clear_tile<2>(), clear_tile<3>();
  for (int y = 0; y < TAPS; y++, taps.pixels += taps.row) {
    const char* pixels = taps.pixels;
    for (int i = 0; i < taps.whole; i++, pixels += WIDE, taps.weights += TILE) {
      load_tile<6>(taps.weights), load_tile<4>(pixels, taps.place), multiply_tiles<0, 4, 6>();
      load_tile<7>(taps.weights + weights_apart), multiply_tiles<2, 4, 7>();
      load_tile<5>(pixels + SIDE * taps.place, taps.place), multiply_tiles<1, 5, 6>(), multiply_tiles<3, 5, 7>();
    }
  }
}

// For each place its first pixel in the output of a group, or -1.
std::vector<int32_t> outputs(const Line& line) {
  std::vector<int32_t> to(round_up(line.places(line.together), line.step), -1);
  int32_t pixel = 0;
  for (int64_t i = 0; i < line.together; i++) {
    for (int y = 0; y < line.shape.height; y++) {
      for (int x = 0; x < line.shape.width; x++, pixel++) {
        if (x % line.unit == 0) to[(i * line.image() + int64_t{y} * line.row + x) / line.unit] = pixel;
      }
    }
  }
  return to;
}

// Writes the sums of tiles 0 to 3 for some places, those first that are of `pixels` before `end`.
inline void write_places(const Line& line, const int32_t* pixels, int64_t end, float* sums, bfloat* to) {
  store_tile<0>(sums), store_tile<1>(sums + TILE), store_tile<2>(sums + 2 * TILE), store_tile<3>(sums + 3 * TILE);
  const int out = line.shape.out, other = line.unit == 2 ? out : SIDE, step = line.step;
  const bool square = line.square;
  for (int i = 0; i < step; i++, sums += SIDE) {
    const int64_t pixel = pixels[i];
    if (pixel < 0 || pixel >= end) continue;
    if (square) {
      Numbers<bfloat>::store_pixels(to + pixel * out, other, load(sums), load(sums + 2 * TILE));
    } else {
      Numbers<bfloat>::store_pixel(to + pixel * out, load(sums));
    }
  }
}

void convolve(const Shape& shape, const bfloat* maps, const float* filters, bool back, bfloat* out) {
  const Line line(shape);
  Buffer weights(line.blocks() * line.words());
  prepare(line, filters, back, weights.words());
  const std::vector<int32_t> pixels = outputs(line);
  const int64_t place = int64_t{line.unit} * line.channels * 2;  // bytes
  const int outputs_together = line.unit == 1 && line.square ? 2 * SIDE : SIDE;
  const int pieces = static_cast<int>(std::min<int64_t>(line.groups(), PIECES));
  in_pieces(pieces, shape.threads, [&] {
    return [&, bordered = Bordered(line), sums = Buffer(4 * TILE)](int number) mutable {
      const Tiles tiles;
      const Piece piece(line.groups(), pieces, number);
      for (int64_t group = piece.first; group < piece.end; group++) {
        const int64_t first = group * line.together, images = std::min<int64_t>(line.together, shape.images - first);
        bordered.take(images, maps + first * shape.area() * shape.in);
        for (int o = 0; o < shape.out; o += outputs_together) {
          const uint32_t* of_outputs = weights.words() + o / SIDE * line.unit * line.words();
          for (int64_t at = 0; at < line.places(images); at += line.step) {
            const Taps taps{reinterpret_cast<const char*>(bordered.start()) + at * place, place,
                            int64_t{line.row} * line.channels * 2, line.whole, of_outputs};
            line.square ? sum_square(taps, line.words()) : sum_places(taps);
            write_places(line, pixels.data() + at, images * shape.area(), sums.floats(),
                         out + first * shape.area() * shape.out + o);
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
    const __m512i low = _mm512_shuffle_i32x4(rows[k], rows[4 + k], 0x88);   // lanes 0, 2 of both
    const __m512i high = _mm512_shuffle_i32x4(rows[k], rows[4 + k], 0xdd);  // lanes 1, 3
    const __m512i low_on = _mm512_shuffle_i32x4(rows[8 + k], rows[12 + k], 0x88);
    const __m512i high_on = _mm512_shuffle_i32x4(rows[8 + k], rows[12 + k], 0xdd);
    pairs[k] = _mm512_shuffle_i32x4(low, low_on, 0x88);
    pairs[4 + k] = _mm512_shuffle_i32x4(high, high_on, 0x88);
    pairs[8 + k] = _mm512_shuffle_i32x4(low, low_on, 0xdd);
    pairs[12 + k] = _mm512_shuffle_i32x4(high, high_on, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < SIDE; i++) rows[i] = pairs[i];
}

// How pixels lie over which the gradient of the weights is summed: stacks of images side by side, whose rows are
// segments of DEPTH pixels of the output.
struct Stacks {
  Stacks(const Shape& shape, int stride)
      : shape(shape),
        stride(stride),
        rows((shape.height - 1) / stride + 1),
        width((shape.width - 1) / stride + 1),
        segments((width + DEPTH - 1) / DEPTH),
        beside(std::max(DEPTH / width, 1)),
        stacks(std::max(ENOUGH_BACK / (rows * segments * DEPTH), 1)) {}
  const Shape& shape;
  int stride, rows, width;  // of the output
  int segments, beside, stacks;
  int together() const { return beside * stacks; }  // images
  int64_t groups() const { return (shape.images + together() - 1) / together(); }
  // Tiles of SIDE channels of one segment: of the maps for one column of taps, and of the gradient with rows of zeros
  // before and after each stack.
  int64_t maps() const { return int64_t{stacks} * rows * stride; }
  int64_t backs() const { return int64_t{stacks} * (rows + 2); }
};

// The pixels of a segment at row 0: where they start, or null for those that are none.
struct Pixels {
  const bfloat* at[DEPTH];
  bool all = true;  // of them are pixels
  // Pixel x * stride + more of each place, of `images` of so many pixels and channels.
  Pixels(const Stacks& s, int segment, int64_t images, const bfloat* maps, int64_t area, int channels, int width,
         int stride, int more) {
    for (int i = 0; i < DEPTH; i++) {
      const int beside = s.segments > 1 ? 0 : i / s.width;
      const int x = s.segments > 1 ? segment * DEPTH + i : i % s.width;
      const int pixel = x * stride + more;
      const bool is_one = beside < s.beside && beside < images && x < s.width && pixel < width;
      at[i] = is_one ? maps + (beside * area + pixel) * channels : nullptr;
      all = all && is_one;
    }
  }
  // Calls store(i, channels of pixels 2 i and 2 i + 1, so many numbers on, as words) for all pairs.
  template <class Store> void pairs(int64_t further, const bfloat* zeros, Store store) const {
    if (all) {
#pragma GCC unroll 16
      for (int i = 0; i < SIDE; i++) store(i, weave(at[2 * i] + further, at[2 * i + 1] + further));
    } else {
      const auto pixel = [&](int which) { return at[which] == nullptr ? zeros : at[which] + further; };
#pragma GCC unroll 16
      for (int i = 0; i < SIDE; i++) store(i, weave(pixel(2 * i), pixel(2 * i + 1)));
    }
  }
};

// SIDE rows of DEPTH pixels, as they are or moved to either side; what comes from outside the image is zero.
struct Moved {
  __m512i before, after;
  __mmask32 has_before, has_after;
  explicit Moved(const Stacks& s) : has_before(0), has_after(0) {
    alignas(64) uint16_t one[DEPTH], other[DEPTH];
    for (int i = 0; i < DEPTH; i++) {
      one[i] = static_cast<uint16_t>((i + DEPTH - 1) % DEPTH);
      other[i] = static_cast<uint16_t>((i + 1) % DEPTH);
      const int x = i % std::min(s.width, DEPTH);
      has_before |= static_cast<__mmask32>(x > 0) << i;
      has_after |= static_cast<__mmask32>(x + 1 < std::min(s.width, DEPTH)) << i;
    }
    before = _mm512_load_si512(one);
    after = _mm512_load_si512(other);
  }
  void store_before(const __m512i rows[SIDE], bfloat* to) const {
#pragma GCC unroll 16
    for (int i = 0; i < SIDE; i++) store_row(_mm512_maskz_permutexvar_epi16(has_before, before, rows[i]), to, i);
  }
  void store_after(const __m512i rows[SIDE], bfloat* to) const {
#pragma GCC unroll 16
    for (int i = 0; i < SIDE; i++) store_row(_mm512_maskz_permutexvar_epi16(has_after, after, rows[i]), to, i);
  }
  static void store_same(const __m512i rows[SIDE], bfloat* to) {
#pragma GCC unroll 16
    for (int i = 0; i < SIDE; i++) store_row(rows[i], to, i);
  }

 private:
  static void store_row(__m512i row, bfloat* to, int i) { _mm512_storeu_si512(to + i * DEPTH, row); }
};

// What the gradient of the weights is summed from, as tiles.
class Turned {
 public:
  explicit Turned(const Stacks& s)
      : s_(s),
        moved_(s),
        zeros_(std::max(s.shape.in, s.shape.out)),
        maps_(s.shape.in / SIDE * int64_t{TAPS} * s.segments * s.maps() * TILE),
        backs_(s.shape.out / SIDE * int64_t{s.segments} * s.backs() * TILE) {
    std::memset(zeros_.words(), 0, static_cast<size_t>(zeros_.size()) * 4);
    std::memset(backs_.words(), 0, static_cast<size_t>(backs_.size()) * 4);
  }

  // The tiles of SIDE channels of a segment, one after the other: of the maps by rows that enter, for a column of taps.
  uint32_t* maps(int block, int column, int segment) {
    return maps_.words() + ((int64_t{block} * TAPS + column) * s_.segments + segment) * s_.maps() * TILE;
  }
  uint32_t* backs(int block, int segment) {
    return backs_.words() + (int64_t{block} * s_.segments + segment) * s_.backs() * TILE;
  }

  void take(int64_t images, const bfloat* maps, const bfloat* gradients) {
    const int64_t area = int64_t{s_.rows} * s_.width;
    for (int stack = 0; stack < s_.stacks; stack++, images -= s_.beside) {
      for (int segment = 0; segment < s_.segments; segment++) {
        take_maps(stack, segment, images, maps + int64_t{stack} * s_.beside * s_.shape.area() * s_.shape.in);
        const bfloat* back = gradients + int64_t{stack} * s_.beside * area * s_.shape.out;
        const Pixels pixels(s_, segment, images, back, area, s_.shape.out, s_.width, 1, 0);
        for (int c = 0; c < s_.shape.out; c += SIDE) {
          uint32_t* to = backs(c / SIDE, segment) + (int64_t{stack} * (s_.rows + 2) + 1) * TILE;
          for (int y = 0; y < s_.rows; y++, to += TILE) {
            const int64_t further = int64_t{y} * s_.width * s_.shape.out + c;
            pixels.pairs(further, zeros(), [&](int i, __m512i pair) { _mm512_storeu_si512(to + i * SIDE, pair); });
          }
        }
      }
    }
  }

 private:
  void take_maps(int stack, int segment, int64_t images, const bfloat* from) {
    const Shape& shape = s_.shape;
    const bool apart = s_.stride == 2;  // the pixels on either side are others
    const Pixels same(s_, segment, images, from, shape.area(), shape.in, shape.width, s_.stride, 0);
    const Pixels aside(s_, segment, images, from, shape.area(), shape.in, shape.width, s_.stride, apart ? 1 : 0);
    for (int c = 0; c < shape.in; c += SIDE) {
      for (int y = 0; y < s_.rows * s_.stride; y++) {
        const int64_t further = int64_t{y} * shape.width * shape.in + c, at = int64_t{stack} * s_.rows * s_.stride + y;
        bfloat* to[TAPS];
        for (int x = 0; x < TAPS; x++) to[x] = reinterpret_cast<bfloat*>(maps(c / SIDE, x, segment) + at * TILE);
        if (y >= shape.height) {
          for (bfloat* one : to) std::memset(one, 0, TILE * 4);
          continue;
        }
        __m512i rows[SIDE];
        turn(same, further, rows);
        Moved::store_same(rows, to[1]);
        if (apart) turn(aside, further, rows);
        moved_.store_before(rows, to[0]);
        apart ? Moved::store_same(rows, to[2]) : moved_.store_after(rows, to[2]);
        // What comes from the next segment.
        const int64_t first = int64_t{segment} * DEPTH * s_.stride;
        if (segment > 0) store_column(from + further + (first - 1) * shape.in, to[0]);
        if (!apart && segment + 1 < s_.segments) store_column(from + further + (first + DEPTH) * shape.in, to[2] + DEPTH - 1);
      }
    }
  }

  void turn(const Pixels& pixels, int64_t further, __m512i rows[SIDE]) {
    pixels.pairs(further, zeros(), [&](int i, __m512i pair) { rows[i] = pair; });
    transpose(rows);
  }

  static void store_column(const bfloat* pixel, bfloat* to) {
    for (int i = 0; i < SIDE; i++) to[i * DEPTH] = pixel[i];
  }

  const bfloat* zeros() { return reinterpret_cast<const bfloat*>(zeros_.words()); }

  const Stacks& s_;
  Moved moved_;
  Buffer zeros_, maps_, backs_;
};

// Adds to tiles 0 to 2, one for each row of taps, what a row of the maps gives with that of the gradient before it, its
// own, and the next, which is loaded.
template <int MAPS, int BEFORE, int OWN, int NEXT> inline void add_row(const uint32_t*& maps, const uint32_t*& next) {
  load_tile<MAPS>(maps), load_tile<NEXT>(next);
  multiply_tiles<2, MAPS, BEFORE>(), multiply_tiles<1, MAPS, OWN>(), multiply_tiles<0, MAPS, NEXT>();
  maps += TILE;
  next += TILE;
}

// The same with stride 2: a row of the output has two of the maps, and the second belongs to the next, too.
template <int OWN, int NEXT> inline void add_two_rows(const uint32_t*& maps, const uint32_t*& next) {
  load_tile<3>(maps), multiply_tiles<1, 3, OWN>();
  load_tile<4>(maps + TILE), load_tile<NEXT>(next);
  multiply_tiles<2, 4, OWN>(), multiply_tiles<0, 4, NEXT>();
  maps += 2 * TILE;
  next += TILE;
}

// Adds what one stack gives.
inline void add_stack(int rows, int stride, const uint32_t* maps, const uint32_t* backs) {
  const uint32_t* next = backs + 2 * TILE;
  int y = 0;
  if (stride == 2) {
    load_tile<5>(backs + TILE);
    for (; y + 2 <= rows; y += 2) add_two_rows<5, 6>(maps, next), add_two_rows<6, 5>(maps, next);
    if (y < rows) add_two_rows<5, 6>(maps, next);
    return;
  }
  load_tile<5>(backs), load_tile<6>(backs + TILE);
  for (; y + 3 <= rows; y += 3) {
    add_row<3, 5, 6, 7>(maps, next), add_row<4, 6, 7, 5>(maps, next), add_row<3, 7, 5, 6>(maps, next);
  }
  if (y < rows) add_row<4, 5, 6, 7>(maps, next);
  if (y + 1 < rows) add_row<3, 6, 7, 5>(maps, next);
}

void weights_gradient(const Shape& shape, int stride, const bfloat* maps, const bfloat* gradients, float* to) {
  const Stacks s(shape, stride);
  const int64_t weights = int64_t{shape.in} * shape.out, apart = TAPS * weights;  // between rows of taps
  WeightSums sums(shape.images, TAPS * TAPS, shape.in, shape.out);
  in_pieces(sums.pieces, shape.threads, [&] {
    return [&, turned = Turned(s)](int number) mutable {
      const Tiles tiles;
      const Piece piece(s.groups(), sums.pieces, number);
      std::fill_n(sums.part(number), sums.size(), 0.0f);
      for (int64_t group = piece.first; group < piece.end; group++) {
        const int64_t first = group * s.together(), images = std::min<int64_t>(s.together(), shape.images - first);
        turned.take(images, maps + first * shape.area() * shape.in, gradients + first * s.rows * s.width * shape.out);
        for (int i = 0; i < shape.in; i += SIDE) {
          for (int o = 0; o < shape.out; o += SIDE) {
            for (int column = 0; column < TAPS; column++) {
              float* of = sums.part(number) + column * weights + int64_t{i} * shape.out + o;
              const int64_t row = int64_t{shape.out} * 4;
              load_tile<0>(of, row), load_tile<1>(of + apart, row), load_tile<2>(of + 2 * apart, row);
              for (int segment = 0; segment < s.segments; segment++) {
                for (int64_t stack = 0; stack * s.beside < images; stack++) {
                  add_stack(s.rows, stride, turned.maps(i / SIDE, column, segment) + stack * s.rows * stride * TILE,
                            turned.backs(o / SIDE, segment) + stack * (s.rows + 2) * TILE);
                }
              }
              store_tile<0>(of, row), store_tile<1>(of + apart, row), store_tile<2>(of + 2 * apart, row);
            }
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

// maps as in the forward pass; gradients, of the output, with stride 1 or 2: images x ceil(height / stride)
// x ceil(width / stride) x out; to: out x 3 x 3 x in.
int reslab_tiles_weights(int64_t images, int height, int width, int in, int out, int stride, int threads,
                         const void* maps, const void* gradients, float* to) {
#ifdef RESLAB_TILES
  return unless_starved([&] {
    const Shape shape{images, height, width, in, out, threads};
    weights_gradient(shape, stride, static_cast<const bfloat*>(maps), static_cast<const bfloat*>(gradients), to);
  });
#else
  return 0;
#endif
}

}  // extern "C"
