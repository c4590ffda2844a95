// 3x3 convolution with padding 1 and stride 1 in 16 multiplications for every 36 of the direct way (Lavin and Gray
// 2016, "Fast Algorithms for Convolutional Neural Networks", F(2x2, 3x3); the weights' gradient is F(3x3, 2x2)).
//
// An output tile of 2x2 pixels comes from 4x4 pixels d and a filter g: with the matrices below it is
// A^T [(G g G^T) * (B^T d B)] A, where * multiplies the 16 numbers one by one and sums over the channels.  That sum
// is a product of matrices for each of the 16 places.  Derived from it, the gradient of the filter is
// G^T [sum over tiles of (B^T d B) * (A y A^T)] G with y the gradient of the output, and the gradient of the maps is
// the convolution of y with the filter turned round.
//
// Maps are channels-last, in float or bfloat16.  Transforms and sums are float; with bfloat16, what is multiplied is
// rounded to it.  Products are made of 32-bit words: one float, or two bfloat16 that are multiplied and added at
// once.  Threads get equal parts of the images and their sums are added in order: the same number of threads gives
// the same bits.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#ifdef __AVX512F__

#include <immintrin.h>
#include <omp.h>

namespace {

using bfloat = uint16_t;
constexpr int LANES = 16;        // floats of a register
constexpr int SIDE = 4;          // of a tile with its border
constexpr int PLACES = 16;       // numbers of such a tile
constexpr int TAPS = 9;          // of a filter
constexpr int TOGETHER = 4;      // tiles whose sums are in registers at once
constexpr int BLOCK = 16;        // tiles that are transformed before they are multiplied, at least
constexpr int GRADIENT_BLOCK = 64;  // likewise, for the gradient of the weights

// Memory for numbers of 32 bits at the start of a cache line.
class Buffer {
 public:
  explicit Buffer(int64_t words) : start_(std::aligned_alloc(64, (words * 4 + 63) / 64 * 64)) {}
  ~Buffer() { std::free(start_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  uint32_t* words() { return static_cast<uint32_t*>(start_); }
  float* floats() { return static_cast<float*>(start_); }

 private:
  void* start_;
};

struct Shape {
  int64_t images;
  int height, width, in, out, threads;
  int tiles() const { return width / 2; }                             // of a row of tiles
  int64_t rows() const { return images * (height / 2); }              // of tiles
  int64_t rows_together(int tiles_together) const { return std::max(tiles_together / tiles(), 1); }
};

// How numbers of one type are loaded, stored and multiplied.
template <class T> struct Numbers;

template <> struct Numbers<float> {
  static constexpr int A_WORD = 1;  // numbers of a word
  static __m512 load(const float* from) { return _mm512_loadu_ps(from); }
  // Sixteen channels of two pixels.
  static void store_pixels(float* to, int channels, __m512 first, __m512 second) {
    _mm512_storeu_ps(to, first);
    _mm512_storeu_ps(to + channels, second);
  }
  static __m512 multiply(__m512 sum, __m512i words, uint32_t word) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(words), _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(word))),
                           sum);
  }
  // Sixteen channels at each of two places, as words.
  static void store_words(uint32_t* to, int64_t apart, __m512 first, __m512 second) {
    _mm512_storeu_ps(to, first);
    _mm512_storeu_ps(to + apart, second);
  }
  // 16 numbers each of two things that are summed over; the second's words are `apart` words on.
  static void store_pairs(uint32_t* to, int apart, __m512 first, __m512 second) {
    _mm512_storeu_ps(to, first);
    _mm512_storeu_ps(to + apart, second);
  }
};

