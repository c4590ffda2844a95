// 3x3 convolution with padding 1 and stride 1 in 16 multiplications for every 36 of the direct method (Lavin and Gray
// 2016, "Fast Algorithms for Convolutional Neural Networks", F(2x2, 3x3); the weights' gradient is F(3x3, 2x2)).
//
// An output tile of 2x2 pixels comes from 4x4 pixels d and a filter g: with the matrices below it is
// A^T [(G g G^T) * (B^T d B)] A, where * multiplies the 16 numbers elementwise and sums over the channels.  That sum is
// a matrix product for each of the 16 places.  It follows that the gradient of the filter is
// G^T [sum over tiles of (B^T d B) * (A y A^T)] G with y the gradient of the output, and the gradient of the maps is
// the convolution of y with the rotated filter.
//
//         1  0 -1  0            1    0    0           1  0
//   B^T = 0  1  1  0        G = 1/2  1/2  1/2     A = 1  1
//         0 -1  1  0            1/2 -1/2  1/2         1 -1
//         0  1  0 -1            0    0    1           0 -1
//
// Maps are channels-last, in float or bfloat16.  Transforms and sums are float; for bfloat16 maps, factors are rounded
// to bfloat16 if the processor has dot products of it.  Images are processed in pieces, whose sums are added in order
// (pieces.h): bits do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "numbers.h"
#include "pieces.h"

#ifdef RESLAB_LANES

