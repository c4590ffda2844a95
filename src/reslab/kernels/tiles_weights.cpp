// The gradient of a 3x3 convolution's weights, from bfloat16 maps, with padding 1 and stride 1 or 2, in matrix tiles
// (tiles.h).  An infinity may turn more of it into NaN than it should: rows of zeros are multiplied, too.
//
// It sums over pixels.  32 neighbours in a row (of several images side by side, if rows are short) become a row of a
// tile, and 16 channels its rows: as they are, and shifted by one to either side.
//
// Images are summed in pieces, which are added in order (pieces.h): bits do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "numbers.h"
#include "pieces.h"
#include "tiles.h"

#ifdef RESLAB_TILES

namespace {

using namespace reslab;

constexpr int ENOUGH = 1024;  // least pixels that are transposed before they are multiplied
constexpr int PIECES = 8;     // least pieces of the work, if there are enough images

// Transposes 16 x 16 words.
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

// The layout of the pixels summed over: stacks of images side by side, whose rows are segments of DEPTH output pixels.
struct Stacks {
  Stacks(const Shape& shape, int stride)
      : shape(shape),
        stride(stride),
        rows((shape.height - 1) / stride + 1),
        width((shape.width - 1) / stride + 1),
        segments((width + DEPTH - 1) / DEPTH),
        beside(std::max(DEPTH / width, 1)),
        stacks(static_cast<int>(std::max<int64_t>(
            std::min<int64_t>(ENOUGH / (rows * segments * DEPTH), shape.images / beside / PIECES), 1))) {}
  const Shape& shape;
  int stride, rows, width;  // of the output
  int segments, beside, stacks;
  int together() const { return beside * stacks; }  // images in a group
  int64_t groups() const { return (shape.images + together() - 1) / together(); }
  // Tiles of one stack and segment, for SIDE channels: of the maps, and of the gradient with zeros before and after.
  int64_t of_maps() const { return int64_t{rows} * stride; }
  int64_t of_gradient() const { return int64_t{rows} + 2; }
};

// Images that begin at `start`, of `area` pixels and `channels` each.
struct Images {
  const bfloat* start;
  int64_t num, area;
  int width, channels;
};

// The pixels of a segment at row 0: pointers to them, null outside the images.
struct Pixels {
  const bfloat* at[DEPTH];
  // For each output pixel, the one at `times` its place plus `more`.
  Pixels(const Stacks& s, int segment, const Images& images, int times, int more) {
    for (int i = 0; i < DEPTH; i++) {
      const int beside = s.segments > 1 ? 0 : i / s.width;
      const int x = s.segments > 1 ? segment * DEPTH + i : i % s.width;
      const int pixel = x * times + more;
      const bool is_one = beside < s.beside && beside < images.num && x < s.width && pixel < images.width;
      at[i] = is_one ? images.start + (beside * images.area + pixel) * images.channels : nullptr;
    }
  }
  // Calls store(i, channels of pixels 2 i and 2 i + 1 as words) for all pairs, `further` numbers on.
  template <class Store> void pairs(int64_t further, Store store) const {
    const auto pixel = [&](int which) { return at[which] == nullptr ? nullptr : at[which] + further; };
#pragma GCC unroll 16
    for (int i = 0; i < SIDE; i++) store(i, weave(pixel(2 * i), pixel(2 * i + 1)));
  }
};

// SIDE rows of DEPTH pixels, as they are or shifted to either side; pixels outside the image are zero.
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

// The maps and gradients to multiply, as tiles.
class Turned {
 public:
  explicit Turned(const Stacks& s)
      : s_(s),
        moved_(s),
        maps_(s.shape.in / SIDE * int64_t{TAPS} * s.segments * s.stacks * s.of_maps() * TILE),
        gradients_(s.shape.out / SIDE * int64_t{s.segments} * s.stacks * s.of_gradient() * TILE) {}

  // The tiles of SIDE channels of one segment and stack: of the maps row by row, for one column of taps.
  uint32_t* maps(int block, int column, int segment, int64_t stack) {
    const int64_t before = (int64_t{block} * TAPS + column) * s_.segments + segment;
    return maps_.words() + (before * s_.stacks + stack) * s_.of_maps() * TILE;
  }
  uint32_t* gradient(int block, int segment, int64_t stack) {
    const int64_t before = int64_t{block} * s_.segments + segment;
    return gradients_.words() + (before * s_.stacks + stack) * s_.of_gradient() * TILE;
  }

  void take(int64_t num, const bfloat* maps, const bfloat* gradients) {
    const Shape& shape = s_.shape;
    Images entering{maps, num, shape.area(), shape.width, shape.in};
    Images leaving{gradients, num, int64_t{s_.rows} * s_.width, s_.width, shape.out};
    for (int stack = 0; entering.num > 0; stack++) {
      for (int segment = 0; segment < s_.segments; segment++) {
        take_maps(stack, segment, entering);
        take_gradient(stack, segment, leaving);
      }
      for (Images* images : {&entering, &leaving}) {
        images->start += s_.beside * images->area * images->channels;
        images->num -= s_.beside;
      }
    }
  }