#ifdef __AVX512BF16__
template <> struct Numbers<bfloat> {
  // The places of the numbers of two halves of a register when they take turns.
  static __m512i in_turn() {
    const __m512i even = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_or_si512(even, _mm512_slli_epi32(_mm512_add_epi32(even, _mm512_set1_epi32(LANES)), 16));
  }
  static constexpr int A_WORD = 2;
  static __m512 load(const bfloat* from) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
  }
  static void store_halves(void* to, void* further, __m512 first, __m512 second) {
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    _mm256_storeu_si256(static_cast<__m256i*>(to), _mm512_castsi512_si256(both));
    _mm256_storeu_si256(static_cast<__m256i*>(further), _mm512_extracti64x4_epi64(both, 1));
  }
  static void store_pixels(bfloat* to, int channels, __m512 first, __m512 second) {
    store_halves(to, to + channels, first, second);
  }
  static __m512 multiply(__m512 sum, __m512i words, uint32_t word) {
    return _mm512_dpbf16_ps(sum, (__m512bh)words, (__m512bh)_mm512_set1_epi32(static_cast<int>(word)));
  }
  static void store_words(uint32_t* to, int64_t apart, __m512 first, __m512 second) {
    store_halves(to, to + apart, first, second);
  }
  // A word holds a number of both.
  static void store_pairs(uint32_t* to, int, __m512 first, __m512 second) {
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(in_turn(), both));
  }
};
#endif

// Sixteen words, loaded once: a compiler that sees them used more than once would load them each time instead.
inline __m512i in_register(const uint32_t* from) {
  __m512i words = _mm512_load_si512(from);
  asm("" : "+v"(words));
  return words;
}

// B^T of four pixels below each other.
struct Column {
  __m512 row[SIDE];
};

// The four rows of pixels that a row of tiles is made from.
template <class T> struct Rows {
  const T *r0, *r1, *r2, *r3;
};

template <class T> inline Column column_of(const Rows<T>& rows, int64_t place) {
  const __m512 d0 = Numbers<T>::load(rows.r0 + place), d1 = Numbers<T>::load(rows.r1 + place);
  const __m512 d2 = Numbers<T>::load(rows.r2 + place), d3 = Numbers<T>::load(rows.r3 + place);
  return {{_mm512_sub_ps(d0, d2), _mm512_add_ps(d1, d2), _mm512_sub_ps(d2, d1), _mm512_sub_ps(d1, d3)}};
}

inline Column nothing() {
  const __m512 zero = _mm512_setzero_ps();
  return {{zero, zero, zero, zero}};
}

// One row of B^T d B, from the columns of a tile.
inline void across(__m512 a, __m512 b, __m512 c, __m512 d, __m512 to[SIDE]) {
  to[0] = _mm512_sub_ps(a, c);
  to[1] = _mm512_add_ps(b, c);
  to[2] = _mm512_sub_ps(c, b);
  to[3] = _mm512_sub_ps(b, d);
}