namespace {

using namespace reslab;

constexpr int SIDE = 4;                         // of a tile with its border
constexpr int PLACES = 16;                      // numbers in such a tile
constexpr int TAPS = 9;                         // of a filter

// What is in registers at once while a row of four places is multiplied: sums for AT_ONCE of its places, TOGETHER tiles
// and WIDE registers of output channels.  A wide block of one place reads less if registers are few.
constexpr int AT_ONCE = LANES == 16 ? SIDE : 1;
constexpr int TOGETHER = LANES == 16 ? 4 : 6;
constexpr int WIDE = LANES == 16 ? 1 : 2;
constexpr int BLOCK = LANES == 16 ? 16 : 48;           // least tiles that are transformed before they are multiplied
constexpr int GRADIENT_BLOCK = LANES == 16 ? 64 : 32;  // the same for the gradient of the weights
constexpr int PIECES = 32;                             // most pieces of the maps

struct Shape {
  int64_t images;
  int height, width, in, out, threads;
  int tiles() const { return width / 2; }                 // in a row
  int64_t rows() const { return images * (height / 2); }  // of tiles
  int64_t rows_together(int tiles_together) const { return std::max(tiles_together / tiles(), 1); }
};

// The four rows of pixels that a row of tiles is made from.
template <class T> struct Rows {
  const T *r0, *r1, *r2, *r3;
};

// The pixel rows of row `row` of all tiles; rows outside the image are zeros.
template <class T>
inline Rows<T> pixel_rows(const Shape& shape, int channels, const T* maps, const T* zeros, int64_t row) {
  const int64_t image = row / (shape.height / 2), a_row = static_cast<int64_t>(shape.width) * channels;
  const int y = static_cast<int>(row % (shape.height / 2)) * 2;
  const T* first = maps + (image * shape.height + y) * a_row;
  return {y == 0 ? zeros : first - a_row, first, first + a_row, y + 2 == shape.height ? zeros : first + 2 * a_row};
}

// B^T of four pixels below each other.
struct Column {
  Register row[SIDE];
};

inline Column nothing() { return {}; }

template <class T> inline Column column_of(const Rows<T>& rows, int64_t place) {
  const Register d0 = Numbers<T>::load_pixel(rows.r0 + place), d1 = Numbers<T>::load_pixel(rows.r1 + place);
  const Register d2 = Numbers<T>::load_pixel(rows.r2 + place), d3 = Numbers<T>::load_pixel(rows.r3 + place);
  return {{d0 - d2, d1 + d2, d2 - d1, d1 - d3}};
}

// One row of B^T d B, from the columns of a tile.
inline void across(Register a, Register b, Register c, Register d, Register to[SIDE]) {
  to[0] = a - c;
  to[1] = b + c;
  to[2] = c - b;
  to[3] = b - d;
}

// B^T d B of a row of tiles, as words of channels: to[place][tile][channel].
template <class T>
void transform_row(const Shape& shape, const Rows<T> rows, int channels, int64_t apart, uint32_t* to) {
  const int words = channels / Numbers<T>::A_WORD;
  for (int c = 0; c < channels; c += LANES) {
    Column a = nothing(), b = column_of<T>(rows, c);
    for (int tile = 0; tile < shape.tiles(); tile++) {
      const int64_t place = static_cast<int64_t>(2 * tile + 1) * channels + c;
      const Column d = column_of<T>(rows, place);
      const Column e = tile + 1 < shape.tiles() ? column_of<T>(rows, place + channels) : nothing();
      uint32_t* start = to + static_cast<int64_t>(tile) * words + c / Numbers<T>::A_WORD;
#pragma GCC unroll 4
      for (int i = 0; i < SIDE; i++) {
        Register values[SIDE];
        across(a.row[i], b.row[i], d.row[i], e.row[i], values);
#pragma GCC unroll 4
        for (int j = 0; j < SIDE; j += 2) {
          Numbers<T>::store_words(start + (i * SIDE + j) * apart, apart, values[j], values[j + 1]);
        }
      }
      a = d;
      b = e;
    }
  }
}

// Sums of products for AT_ONCE places of TOGETHER tiles.  WORDS is the number of words in a tile, 0 if not known at
// compile time.
template <class T, int WORDS>
inline void multiply_places(const uint32_t* tiles, int64_t apart, const uint32_t* weights, int num_words,
                            Register sums[AT_ONCE][TOGETHER][WIDE]) {
  const int words = WORDS ? WORDS : num_words;
  Register sum[AT_ONCE][TOGETHER][WIDE] = {};
  for (int k = 0; k < words; k++) {
#pragma GCC unroll 4
    for (int j = 0; j < AT_ONCE; j++) {
      Register weight[WIDE];
#pragma GCC unroll 2
      for (int r = 0; r < WIDE; r++) weight[r] = load_once(weights + ((r * PLACES + j) * words + k) * LANES);
#pragma GCC unroll 6
      for (int t = 0; t < TOGETHER; t++) {
#pragma GCC unroll 2
        for (int r = 0; r < WIDE; r++) {
          sum[j][t][r] = Numbers<T>::multiply(sum[j][t][r], weight[r], tiles[j * apart + t * words + k]);
        }
      }
    }
  }
  std::memcpy(sums, sum, sizeof sum);
}

// Sums of products for the four places of one row and TOGETHER tiles, then A^T along that row: two numbers per tile.
template <class T, int WORDS>
inline void multiply_row(const uint32_t* tiles, int64_t apart, const uint32_t* weights, int num_words, float* to,
                         int64_t registers_apart) {
  Register sum[SIDE][TOGETHER][WIDE];
#pragma GCC unroll 4
  for (int j = 0; j < SIDE; j += AT_ONCE) {
    multiply_places<T, WORDS>(tiles + j * apart, apart, weights + j * num_words * LANES, num_words, sum + j);
  }
#pragma GCC unroll 2
  for (int r = 0; r < WIDE; r++, to += registers_apart) {
#pragma GCC unroll 6
    for (int t = 0; t < TOGETHER; t++) {
      store(to + 2 * t * LANES, sum[0][t][r] + (sum[1][t][r] + sum[2][t][r]));
      store(to + (2 * t + 1) * LANES, (sum[1][t][r] - sum[2][t][r]) - sum[3][t][r]);
    }
  }
}

// A^T down the rows: the pixels of a row of tiles, for the channels of one register.
template <class T> void write_row(const Shape& shape, const float* sums, int64_t apart, T* to) {
  T* below = to + static_cast<int64_t>(shape.width) * shape.out;
  for (int x = 0; x < shape.width; x += 2, sums += 2 * LANES, to += 2 * shape.out, below += 2 * shape.out) {
    Register above[2], under[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      const float* pixel = sums + i * LANES;
      const Register s0 = load(pixel), s1 = load(pixel + apart);
      const Register s2 = load(pixel + 2 * apart), s3 = load(pixel + 3 * apart);
      above[i] = s0 + (s1 + s2);
      under[i] = (s1 - s2) - s3;
    }
    Numbers<T>::store_pixels(to, shape.out, above[0], above[1]);
    Numbers<T>::store_pixels(below, shape.out, under[0], under[1]);
  }
}

// All products of some tiles with the weights of WIDE registers of output channels: to sums[register][row of places].
template <class T, int WORDS>
void multiply(int64_t tiles, const uint32_t* transformed, int64_t apart, const uint32_t* weights, int num_words,
              float* sums, int64_t sums_apart) {
  for (int i = 0; i < SIDE; i++, weights += SIDE * num_words * LANES, sums += sums_apart) {
    const uint32_t* row = transformed + i * SIDE * apart;
    for (int64_t t = 0; t < tiles; t += TOGETHER) {
      multiply_row<T, WORDS>(row + t * num_words, apart, weights, num_words, sums + t * 2 * LANES, SIDE * sums_apart);
    }
  }
}

// Sizes that convolving needs besides maps and weights.
struct Blocks {
  int64_t together, apart, sums_apart;  // rows of tiles; words between places, and between their sums
};

// Convolves rows [first, end) of tiles, with memory for them that is initialised to zero.
template <class T, int WORDS>
void convolve_rows(const Shape shape, const Blocks blocks, int64_t first, int64_t end, const T* maps, const T* zeros,
                   const uint32_t* weights, uint32_t* transformed, float* sums, T* out) {
  const int words = shape.in / Numbers<T>::A_WORD;
  for (int64_t start = first; start < end; start += blocks.together) {
    const int64_t rows = std::min(blocks.together, end - start);
    for (int64_t row = 0; row < rows; row++) {
      transform_row<T>(shape, pixel_rows(shape, shape.in, maps, zeros, start + row), shape.in, blocks.apart,
                       transformed + row * shape.tiles() * words);
    }
    for (int o = 0; o < shape.out; o += WIDE * LANES) {
      multiply<T, WORDS>(rows * shape.tiles(), transformed, blocks.apart,
                         weights + static_cast<int64_t>(PLACES) * words * o, words, sums, blocks.sums_apart);
      for (int r = 0; r < WIDE; r++) {
        for (int64_t row = 0; row < rows; row++) {
          write_row<T>(shape, sums + r * SIDE * blocks.sums_apart + row * shape.width * LANES, blocks.sums_apart,
                       out + (start + row) * 2 * shape.width * shape.out + o + r * LANES);
        }
      }
    }
  }
}

// Convolves with weights already transformed, as words[out / LANES][place][in][LANES].
template <class T, int WORDS> void convolve(const Shape& shape, const T* maps, const uint32_t* weights, T* out) {
  const int64_t together = shape.rows_together(BLOCK);
  const int64_t tiles = (together * shape.tiles() + TOGETHER - 1) / TOGETHER * TOGETHER;
  // Places a power of two apart would map to the same cache lines.
  const Blocks blocks{together, tiles * shape.in / Numbers<T>::A_WORD + LANES, (tiles * 2 + 1) * LANES};
  const int64_t num_blocks = (shape.rows() + together - 1) / together;
  const int pieces = static_cast<int>(std::min<int64_t>(num_blocks, PIECES));
  in_pieces(pieces, shape.threads, [&] {
    return [&, zeros = Zeros(static_cast<int64_t>(shape.width) * shape.in), transformed = Zeros(PLACES * blocks.apart),
            sums = Buffer(WIDE * SIDE * blocks.sums_apart)](int place) mutable {
      const Piece piece(num_blocks, pieces, place);
      convolve_rows<T, WORDS>(shape, blocks, piece.first * together, std::min(piece.end * together, shape.rows()), maps,
                              reinterpret_cast<const T*>(zeros.words()), weights, transformed.words(), sums.floats(), out);
    };
  });
}

// G of three numbers.
inline void spread(Register a, Register b, Register c, Register to[SIDE]) {
  const Register outer = 0.5f * (a + c), inner = 0.5f * b;
  to[0] = a;
  to[1] = outer + inner;
  to[2] = outer - inner;
  to[3] = c;
}

// G g G^T of a register's filters, from their numbers at each tap.
inline void transform_filters(const Register taps[TAPS], Register to[PLACES]) {
  Register columns[3][SIDE];
#pragma GCC unroll 3
  for (int x = 0; x < 3; x++) spread(taps[x], taps[3 + x], taps[6 + x], columns[x]);
#pragma GCC unroll 4
  for (int i = 0; i < SIDE; i++) spread(columns[0][i], columns[1][i], columns[2][i], to + i * SIDE);
}

// The transformed weights for `convolve`, from filters[out][tap][in]; with `back`, for the gradient of the maps, of
// rotated filters with input and output channels exchanged.
template <class T> void prepare(int in, int out, int threads, const float* filters, bool back, uint32_t* words) {
  const int entering = back ? out : in, leaving = back ? in : out;
  const int apart = entering / Numbers<T>::A_WORD * LANES;  // words per place
  each_piece(leaving / LANES, threads, [=](int piece) {
    const int l = piece * LANES;
    uint32_t* to = words + static_cast<int64_t>(piece) * PLACES * apart;
    for (int e = 0; e < entering; e += 2) {
      Register pair[2][PLACES];
      for (int which = 0; which < 2; which++) {
        Register taps[TAPS];
        for (int tap = 0; tap < TAPS; tap++) {
          if (back) {
            taps[TAPS - 1 - tap] = load(filters + ((e + which) * TAPS + tap) * in + l);
          } else {
            for (int i = 0; i < LANES; i++) taps[tap][i] = filters[((l + i) * TAPS + tap) * in + e + which];
          }
        }
        transform_filters(taps, pair[which]);
      }
      for (int place = 0; place < PLACES; place++) {
        Numbers<T>::store_pairs(to + place * apart + e / Numbers<T>::A_WORD * LANES, LANES, pair[0][place],
                                pair[1][place]);
      }
    }
  });
}

// A y A^T of a row of tiles, in words to multiply tile by tile: to[place][tile][channel].
template <class T> void transform_gradients(const Shape& shape, const T* from, int64_t apart, uint32_t* to) {
  const int64_t below = static_cast<int64_t>(shape.width) * shape.out;
  const int words = 2 / Numbers<T>::A_WORD * shape.out;  // in two tiles
  for (int tile = 0; tile < shape.tiles(); tile += 2, from += 4 * shape.out, to += words) {
    for (int c = 0; c < shape.out; c += LANES) {
      Register sides[4][SIDE];  // A y of each column of pixels
#pragma GCC unroll 4
      for (int x = 0; x < 4; x++) {
        const Register y0 = Numbers<T>::load_pixel(from + x * shape.out + c);
        const Register y1 = Numbers<T>::load_pixel(from + below + x * shape.out + c);
        sides[x][0] = y0;
        sides[x][1] = y0 + y1;
        sides[x][2] = y0 - y1;
        sides[x][3] = -y1;
      }
#pragma GCC unroll 4
      for (int i = 0; i < SIDE; i++) {
        const Register a = sides[0][i], b = sides[1][i], d = sides[2][i], e = sides[3][i];
        uint32_t* place = to + i * SIDE * apart + c;
        Numbers<T>::store_pairs(place, shape.out, a, d);
        Numbers<T>::store_pairs(place + apart, shape.out, a + b, d + e);
        Numbers<T>::store_pairs(place + 2 * apart, shape.out, a - b, d - e);
        Numbers<T>::store_pairs(place + 3 * apart, shape.out, -b, -e);
      }
    }
  }
}

// B^T d B of a row of tiles, in the same layout.
template <class T> void transform_pixels(const Shape& shape, const Rows<T> rows, int64_t apart, uint32_t* to) {
  const int words = 2 / Numbers<T>::A_WORD * shape.in;
  for (int c = 0; c < shape.in; c += LANES) {
    Column a = nothing(), b = column_of<T>(rows, c);
    uint32_t* start = to + c;
    for (int tile = 0; tile < shape.tiles(); tile += 2, start += words) {
      const int64_t place = static_cast<int64_t>(2 * tile + 1) * shape.in + c;
      const Column d = column_of<T>(rows, place), e = column_of<T>(rows, place + shape.in);
      const Column f = column_of<T>(rows, place + 2 * shape.in);
      const Column g = tile + 2 < shape.tiles() ? column_of<T>(rows, place + 3 * shape.in) : nothing();
#pragma GCC unroll 4
      for (int i = 0; i < SIDE; i++) {
        Register first[SIDE], second[SIDE];
        across(a.row[i], b.row[i], d.row[i], e.row[i], first);
        across(d.row[i], e.row[i], f.row[i], g.row[i], second);
#pragma GCC unroll 4
        for (int j = 0; j < SIDE; j++) {
          Numbers<T>::store_pairs(start + (i * SIDE + j) * apart, shape.in, first[j], second[j]);
        }
      }
      a = f;
      b = g;
    }
  }
}

// Adds to INPUTS x (REGISTERS * LANES) numbers of one place the products of some words of all tiles.
template <class T, int INPUTS, int REGISTERS>
inline void add_block(const Shape& shape, int64_t num_words, const uint32_t* pixels, const uint32_t* gradients,
                      float* to) {
  Register sum[INPUTS][REGISTERS];
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) sum[i][r] = load(to + i * shape.out + r * LANES);
  }
  for (int64_t word = 0; word < num_words; word++, pixels += shape.in, gradients += shape.out) {
    Register gradient[REGISTERS];
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) gradient[r] = load_once(gradients + r * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
      for (int r = 0; r < REGISTERS; r++) sum[i][r] = Numbers<T>::multiply(sum[i][r], gradient[r], pixels[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) store(to + i * shape.out + r * LANES, sum[i][r]);
  }
}

