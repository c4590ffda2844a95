// Batch norm, then addition of a shortcut and ReLU: in training two passes over the maps forward and two backward, in
// evaluation one.
//
// Maps are channels-last: rows of C numbers, C being 16, 32 or a multiple of 64, in float or bfloat16; all sums and
// coefficients are float or double.  A row is treated as part of a "wide row" of W = max(C, 64) numbers, so that
// every inner loop runs over 64 numbers and is vectorised whatever C is.  Wide rows are summed in pieces, which are
// added in order (pieces.h): bits do not depend on the number of threads.
//
// Sums are of deviations from a number near the mean, and deviations from the mean are scaled, so that a mean of many
// standard deviations costs no precision.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pieces.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace {

using namespace reslab;
using bfloat = uint16_t;
constexpr int BLOCK = 64;   // numbers of an inner loop
constexpr int CHUNK = 128;  // wide rows added up in float before that is added to a sum in double
constexpr int PIECES = 32;  // most pieces, each of at least a chunk
constexpr int PROBES = 8;   // wide rows, spread evenly, whose average is near the mean

inline float wide(float value) { return value; }
inline float wide(bfloat value) {
  uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

template <class T> inline T narrow(float value);
template <> inline float narrow<float>(float value) { return value; }
template <> inline bfloat narrow<bfloat>(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits += 0x7fff + ((bits >> 16) & 1);  // to nearest, ties to even
  return value != value ? bfloat{0x7fc0} : static_cast<bfloat>(bits >> 16);
}

// Stores a block of numbers.
template <class T> inline void store_block(T* __restrict to, const float* __restrict from) {
  for (int i = 0; i < BLOCK; i++) to[i] = narrow<T>(from[i]);
}
#ifdef __AVX512BF16__
template <> inline void store_block<bfloat>(bfloat* __restrict to, const float* __restrict from) {
#pragma GCC unroll 2
  for (int i = 0; i < BLOCK; i += 32) {
    const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + 16), _mm512_loadu_ps(from + i));
    _mm512_storeu_si512(to + i, (__m512i)both);
  }
}
#endif

struct Shape {
  int64_t rows;  // wide rows
  int width;     // numbers in one
  int channels;
  int threads;
  int pieces;
};

Shape shape_of(int64_t numbers, int channels, int threads) {
  int width = std::max(channels, BLOCK);
  const int64_t rows = numbers / width;
  return {rows, width, channels, threads, static_cast<int>(std::clamp<int64_t>(rows / CHUNK, 1, PIECES))};
}

// Calls body(first row, end row, piece) on pieces of the rows.
template <class Body> void in_parallel(const Shape& shape, Body body) {
  each_piece(shape.pieces, shape.threads, [&](int place) {
    const Piece piece(shape.rows, shape.pieces, place);
    body(piece.first, piece.end, place);
  });
}

// Two sums for each channel over all rows; body adds them up over some rows of one block of columns.
template <class Body> std::vector<double> sums(const Shape& shape, Body body) {
  std::vector<double> parts(static_cast<size_t>(shape.pieces) * 2 * shape.width, 0.0);
  in_parallel(shape, [&](int64_t first, int64_t end, int piece) {
    double* part = parts.data() + static_cast<size_t>(piece) * 2 * shape.width;
    for (int64_t start = first; start < end; start += CHUNK) {
      int64_t stop = std::min<int64_t>(start + CHUNK, end);
      for (int column = 0; column < shape.width; column += BLOCK) {
        float one[BLOCK] = {}, two[BLOCK] = {};
        body(start, stop, column, one, two);
        for (int i = 0; i < BLOCK; i++) {
          part[column + i] += one[i];
          part[shape.width + column + i] += two[i];
        }
      }
    }
  });
  std::vector<double> total(2 * shape.channels, 0.0);
  for (int piece = 0; piece < shape.pieces; piece++) {
    const double* part = parts.data() + static_cast<size_t>(piece) * 2 * shape.width;
    for (int i = 0; i < shape.width; i++) {
      total[i % shape.channels] += part[i];
      total[shape.channels + i % shape.channels] += part[shape.width + i];
    }
  }
  return total;
}