// Those of one row of tiles of all; rows outside the image are of zeros.
template <class T>
inline Rows<T> pixel_rows(const Shape& shape, int channels, const T* maps, const T* zeros, int64_t row) {
  const int64_t image = row / (shape.height / 2), a_row = static_cast<int64_t>(shape.width) * channels;
  const int y = static_cast<int>(row % (shape.height / 2)) * 2;
  const T* first = maps + (image * shape.height + y) * a_row;
  return {y == 0 ? zeros : first - a_row, first, first + a_row,
          y + 2 == shape.height ? zeros : first + 2 * a_row};
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
        __m512 values[SIDE];
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

// Sums of products for the four places of one row and TOGETHER tiles, then A^T along that row: two numbers a tile.
// WORDS are those of a tile, or 0 where they are not known beforehand.
template <class T, int WORDS>
inline void multiply_row(const uint32_t* tiles, int64_t apart, const uint32_t* weights, int num_words, float* to) {
  const int words = WORDS ? WORDS : num_words;
  __m512 sum[SIDE][TOGETHER];
#pragma GCC unroll 4
  for (int j = 0; j < SIDE; j++) {
#pragma GCC unroll 4
    for (int t = 0; t < TOGETHER; t++) sum[j][t] = _mm512_setzero_ps();
  }
  for (int k = 0; k < words; k++) {
#pragma GCC unroll 4
    for (int j = 0; j < SIDE; j++) {
      const __m512i weight = in_register(weights + (j * words + k) * LANES);
#pragma GCC unroll 4
      for (int t = 0; t < TOGETHER; t++) {
        sum[j][t] = Numbers<T>::multiply(sum[j][t], weight, tiles[j * apart + t * words + k]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < TOGETHER; t++) {
    const __m512 middle = _mm512_add_ps(sum[1][t], sum[2][t]), slope = _mm512_sub_ps(sum[1][t], sum[2][t]);
    _mm512_store_ps(to + 2 * t * LANES, _mm512_add_ps(sum[0][t], middle));
    _mm512_store_ps(to + (2 * t + 1) * LANES, _mm512_sub_ps(slope, sum[3][t]));
  }
}

// A^T down the rows: the pixels of a row of tiles, 16 channels of them.
template <class T> void write_row(const Shape& shape, const float* sums, int64_t apart, T* to) {
  T* below = to + static_cast<int64_t>(shape.width) * shape.out;
  for (int x = 0; x < shape.width; x += 2, sums += 2 * LANES, to += 2 * shape.out, below += 2 * shape.out) {
    __m512 above[2], under[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      const float* pixel = sums + i * LANES;
      const __m512 s0 = _mm512_load_ps(pixel), s1 = _mm512_load_ps(pixel + apart);
      const __m512 s2 = _mm512_load_ps(pixel + 2 * apart), s3 = _mm512_load_ps(pixel + 3 * apart);
      above[i] = _mm512_add_ps(s0, _mm512_add_ps(s1, s2));
      under[i] = _mm512_sub_ps(_mm512_sub_ps(s1, s2), s3);
    }
    Numbers<T>::store_pixels(to, shape.out, above[0], above[1]);
    Numbers<T>::store_pixels(below, shape.out, under[0], under[1]);
  }
}

// All products of some rows of tiles with one block of 16 channels that leave.
template <class T, int WORDS>
void multiply(int64_t tiles, const uint32_t* transformed, int64_t apart, const uint32_t* weights, int num_words,
              float* sums, int64_t sums_apart) {
  for (int i = 0; i < SIDE; i++, weights += SIDE * num_words * LANES) {
    const uint32_t* row = transformed + i * SIDE * apart;
    float* to = sums + i * sums_apart;
    for (int64_t t = 0; t < tiles; t += TOGETHER) {
      multiply_row<T, WORDS>(row + t * num_words, apart, weights, num_words, to + t * 2 * LANES);
    }
  }
}

// Convolves with weights that are transformed already, as words[out / 16][place][in][16].
template <class T, int WORDS> void convolve(const Shape& shape, const T* maps, const uint32_t* weights, T* out) {
  const int64_t together = shape.rows_together(BLOCK);
  const int64_t tiles = (together * shape.tiles() + TOGETHER - 1) / TOGETHER * TOGETHER;
  const int words = shape.in / Numbers<T>::A_WORD;
  // Places that are a power of two apart would fall on the same lines of the cache.
  const int64_t apart = tiles * words + LANES, sums_apart = (tiles * 2 + 1) * LANES;
#pragma omp parallel num_threads(shape.threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    const int64_t first = shape.rows() * thread / team, end = shape.rows() * (thread + 1) / team;
    Buffer transformed(PLACES * apart), sums(SIDE * sums_apart);
    Buffer zero_row(static_cast<int64_t>(shape.width) * shape.in);
    std::memset(zero_row.words(), 0, static_cast<size_t>(shape.width) * shape.in * sizeof(T));
    std::memset(transformed.words(), 0, static_cast<size_t>(PLACES) * apart * sizeof(uint32_t));
    for (int64_t start = first; start < end; start += together) {
      const int64_t rows = std::min(together, end - start);
      for (int64_t row = 0; row < rows; row++) {
        const Rows<T> pixels =
            pixel_rows(shape, shape.in, maps, reinterpret_cast<const T*>(zero_row.words()), start + row);
        transform_row<T>(shape, pixels, shape.in, apart, transformed.words() + row * shape.tiles() * words);
      }
      for (int o = 0; o < shape.out; o += LANES) {
        multiply<T, WORDS>(rows * shape.tiles(), transformed.words(), apart,
                           weights + static_cast<int64_t>(PLACES) * words * o, words, sums.floats(), sums_apart);
        for (int64_t row = 0; row < rows; row++) {
          write_row<T>(shape, sums.floats() + row * shape.width * LANES, sums_apart,
                       out + (start + row) * 2 * shape.width * shape.out + o);
        }
      }
    }
  }
}

// G of three numbers.
inline void spread(__m512 a, __m512 b, __m512 c, __m512 to[SIDE]) {
  const __m512 half = _mm512_set1_ps(0.5f);
  const __m512 outer = _mm512_mul_ps(half, _mm512_add_ps(a, c)), inner = _mm512_mul_ps(half, b);
  to[0] = a;
  to[1] = _mm512_add_ps(outer, inner);
  to[2] = _mm512_sub_ps(outer, inner);
  to[3] = c;
}

// G g G^T of 16 filters, from load(tap).
template <class Load> inline void transform_filters(Load load, __m512 to[PLACES]) {
  __m512 columns[3][SIDE];
#pragma GCC unroll 3
  for (int x = 0; x < 3; x++) spread(load(x), load(3 + x), load(6 + x), columns[x]);
#pragma GCC unroll 4
  for (int i = 0; i < SIDE; i++) spread(columns[0][i], columns[1][i], columns[2][i], to + i * SIDE);
}

// The transformed weights as `convolve` takes them, from filters[out][tap][in]; `back`: for the gradient of the
// maps, filters turned round, with the channels of the output coming in and those of the input going out.
template <class T> void prepare(int in, int out, const float* filters, bool back, uint32_t* to) {
  const int entering = back ? out : in, leaving = back ? in : out;
  const __m512i stride = _mm512_set1_epi32(TAPS * in);
  const __m512i sixteen = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i places = _mm512_mullo_epi32(sixteen, stride);
  const int apart = entering / Numbers<T>::A_WORD * LANES;  // words of one place
  for (int l = 0; l < leaving; l += LANES, to += PLACES * apart) {
    for (int e = 0; e < entering; e += 2) {
      __m512 pair[2][PLACES];
      for (int which = 0; which < 2; which++) {
        const float* start = back ? filters + (e + which) * TAPS * in + l : filters + l * TAPS * in + e + which;
        transform_filters(
            [&](int tap) {
              return back ? _mm512_loadu_ps(start + (TAPS - 1 - tap) * in)
                          : _mm512_i32gather_ps(places, start + tap * in, sizeof(float));
            },
            pair[which]);
      }
      for (int place = 0; place < PLACES; place++) {
        Numbers<T>::store_pairs(to + place * apart + e / Numbers<T>::A_WORD * LANES, LANES, pair[0][place],
                                       pair[1][place]);
      }
    }
  }
}

// A y A^T of two neighbouring tiles and B^T d B of the same, in words that are multiplied tile by tile:
// to[place][tile][channel].
template <class T> void transform_gradients(const Shape& shape, const T* from, int64_t apart, uint32_t* to) {
  const int64_t below = static_cast<int64_t>(shape.width) * shape.out;
  const __m512 zero = _mm512_setzero_ps();
  const int words = 2 / Numbers<T>::A_WORD * shape.out;  // of two tiles
  for (int tile = 0; tile < shape.tiles(); tile += 2, from += 4 * shape.out, to += words) {
    for (int c = 0; c < shape.out; c += LANES) {
      __m512 sides[4][SIDE];  // A y of each column of pixels
#pragma GCC unroll 4
      for (int x = 0; x < 4; x++) {
        const __m512 y0 = Numbers<T>::load(from + x * shape.out + c);
        const __m512 y1 = Numbers<T>::load(from + below + x * shape.out + c);
        sides[x][0] = y0;
        sides[x][1] = _mm512_add_ps(y0, y1);
        sides[x][2] = _mm512_sub_ps(y0, y1);
        sides[x][3] = _mm512_sub_ps(zero, y1);
      }
#pragma GCC unroll 4
      for (int i = 0; i < SIDE; i++) {
        const __m512 a = sides[0][i], b = sides[1][i], d = sides[2][i], e = sides[3][i];
        uint32_t* place = to + i * SIDE * apart + c;
        Numbers<T>::store_pairs(place, shape.out, a, d);
        Numbers<T>::store_pairs(place + apart, shape.out, _mm512_add_ps(a, b), _mm512_add_ps(d, e));
        Numbers<T>::store_pairs(place + 2 * apart, shape.out, _mm512_sub_ps(a, b), _mm512_sub_ps(d, e));
        Numbers<T>::store_pairs(place + 3 * apart, shape.out, _mm512_sub_ps(zero, b), _mm512_sub_ps(zero, e));
      }
    }
  }
}

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
        __m512 first[SIDE], second[SIDE];
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

// Adds to INPUTS x (REGISTERS * 16) numbers of one place what some words of all tiles give.
template <class T, int INPUTS, int REGISTERS>
inline void add_block(const Shape& shape, int64_t num_words, const uint32_t* pixels, const uint32_t* gradients,
                      float* to) {
  __m512 sum[INPUTS][REGISTERS];
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) sum[i][r] = _mm512_load_ps(to + i * shape.out + r * LANES);
  }
  for (int64_t word = 0; word < num_words; word++, pixels += shape.in, gradients += shape.out) {
    __m512i gradient[REGISTERS];
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) gradient[r] = in_register(gradients + r * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
      for (int r = 0; r < REGISTERS; r++) sum[i][r] = Numbers<T>::multiply(sum[i][r], gradient[r], pixels[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) _mm512_store_ps(to + i * shape.out + r * LANES, sum[i][r]);
  }
}

template <class T, int INPUTS, int REGISTERS>
void add_place(const Shape& shape, int64_t num_words, const uint32_t* pixels, const uint32_t* gradients, float* to) {
  for (int i = 0; i < shape.in; i += INPUTS) {
    for (int o = 0; o < shape.out; o += REGISTERS * LANES) {
      add_block<T, INPUTS, REGISTERS>(shape, num_words, pixels + i, gradients + o, to + i * shape.out + o);
    }
  }
}

// Sums of one thread's rows of tiles: to[place][in][out].
template <class T>
void add_rows(const Shape& shape, int64_t first, int64_t end, const T* maps, const T* gradients, float* to) {
  const int64_t together = shape.rows_together(GRADIENT_BLOCK), tiles = together * shape.tiles();
  const int64_t words = tiles / Numbers<T>::A_WORD;  // of one channel
  const int64_t in_apart = words * shape.in + LANES, out_apart = words * shape.out + LANES;
  Buffer pixels(PLACES * in_apart), backs(PLACES * out_apart);
  Buffer zero_row(static_cast<int64_t>(shape.width) * shape.in);
  std::memset(zero_row.words(), 0, static_cast<size_t>(shape.width) * shape.in * sizeof(T));
  for (int64_t start = first; start < end; start += together) {
    const int64_t rows = std::min(together, end - start);
    for (int64_t row = 0; row < rows; row++) {
      const int64_t word = row * shape.tiles() / Numbers<T>::A_WORD;
      const Rows<T> four =
          pixel_rows(shape, shape.in, maps, reinterpret_cast<const T*>(zero_row.words()), start + row);
      transform_pixels<T>(shape, four, in_apart, pixels.words() + word * shape.in);
      transform_gradients<T>(shape, gradients + (start + row) * 2 * shape.width * shape.out, out_apart,
                             backs.words() + word * shape.out);
    }
    for (int place = 0; place < PLACES; place++) {
      const uint32_t* in = pixels.words() + place * in_apart;
      const uint32_t* back = backs.words() + place * out_apart;
      float* sums = to + static_cast<int64_t>(place) * shape.in * shape.out;
      const int64_t num_words = rows * shape.tiles() / Numbers<T>::A_WORD;
      if (shape.out % (2 * LANES) == 0) {
        add_place<T, 8, 2>(shape, num_words, in, back, sums);
      } else {
        add_place<T, 16, 1>(shape, num_words, in, back, sums);
      }
    }
  }
}

// G^T m G for the numbers m of the 16 places.
inline void filter_of(const float* m, int64_t apart, float to[TAPS]) {
  float half[3][SIDE];
  for (int x = 0; x < SIDE; x++) {
    const float m0 = m[x * apart], m1 = m[(SIDE + x) * apart], m2 = m[(2 * SIDE + x) * apart];
    const float m3 = m[(3 * SIDE + x) * apart], middle = 0.5f * (m1 + m2);
    half[0][x] = m0 + middle;
    half[1][x] = 0.5f * (m1 - m2);
    half[2][x] = middle + m3;
  }
  for (int y = 0; y < 3; y++) {
    const float middle = 0.5f * (half[y][1] + half[y][2]);
    to[y * 3] = half[y][0] + middle;
    to[y * 3 + 1] = 0.5f * (half[y][1] - half[y][2]);
    to[y * 3 + 2] = middle + half[y][3];
  }
}

template <class T> void weights_gradient(const Shape& shape, const T* maps, const T* gradients, float* to) {
  const int64_t numbers = static_cast<int64_t>(shape.in) * shape.out, size = PLACES * numbers;
  Buffer parts(size * shape.threads);
  std::memset(parts.floats(), 0, static_cast<size_t>(size) * shape.threads * sizeof(float));
#pragma omp parallel num_threads(shape.threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    add_rows<T>(shape, shape.rows() * thread / team, shape.rows() * (thread + 1) / team, maps, gradients,
                parts.floats() + size * thread);
  }
  float* total = parts.floats();
  for (int thread = 1; thread < shape.threads; thread++) {
    const float* part = parts.floats() + size * thread;
    for (int64_t i = 0; i < size; i++) total[i] += part[i];
  }
  for (int i = 0; i < shape.in; i++) {
    for (int o = 0; o < shape.out; o++) {
      float filter[TAPS];
      filter_of(total + static_cast<int64_t>(i) * shape.out + o, numbers, filter);
      for (int tap = 0; tap < TAPS; tap++) to[(static_cast<int64_t>(o) * TAPS + tap) * shape.in + i] = filter[tap];
    }
  }
}