// The same for all numbers of one place.
template <class T>
void add_place(const Shape& shape, int64_t num_words, const uint32_t* pixels, const uint32_t* gradients, float* to) {
  constexpr int SUMS = REGISTERS_IN_ALL / 2;  // kept in registers
  const bool two = shape.out % (2 * LANES) == 0;
  for (int i = 0; i < shape.in; i += two ? SUMS / 2 : SUMS) {
    for (int o = 0; o < shape.out; o += two ? 2 * LANES : LANES) {
      const auto add = two ? add_block<T, SUMS / 2, 2> : add_block<T, SUMS, 1>;
      add(shape, num_words, pixels + i, gradients + o, to + static_cast<int64_t>(i) * shape.out + o);
    }
  }
}

// G^T m G for the numbers m of the 16 places, for the channels of one register.
inline void store_filters(const float* m, int64_t apart, float* to) {
  Register half[3][SIDE];
#pragma GCC unroll 4
  for (int x = 0; x < SIDE; x++) {
    const Register m0 = load(m + x * apart), m1 = load(m + (SIDE + x) * apart);
    const Register m2 = load(m + (2 * SIDE + x) * apart), m3 = load(m + (3 * SIDE + x) * apart);
    const Register middle = 0.5f * (m1 + m2);
    half[0][x] = m0 + middle;
    half[1][x] = 0.5f * (m1 - m2);
    half[2][x] = middle + m3;
  }
#pragma GCC unroll 3
  for (int y = 0; y < 3; y++) {
    const Register middle = 0.5f * (half[y][1] + half[y][2]);
    store(to + y * 3 * apart, half[y][0] + middle);
    store(to + (y * 3 + 1) * apart, 0.5f * (half[y][1] - half[y][2]));
    store(to + (y * 3 + 2) * apart, middle + half[y][3]);
  }
}