// A number near the mean of its channel, for each number of a wide row.
template <class T> std::vector<float> near_mean(const Shape& shape, const T* maps) {
  std::vector<double> total(shape.channels, 0.0);
  for (int probe = 0; probe < PROBES; probe++) {
    const T* row = maps + shape.rows * probe / PROBES * shape.width;
    for (int i = 0; i < shape.width; i++) total[i % shape.channels] += wide(row[i]);
  }
  std::vector<float> near(shape.width);
  for (int i = 0; i < shape.width; i++) {
    near[i] = static_cast<float>(total[i % shape.channels] / (PROBES * (shape.width / shape.channels)));
  }
  return near;
}

// What forward saves for backward, each of `width` numbers: the mean, the remainder lost by rounding it to float,
// 1 / deviation, and the coefficients of (value - mean) * scale + shift, which normalises.
struct Saved {
  float *mean, *rest, *inverse, *scale, *shift;
  Saved(float* start, int width)
      : mean(start),
        rest(start + width),
        inverse(start + 2 * width),
        scale(start + 3 * width),
        shift(start + 4 * width) {}
};

// The coefficients of a block of columns.
struct Coefficients {
  float mean[BLOCK], scale[BLOCK], shift[BLOCK];
  Coefficients(const Saved& saved, int column) {
    std::memcpy(mean, saved.mean + column, sizeof mean);
    std::memcpy(scale, saved.scale + column, sizeof scale);
    std::memcpy(shift, saved.shift + column, sizeof shift);
  }
  float normalised(float value, int i) const { return (value - mean[i]) * scale[i] + shift[i]; }
};

template <class T, bool ADD, bool RELU>
void normalise(const Shape& shape, const T* maps, const T* shortcut, T* out, const Saved& saved) {
  in_parallel(shape, [&](int64_t first, int64_t end, int) {
    for (int column = 0; column < shape.width; column += BLOCK) {
      const Coefficients all(saved, column);
      for (int64_t row = first; row < end; row++) {
        const int64_t place = row * shape.width + column;
        const T* __restrict in = maps + place;
        const T* __restrict add = shortcut + place;
        T* __restrict to = out + place;
        float values[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
          float value = all.normalised(wide(in[i]), i);
          if (ADD) value += wide(add[i]);
          values[i] = RELU && value < 0 ? 0 : value;  // keeps NaN
        }
        store_block(to, values);
      }
    }
  });
}

template <class T>
void normalise_all(const Shape& shape, const T* maps, const T* shortcut, T* out, const Saved& saved, bool relu) {
  if (shortcut != nullptr) {
    normalise<T, true, true>(shape, maps, shortcut, out, saved);
  } else if (relu) {
    normalise<T, false, true>(shape, maps, maps, out, saved);
  } else {
    normalise<T, false, false>(shape, maps, maps, out, saved);
  }
}

// Normalises by the running mean and variance.
template <class T>
void evaluate(const Shape& shape, const T* maps, const T* shortcut, T* out, const float* gamma, const float* beta,
              const float* running_mean, const float* running_var, double epsilon, bool relu) {
  std::vector<float> numbers(5 * shape.width);
  const Saved saved(numbers.data(), shape.width);
  for (int i = 0; i < shape.width; i++) {
    const int c = i % shape.channels;
    saved.mean[i] = running_mean[c];
    saved.scale[i] = static_cast<float>(gamma[c] / std::sqrt(running_var[c] + epsilon));
    saved.shift[i] = beta[c];
  }
  normalise_all(shape, maps, shortcut, out, saved, relu);
}