 private:
  void take_maps(int stack, int segment, const Images& images) {
    const Pixels same(s_, segment, images, s_.stride, 0), aside(s_, segment, images, s_.stride, s_.stride - 1);
    for (int c = 0; c < images.channels; c += SIDE) {
      for (int y = 0; y < s_.of_maps(); y++) {
        bfloat* to[TAPS];
        for (int x = 0; x < TAPS; x++) to[x] = reinterpret_cast<bfloat*>(maps(c / SIDE, x, segment, stack) + y * TILE);
        if (y >= s_.shape.height) {
          for (bfloat* one : to) std::memset(one, 0, TILE * 4);
          continue;
        }
        const int64_t further = int64_t{y} * images.width * images.channels + c;
        __m512i rows[SIDE];
        turn(same, further, rows);
        Moved::store_same(rows, to[1]);
        if (s_.stride == 1) {
          moved_.store_after(rows, to[2]);
        } else {  // the pixels on either side are not among `same`
          turn(aside, further, rows);
          Moved::store_same(rows, to[2]);
        }
        moved_.store_before(rows, to[0]);
        // Pixels from the segments on either side.
        const bfloat* row = images.start + further;
        const int first = segment * DEPTH * s_.stride;
        if (segment > 0) store_column(row + int64_t{first - 1} * images.channels, to[0]);
        if (s_.stride == 1 && segment + 1 < s_.segments) {
          store_column(row + int64_t{first + DEPTH} * images.channels, to[2] + DEPTH - 1);
        }
      }
    }
  }

  void take_gradient(int stack, int segment, const Images& images) {
    const Pixels pixels(s_, segment, images, 1, 0);
    for (int c = 0; c < images.channels; c += SIDE) {
      uint32_t* to = gradient(c / SIDE, segment, stack) + TILE;
      for (int y = 0; y < s_.rows; y++, to += TILE) {
        pixels.pairs(int64_t{y} * images.width * images.channels + c,
                     [&](int i, __m512i pair) { _mm512_storeu_si512(to + i * SIDE, pair); });
      }
    }
  }

  void turn(const Pixels& pixels, int64_t further, __m512i rows[SIDE]) {
    pixels.pairs(further, [&](int i, __m512i pair) { rows[i] = pair; });
    transpose(rows);
  }

  static void store_column(const bfloat* pixel, bfloat* to) {
    for (int i = 0; i < SIDE; i++) to[i * DEPTH] = pixel[i];
  }

  const Stacks& s_;
  Moved moved_;
  Buffer maps_;
  Zeros gradients_;
};

// Adds to tiles 0 to 2, one for each row of taps, the products of a row of the maps with the gradient's previous, same
// and next row; the next is loaded.
template <int MAPS, int BEFORE, int OWN, int NEXT> inline void add_row(const uint32_t*& maps, const uint32_t*& next) {
  load_tile<MAPS>(maps), load_tile<NEXT>(next);
  multiply_tiles<2, MAPS, BEFORE>(), multiply_tiles<1, MAPS, OWN>(), multiply_tiles<0, MAPS, NEXT>();
  maps += TILE;
  next += TILE;
}

// The same with stride 2: an output row has two rows of the maps, of which the second is also the next output row's.
template <int OWN, int NEXT> inline void add_two_rows(const uint32_t*& maps, const uint32_t*& next) {
  load_tile<3>(maps), multiply_tiles<1, 3, OWN>();
  load_tile<4>(maps + TILE), load_tile<NEXT>(next);
  multiply_tiles<2, 4, OWN>(), multiply_tiles<0, 4, NEXT>();
  maps += 2 * TILE;
  next += TILE;
}

// Adds the contribution of one stack.
inline void add_stack(int rows, int stride, const uint32_t* maps, const uint32_t* gradient) {
  const uint32_t* next = gradient + 2 * TILE;
  int y = 0;
  if (stride == 2) {
    load_tile<5>(gradient + TILE);
    for (; y + 2 <= rows; y += 2) add_two_rows<5, 6>(maps, next), add_two_rows<6, 5>(maps, next);
    if (y < rows) add_two_rows<5, 6>(maps, next);
    return;
  }
  load_tile<5>(gradient), load_tile<6>(gradient + TILE);
  for (; y + 3 <= rows; y += 3) {
    add_row<3, 5, 6, 7>(maps, next), add_row<4, 6, 7, 5>(maps, next), add_row<3, 7, 5, 6>(maps, next);
  }
  if (y < rows) add_row<4, 5, 6, 7>(maps, next);
  if (y + 1 < rows) add_row<3, 6, 7, 5>(maps, next);
}

void weights_gradient(const Shape& shape, int stride, const bfloat* maps, const bfloat* gradients, float* to) {
  const Stacks s(shape, stride);
  const int64_t weights = int64_t{shape.in} * shape.out, apart = TAPS * weights;  // between rows of taps
  WeightSums sums(s.groups(), TAPS * TAPS, shape.in, shape.out);
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
                  add_stack(s.rows, stride, turned.maps(i / SIDE, column, segment, stack),
                            turned.gradient(o / SIDE, segment, stack));
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