// Sizes and memory that the gradient of the weights needs besides the maps.
struct Products {
  int64_t together, in_apart, out_apart;  // rows of tiles; words between places
  uint32_t *pixels, *backs;
};

// Sums over rows [first, end) of tiles: to[place][in][out].
template <class T>
void add_rows(const Shape shape, const Products products, int64_t first, int64_t end, const T* maps, const T* zeros,
              const T* gradients, float* to) {
  const int64_t numbers = static_cast<int64_t>(shape.in) * shape.out;
  std::memset(to, 0, static_cast<size_t>(PLACES) * numbers * sizeof(float));
  for (int64_t start = first; start < end; start += products.together) {
    const int64_t rows = std::min(products.together, end - start);
    for (int64_t row = 0; row < rows; row++) {
      const int64_t word = row * shape.tiles() / Numbers<T>::A_WORD;
      transform_pixels<T>(shape, pixel_rows(shape, shape.in, maps, zeros, start + row), products.in_apart,
                          products.pixels + word * shape.in);
      transform_gradients<T>(shape, gradients + (start + row) * 2 * shape.width * shape.out, products.out_apart,
                             products.backs + word * shape.out);
    }
    for (int place = 0; place < PLACES; place++) {
      add_place<T>(shape, rows * shape.tiles() / Numbers<T>::A_WORD, products.pixels + place * products.in_apart,
                   products.backs + place * products.out_apart, to + place * numbers);
    }
  }
}