template <class T>
void forward(const Shape& shape, const T* maps, const T* shortcut, T* out, const float* gamma, const float* beta,
             float* running_mean, float* running_var, double momentum, double epsilon, float* saved_numbers,
             bool relu) {
  Saved saved(saved_numbers, shape.width);
  const std::vector<float> near = near_mean(shape, maps);
  auto total = sums(shape, [&](int64_t start, int64_t stop, int column, float* sum, float* squares) {
    float from[BLOCK];
    std::memcpy(from, near.data() + column, sizeof from);
    for (int64_t row = start; row < stop; row++) {
      const T* __restrict in = maps + row * shape.width + column;
      for (int i = 0; i < BLOCK; i++) {
        float value = wide(in[i]) - from[i];
        sum[i] += value;
        squares[i] += value * value;
      }
    }
  });
  const double count = static_cast<double>(shape.rows) * shape.width / shape.channels;
  for (int c = 0; c < shape.channels; c++) {
    double further = total[c] / count, mean = near[c] + further;
    double variance = std::max(total[shape.channels + c] / count - further * further, 0.0);
    double inverse = 1 / std::sqrt(variance + epsilon);
    double unbiased = variance * (count / (count - 1));
    running_mean[c] = static_cast<float>((1 - momentum) * running_mean[c] + momentum * mean);
    running_var[c] = static_cast<float>((1 - momentum) * running_var[c] + momentum * unbiased);
    for (int i = c; i < shape.width; i += shape.channels) {
      saved.mean[i] = static_cast<float>(mean);
      saved.rest[i] = static_cast<float>(mean - saved.mean[i]);
      saved.inverse[i] = static_cast<float>(inverse);
      saved.scale[i] = static_cast<float>(gamma[c] * inverse);
      saved.shift[i] = static_cast<float>(beta[c] - saved.rest[i] * gamma[c] * inverse);
    }
  }
  normalise_all(shape, maps, shortcut, out, saved, relu);
}

// The gradient before the ReLU: the sum of one or two gradients after it, where the output was above zero.
template <class T, bool TWO, bool RELU>
inline float before_relu(const T* one, const T* two, int i, float output) {
  float gradient = wide(one[i]);
  if (TWO) gradient += wide(two[i]);
  return RELU && !(output > 0) ? 0.0f : gradient;
}

// KEEP: there was a shortcut, so that the output shows where the ReLU was active, and the gradient before the ReLU,
// which is also the shortcut's, is stored.  Otherwise both are recomputed from the maps.
template <class T, bool TWO, bool RELU, bool KEEP>
void backward(const Shape& shape, const T* one, const T* two, const T* out, const T* maps, T* kept, T* to,
              const float* gamma, float* saved_numbers, float* gamma_gradient, float* beta_gradient) {
  Saved saved(saved_numbers, shape.width);
  auto total = sums(shape, [&](int64_t start, int64_t stop, int column, float* sum, float* products) {
    const Coefficients all(saved, column);
    for (int64_t row = start; row < stop; row++) {
      const int64_t place = row * shape.width + column;
      const T* __restrict in = maps + place;
      const T* __restrict from_one = one + place;
      const T* __restrict from_two = two + place;
      const T* __restrict after = out + place;
      T* __restrict keep = kept + place;
      float before[BLOCK];
      for (int i = 0; i < BLOCK; i++) {
        float output = KEEP ? wide(after[i]) : all.normalised(wide(in[i]), i);
        before[i] = before_relu<T, TWO, RELU>(from_one, from_two, i, output);
      }
      if (KEEP) store_block(keep, before);
      for (int i = 0; i < BLOCK; i++) {
        float gradient = KEEP ? wide(keep[i]) : before[i];
        sum[i] += gradient;
        products[i] += gradient * (wide(in[i]) - all.mean[i]);
      }
    }
  });
  const double count = static_cast<double>(shape.rows) * shape.width / shape.channels;
  std::vector<float> slope(shape.width), pull(shape.width), level(shape.width);
  for (int c = 0; c < shape.channels; c++) {
    double inverse = saved.inverse[c], of_beta = total[c];
    double of_gamma = (total[shape.channels + c] - saved.rest[c] * of_beta) * inverse;
    gamma_gradient[c] = static_cast<float>(of_gamma);
    beta_gradient[c] = static_cast<float>(of_beta);
    double steep = gamma[c] * inverse, back = -steep * inverse * of_gamma / count;
    for (int i = c; i < shape.width; i += shape.channels) {
      slope[i] = static_cast<float>(steep);
      pull[i] = static_cast<float>(back);
      level[i] = static_cast<float>(-steep * of_beta / count - back * saved.rest[c]);
    }
  }
  in_parallel(shape, [&](int64_t first, int64_t end, int) {
    for (int column = 0; column < shape.width; column += BLOCK) {
      float a[BLOCK], b[BLOCK], c[BLOCK];
      std::memcpy(a, slope.data() + column, sizeof a);
      std::memcpy(b, pull.data() + column, sizeof b);
      std::memcpy(c, level.data() + column, sizeof c);
      const Coefficients all(saved, column);
      for (int64_t row = first; row < end; row++) {
        const int64_t place = row * shape.width + column;
        const T* __restrict in = maps + place;
        const T* __restrict from_one = one + place;
        const T* __restrict from_two = two + place;
        const T* __restrict keep = kept + place;
        T* __restrict result = to + place;
        float values[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
          float value = wide(in[i]);
          float gradient = KEEP ? wide(keep[i])
                                : before_relu<T, TWO, RELU>(from_one, from_two, i, all.normalised(value, i));
          values[i] = a[i] * gradient + b[i] * (value - all.mean[i]) + c[i];
        }
        store_block(result, values);
      }
    }
  });
}