template <class T>
void convolve_with(const Shape& shape, const void* maps, const float* filters, bool back, void* out) {
  Buffer words(static_cast<int64_t>(PLACES) * shape.in * shape.out / Numbers<T>::A_WORD);
  prepare<T>(back ? shape.out : shape.in, back ? shape.in : shape.out, filters, back, words.words());
  const T* from = static_cast<const T*>(maps);
  T* to = static_cast<T*>(out);
  switch (shape.in / Numbers<T>::A_WORD) {
    case 8: return convolve<T, 8>(shape, from, words.words(), to);
    case 16: return convolve<T, 16>(shape, from, words.words(), to);
    case 32: return convolve<T, 32>(shape, from, words.words(), to);
    case 64: return convolve<T, 64>(shape, from, words.words(), to);
    default: return convolve<T, 0>(shape, from, words.words(), to);
  }
}

}  // namespace

#endif

extern "C" {

// 1 where the compiler was told of a processor with AVX-512.
int reslab_winograd_usable() {
#ifdef __AVX512F__
  return 1;
#else
  return 0;
#endif
}

// maps: images x height x width x in, out: images x height x width x out, filters: float, out x 3 x 3 x in; with
// `back`, maps are the gradient of an output, out is that of the maps, and filters are in x 3 x 3 x out.
// Channels are multiples of 16, height and width even.
void reslab_winograd(int is_bfloat, int64_t images, int height, int width, int in, int out, int threads,
                     const void* maps, const float* filters, int back, void* to) {
#ifdef __AVX512F__
  const Shape shape{images, height, width, in, out, threads};
#ifdef __AVX512BF16__
  if (is_bfloat) return convolve_with<bfloat>(shape, maps, filters, back != 0, to);
#endif
  convolve_with<float>(shape, maps, filters, back != 0, to);
#endif
}

// maps and gradients as in the forward pass; to: out x 3 x 3 x in.  The width is a multiple of 4, the height even.
void reslab_winograd_weights(int is_bfloat, int64_t images, int height, int width, int in, int out, int threads,
                             const void* maps, const void* gradients, float* to) {
#ifdef __AVX512F__
  const Shape shape{images, height, width, in, out, threads};
#ifdef __AVX512BF16__
  if (is_bfloat) {
    return weights_gradient<bfloat>(shape, static_cast<const bfloat*>(maps), static_cast<const bfloat*>(gradients),
                                    to);
  }
#endif
  weights_gradient<float>(shape, static_cast<const float*>(maps), static_cast<const float*>(gradients), to);
#endif
}

}  // extern "C"