// The gradient of the weights, out x tap x in.
template <class T> void weights_gradient(const Shape& shape, const T* maps, const T* gradients, float* to) {
  const int64_t numbers = static_cast<int64_t>(shape.in) * shape.out;
  const int64_t together = shape.rows_together(GRADIENT_BLOCK);
  const int64_t words = together * shape.tiles() / Numbers<T>::A_WORD;  // of one channel
  const int64_t in_apart = words * shape.in + LANES, out_apart = words * shape.out + LANES;
  WeightSums all(shape.images, TAPS, shape.in, shape.out);
  in_pieces(all.pieces, shape.threads, [&] {
    return [&, pixels = Buffer(PLACES * in_apart), backs = Buffer(PLACES * out_apart), sums = Buffer(PLACES * numbers),
            zeros = Zeros(static_cast<int64_t>(shape.width) * shape.in)](int place) mutable {
      const Piece piece(shape.rows(), all.pieces, place);
      add_rows<T>(shape, {together, in_apart, out_apart, pixels.words(), backs.words()}, piece.first, piece.end, maps,
                  reinterpret_cast<const T*>(zeros.words()), gradients, sums.floats());
      for (int64_t i = 0; i < numbers; i += LANES) store_filters(sums.floats() + i, numbers, all.part(place) + i);
    };
  });
  all.add_up(shape.threads, to);
}

