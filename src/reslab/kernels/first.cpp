// A network's first convolution, 3x3 with padding 1 and stride 1, of images with few channels, and the gradient of its
// weights.  Products of bfloat16 are computed in float, which holds them exactly.
//
// The taps of a pixel are rows of neighbouring numbers of the image: each image is first copied, in float, with a
// border of zeros around it.  Images are summed in pieces, which are added in order (pieces.h): bits do not depend on
// the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "numbers.h"
#include "pieces.h"

#ifdef RESLAB_LANES

namespace {

using namespace reslab;

constexpr int TAPS = 3;      // of the kernel along one axis
constexpr int TOGETHER = 8;  // pixels whose sums are in registers at once
constexpr int ROWS = 8;      // of an image, whose sums are in registers at once
constexpr int PIECES = 32;   // most pieces of the images

struct First {
  int64_t images;
  int height, width, out, threads;
};

template <class T> float rounded(float value);
template <> float rounded<float>(float value) { return value; }
template <> float rounded<bfloat>(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;  // to nearest, ties to even
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return value != value ? value : result;
}

// An image of IN channels with a border, its numbers rounded to T; a row has room for more pixels than the image.
template <class T, int IN> class Bordered {
 public:
  explicit Bordered(const First& shape)
      : shape_(shape), row_((shape.width + 2 + TOGETHER) * IN), numbers_(row_ * (shape.height + 2)) {
    std::fill_n(numbers_.floats(), row_ * (shape.height + 2), 0.0f);
  }
  void take(const float* image) {
    for (int y = 0; y < shape_.height; y++, image += shape_.width * IN) {
      float* to = numbers_.floats() + (y + 1) * row_ + IN;
      for (int i = 0; i < shape_.width * IN; i++) to[i] = rounded<T>(image[i]);
    }
  }
  // The first of the TAPS * IN numbers of a pixel's taps in one row.
  const float* taps(int y, int x, int tap_row) { return numbers_.floats() + (y + tap_row) * row_ + x * IN; }

 private:
  const First& shape_;
  int64_t row_;
  Buffer numbers_;
};

// maps are images; filters: out x TAPS x TAPS x IN; out is of T.
template <class T, int IN> void convolve(const First& shape, const float* maps, const float* filters, T* out) {
  constexpr int NUMBERS = TAPS * TAPS * IN;
  Buffer weights(static_cast<int64_t>(NUMBERS) * shape.out);  // [out / LANES][NUMBERS][LANES]
  for (int o = 0; o < shape.out; o++) {
    for (int i = 0; i < NUMBERS; i++) {
      weights.floats()[(o / LANES * NUMBERS + i) * LANES + o % LANES] = rounded<T>(filters[o * NUMBERS + i]);
    }
  }
  const int pieces = static_cast<int>(std::min<int64_t>(shape.images, PIECES));
  in_pieces(pieces, shape.threads, [&] {
    return [&, bordered = Bordered<T, IN>(shape)](int place) mutable {
      const Piece piece(shape.images, pieces, place);
      for (int64_t image = piece.first; image < piece.end; image++) {
        bordered.take(maps + image * shape.height * shape.width * IN);
        for (int y = 0; y < shape.height; y++) {
          for (int x = 0; x < shape.width; x += TOGETHER) {
            T* to = out + ((image * shape.height + y) * shape.width + x) * shape.out;
            const int pixels = std::min(TOGETHER, shape.width - x);
            for (int o = 0; o < shape.out; o += LANES) {
              const float* weight = weights.floats() + static_cast<int64_t>(o) * NUMBERS;
              Register sum[TOGETHER] = {};
              for (int row = 0; row < TAPS; row++) {
                const float* taps = bordered.taps(y, x, row);
#pragma GCC unroll 12
                for (int i = 0; i < TAPS * IN; i++, weight += LANES) {
                  const Register one = load(weight);
#pragma GCC unroll 8
                  for (int t = 0; t < TOGETHER; t++) sum[t] += one * taps[t * IN + i];
                }
              }
              for (int t = 0; t < pixels; t++) Numbers<T>::store_pixel(to + t * shape.out + o, sum[t]);
            }
          }
        }
      }
    };
  });
}

// gradients are those of the output; to: out x TAPS x TAPS x IN.
template <class T, int IN> void weights_gradient(const First& shape, const float* maps, const T* gradients, float* to) {
  constexpr int NUMBERS = TAPS * IN;  // of a row of taps
  WeightSums sums(shape.images, TAPS * TAPS, IN, shape.out);
  in_pieces(sums.pieces, shape.threads, [&] {
    return [&, bordered = Bordered<T, IN>(shape)](int place) mutable {
      const Piece piece(shape.images, sums.pieces, place);
      std::fill_n(sums.part(place), sums.size(), 0.0f);
      for (int64_t image = piece.first; image < piece.end; image++) {
        bordered.take(maps + image * shape.height * shape.width * IN);
        const T* of_image = gradients + image * shape.height * shape.width * shape.out;
        for (int start = 0; start < shape.height; start += ROWS) {
          const int end = std::min(start + ROWS, shape.height);
          for (int row = 0; row < TAPS; row++) {
            for (int o = 0; o < shape.out; o += LANES) {
              Register sum[NUMBERS] = {};
              const T* back = of_image + static_cast<int64_t>(start) * shape.width * shape.out + o;
              for (int y = start; y < end; y++) {
                const float* taps = bordered.taps(y, 0, row);
                for (int x = 0; x < shape.width; x++, taps += IN, back += shape.out) {
                  const Register gradient = Numbers<T>::load_pixel(back);
#pragma GCC unroll 12
                  for (int i = 0; i < NUMBERS; i++) sum[i] += gradient * taps[i];
                }
              }
              float* part = sums.part(place) + static_cast<int64_t>(row) * NUMBERS * shape.out + o;
#pragma GCC unroll 12
              for (int i = 0; i < NUMBERS; i++) store(part + i * shape.out, load(part + i * shape.out) + sum[i]);
            }
          }
        }
      }
    };
  });
  sums.add_up(shape.threads, to);
}

// Calls `call` with the number of channels as a std::integral_constant.
template <class Call> void with_channels(int in, Call call) {
  switch (in) {
    case 1: return call(std::integral_constant<int, 1>());
    case 2: return call(std::integral_constant<int, 2>());
    case 3: return call(std::integral_constant<int, 3>());
    default: return call(std::integral_constant<int, 4>());
  }
}

template <class T> void convolve_with(int in, const First& shape, const float* maps, const float* filters, void* out) {
  with_channels(in, [&](auto channels) {
    convolve<T, decltype(channels)::value>(shape, maps, filters, static_cast<T*>(out));
  });
}

template <class T>
void gradient_with(int in, const First& shape, const float* maps, const void* gradients, float* to) {
  with_channels(in, [&](auto channels) {
    weights_gradient<T, decltype(channels)::value>(shape, maps, static_cast<const T*>(gradients), to);
  });
}

}  // namespace

#endif

extern "C" {

// maps: images x height x width x in, float; filters: out x 3 x 3 x in; out: images x height x width x out, in float or
// bfloat16.  in is 1 to 4, out a multiple of 16.
int reslab_first(int is_bfloat, int64_t images, int height, int width, int in, int out, int threads, const float* maps,
                 const float* filters, void* to) {
#ifdef RESLAB_LANES
  return unless_starved([&] {
    const First shape{images, height, width, out, threads};
    if (is_bfloat) return convolve_with<bfloat>(in, shape, maps, filters, to);
    convolve_with<float>(in, shape, maps, filters, to);
  });
#else
  return 0;
#endif
}

// gradients, of the output: images x height x width x out, in float or bfloat16; to: out x 3 x 3 x in.
int reslab_first_weights(int is_bfloat, int64_t images, int height, int width, int in, int out, int threads,
                         const float* maps, const void* gradients, float* to) {
#ifdef RESLAB_LANES
  return unless_starved([&] {
    const First shape{images, height, width, out, threads};
    if (is_bfloat) return gradient_with<bfloat>(in, shape, maps, gradients, to);
    gradient_with<float>(in, shape, maps, gradients, to);
  });
#else
  return 0;
#endif
}

}  // extern "C"