template <class T>
void choose_backward(const Shape& shape, const T* one, const T* two, const T* out, const T* maps, T* kept, T* to,
                     const float* gamma, float* saved, float* gamma_gradient, float* beta_gradient, bool relu) {
  const T* second = two == nullptr ? one : two;
  auto call = [&](auto function) {
    function(shape, one, second, out == nullptr ? maps : out, maps, kept == nullptr ? to : kept, to, gamma, saved,
             gamma_gradient, beta_gradient);
  };
  if (kept != nullptr) {
    two == nullptr ? call(backward<T, false, true, true>) : call(backward<T, true, true, true>);
  } else if (relu) {
    two == nullptr ? call(backward<T, false, true, false>) : call(backward<T, true, true, false>);
  } else {
    two == nullptr ? call(backward<T, false, false, false>) : call(backward<T, true, false, false>);
  }
}

}  // namespace

extern "C" {

int reslab_norm_forward(int is_bfloat, int64_t numbers, int channels, int threads, const void* maps,
                        const void* shortcut, void* out, const float* gamma, const float* beta, float* running_mean,
                        float* running_var, double momentum, double epsilon, float* saved, int relu) {
  return unless_starved([&] {
    Shape shape = shape_of(numbers, channels, threads);
    if (is_bfloat) {
      forward(shape, static_cast<const bfloat*>(maps), static_cast<const bfloat*>(shortcut), static_cast<bfloat*>(out),
              gamma, beta, running_mean, running_var, momentum, epsilon, saved, relu != 0);
    } else {
      forward(shape, static_cast<const float*>(maps), static_cast<const float*>(shortcut), static_cast<float*>(out),
              gamma, beta, running_mean, running_var, momentum, epsilon, saved, relu != 0);
    }
  });
}

int reslab_norm_evaluate(int is_bfloat, int64_t numbers, int channels, int threads, const void* maps,
                         const void* shortcut, void* out, const float* gamma, const float* beta,
                         const float* running_mean, const float* running_var, double epsilon, int relu) {
  return unless_starved([&] {
    Shape shape = shape_of(numbers, channels, threads);
    if (is_bfloat) {
      evaluate(shape, static_cast<const bfloat*>(maps), static_cast<const bfloat*>(shortcut), static_cast<bfloat*>(out),
               gamma, beta, running_mean, running_var, epsilon, relu != 0);
    } else {
      evaluate(shape, static_cast<const float*>(maps), static_cast<const float*>(shortcut), static_cast<float*>(out),
               gamma, beta, running_mean, running_var, epsilon, relu != 0);
    }
  });
}

int reslab_norm_backward(int is_bfloat, int64_t numbers, int channels, int threads, const void* one, const void* two,
                         const void* out, const void* maps, void* kept, void* to, const float* gamma, float* saved,
                         float* gamma_gradient, float* beta_gradient, int relu) {
  return unless_starved([&] {
    Shape shape = shape_of(numbers, channels, threads);
    if (is_bfloat) {
      choose_backward(shape, static_cast<const bfloat*>(one), static_cast<const bfloat*>(two),
                      static_cast<const bfloat*>(out), static_cast<const bfloat*>(maps), static_cast<bfloat*>(kept),
                      static_cast<bfloat*>(to), gamma, saved, gamma_gradient, beta_gradient, relu != 0);
    } else {
      choose_backward(shape, static_cast<const float*>(one), static_cast<const float*>(two),
                      static_cast<const float*>(out), static_cast<const float*>(maps), static_cast<float*>(kept),
                      static_cast<float*>(to), gamma, saved, gamma_gradient, beta_gradient, relu != 0);
    }
  });
}

}  // extern "C"