template <class T>
void convolve_with(const Shape& shape, const void* maps, const float* filters, bool back, void* out) {
  Buffer weights(static_cast<int64_t>(PLACES) * shape.in * shape.out / Numbers<T>::A_WORD);
  prepare<T>(back ? shape.out : shape.in, back ? shape.in : shape.out, shape.threads, filters, back, weights.words());
  const T* from = static_cast<const T*>(maps);
  T* to = static_cast<T*>(out);
  switch (shape.in / Numbers<T>::A_WORD) {
    case 8: return convolve<T, 8>(shape, from, weights.words(), to);
    case 16: return convolve<T, 16>(shape, from, weights.words(), to);
    case 32: return convolve<T, 32>(shape, from, weights.words(), to);
    case 64: return convolve<T, 64>(shape, from, weights.words(), to);
    default: return convolve<T, 0>(shape, from, weights.words(), to);
  }
}

}  // namespace

#endif

extern "C" {

// Floats per register if the processor supports the convolutions, else 0.
int reslab_winograd_lanes() {
#ifdef RESLAB_LANES
  return RESLAB_LANES;
#else
  return 0;
#endif
}

// maps: images x height x width x in, out: images x height x width x out, filters: float, out x 3 x 3 x in; with
// `back`, maps are the gradient of an output, out is that of the maps, and filters are in x 3 x 3 x out.
// Channels are multiples of 16, height and width even.
int reslab_winograd(int is_bfloat, int64_t images, int height, int width, int in, int out, int threads,
                    const void* maps, const float* filters, int back, void* to) {
#ifdef RESLAB_LANES
  return unless_starved([&] {
    const Shape shape{images, height, width, in, out, threads};
    if (is_bfloat) return convolve_with<bfloat>(shape, maps, filters, back != 0, to);
    convolve_with<float>(shape, maps, filters, back != 0, to);
  });
#else
  return 0;
#endif
}

// maps and gradients as in the forward pass; to: out x 3 x 3 x in.  The width is a multiple of 4, the height even.
int reslab_winograd_weights(int is_bfloat, int64_t images, int height, int width, int in, int out, int threads,
                            const void* maps, const void* gradients, float* to) {
#ifdef RESLAB_LANES
  return unless_starved([&] {
    const Shape shape{images, height, width, in, out, threads};
    if (is_bfloat) return weights_gradient(shape, static_cast<const bfloat*>(maps), static_cast<const bfloat*>(gradients), to);
    weights_gradient(shape, static_cast<const float*>(maps), static_cast<const float*>(gradients), to);
  });
#else
  return 0;
#endif
}

}  // extern "C"
