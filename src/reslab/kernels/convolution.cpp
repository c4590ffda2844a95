// The gradient of a convolution's weights, 3x3 with padding 1 or 1x1 without, stride 1 or 2, by the direct method, for
// where Winograd's method is not possible or does not pay.  Sums are float, also of products of bfloat16.
//
// Maps are channels-last.  The processor's dot product takes pairs of bfloat16 along the axis that is summed over,
// here that of the pixels: both maps are first interleaved, so that a 32-bit word holds one channel of two neighbouring
// pixels.  A word of float is one pixel's and is read in place; without dot products, bfloat16 is first converted to
// float.  A block of the gradient then stays in registers while all pixels of some images are processed.  Images are
// summed in pieces, which are added in order (pieces.h): bits do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "numbers.h"
#include "pieces.h"

#ifdef RESLAB_LANES

namespace {

using namespace reslab;

constexpr int ENOUGH = 512;                 // least output pixels for which a block stays in registers
constexpr int SUMS = REGISTERS_IN_ALL / 2;  // kept in registers

struct Convolution {
  int64_t images;
  int height, width, in, out, taps, stride, threads;
  int padding() const { return taps / 2; }
  int rows() const { return (height - 1) / stride + 1; }
  int columns() const { return (width - 1) / stride + 1; }
  int pairs() const { return (columns() + 1) / 2; }  // of neighbouring output pixels in a row
};

// Where words are: those of a row are `step` apart.
struct Words {
  const uint32_t* start;
  int64_t image, row, step;
};

// Adds to INPUTS x (REGISTERS * LANES) numbers of the gradient the contribution of some output rows for one tap.
template <class T, int INPUTS, int REGISTERS>
void add_block(int64_t images, int rows, int num_words, const Words& maps, const Words& gradients, int out, float* to) {
  Register sum[INPUTS][REGISTERS];
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) sum[i][r] = load(to + i * out + r * LANES);
  }
  for (int64_t image = 0; image < images; image++) {
    for (int row = 0; row < rows; row++) {
      const uint32_t* in = maps.start + image * maps.image + row * maps.row;
      const uint32_t* back = gradients.start + image * gradients.image + row * gradients.row;
      for (int word = 0; word < num_words; word++, in += maps.step, back += gradients.step) {
        Register gradient[REGISTERS];
#pragma GCC unroll 2
        for (int r = 0; r < REGISTERS; r++) gradient[r] = load_once(back + r * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
          for (int r = 0; r < REGISTERS; r++) sum[i][r] = Numbers<T>::multiply(sum[i][r], gradient[r], in[i]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) store(to + i * out + r * LANES, sum[i][r]);
  }
}

// The outputs [first, end), of `outputs` along an axis, whose tap is among the `inputs`.
struct Inside {
  int first, end;
  Inside(const Convolution& shape, int tap, int inputs, int outputs) {
    const int before = shape.padding() - tap;  // how far the tap is before the output's pixel
    first = before > 0 ? (before + shape.stride - 1) / shape.stride : 0;
    end = std::min(outputs, (inputs - 1 + before) / shape.stride + 1);
    if (inputs - 1 + before < 0) end = 0;
  }
};

// Adds the contribution of some images for one tap: in x out numbers.  `maps` and `gradients` start at the first
// image's first row; `num_words` is that of a row.
template <class T>
void add_tap(const Convolution& shape, int64_t images, int tap_row, int num_words, Words maps, Words gradients,
             float* to) {
  const Inside rows(shape, tap_row, shape.height, shape.rows());
  if (rows.first >= rows.end || num_words <= 0) return;
  maps.start += (rows.first * shape.stride + tap_row - shape.padding()) * maps.row;
  maps.row *= shape.stride;
  gradients.start += rows.first * gradients.row;
  const bool two = shape.out % (2 * LANES) == 0;
  const auto add = two ? add_block<T, SUMS / 2, 2> : add_block<T, SUMS, 1>;
  const uint32_t *pixels = maps.start, *backs = gradients.start;
  for (int i = 0; i < shape.in; i += two ? SUMS / 2 : SUMS) {
    for (int o = 0; o < shape.out; o += two ? 2 * LANES : LANES) {
      maps.start = pixels + i;
      gradients.start = backs + o;
      add(images, rows.end - rows.first, num_words, maps, gradients, shape.out, to + i * shape.out + o);
    }
  }
}

// Adds the contribution of some images: taps x in x out numbers.
template <class T> struct Adding;

template <> struct Adding<float> {
  const Convolution& shape;

  void images(int64_t num_images, const float* maps, const float* gradients, float* to) {
    const auto words = [](const float* numbers) { return reinterpret_cast<const uint32_t*>(numbers); };
    const int64_t in_row = static_cast<int64_t>(shape.width) * shape.in;
    const int64_t out_row = static_cast<int64_t>(shape.columns()) * shape.out;
    for (int column = 0; column < shape.taps; column++) {
      const Inside columns(shape, column, shape.width, shape.columns());
      const int64_t first = columns.first * shape.stride + column - shape.padding();
      const Words pixels{words(maps) + first * shape.in, in_row * shape.height, in_row,
                         static_cast<int64_t>(shape.stride) * shape.in};
      const Words backs{words(gradients) + static_cast<int64_t>(columns.first) * shape.out, out_row * shape.rows(),
                        out_row, shape.out};
      for (int row = 0; row < shape.taps; row++) {
        add_tap<float>(shape, num_images, row, columns.end - columns.first, pixels, backs,
                       to + static_cast<int64_t>(row * shape.taps + column) * shape.in * shape.out);
      }
    }
  }
};

#ifdef __AVX512BF16__

// Interleaves pixels offset + step * (2 q) and offset + step * (2 q + 1) of each row, for all its pairs q.
void weave_rows(const bfloat* maps, int64_t rows, int width, int channels, int pairs, int step, int offset,
                uint32_t* to) {
  for (int64_t row = 0; row < rows; row++, maps += static_cast<int64_t>(width) * channels) {
    for (int pair = 0; pair < pairs; pair++, to += channels) {
      const int first = offset + step * 2 * pair, second = first + step;
      const auto pixel = [=](int x) { return x < 0 || x >= width ? nullptr : maps + static_cast<int64_t>(x) * channels; };
      for (int c = 0; c < channels; c += LANES) {
        const bfloat *one = pixel(first), *two = pixel(second);
        store(to + c, (Register)weave(one == nullptr ? one : one + c, two == nullptr ? two : two + c));
      }
    }
  }
}

template <> struct Adding<bfloat> {
  const Convolution& shape;
  std::vector<uint32_t> woven, woven_gradients;

  void images(int64_t num_images, const bfloat* maps, const bfloat* gradients, float* to) {
    const int pairs = shape.pairs(), rows = shape.rows();
    const int64_t in_row = static_cast<int64_t>(pairs) * shape.in, out_row = static_cast<int64_t>(pairs) * shape.out;
    woven.resize(num_images * shape.height * in_row);
    woven_gradients.resize(num_images * rows * out_row);
    weave_rows(gradients, num_images * rows, shape.columns(), shape.out, pairs, 1, 0, woven_gradients.data());
    for (int column = 0; column < shape.taps; column++) {
      weave_rows(maps, num_images * shape.height, shape.width, shape.in, pairs, shape.stride, column - shape.padding(),
                 woven.data());
      for (int row = 0; row < shape.taps; row++) {
        add_tap<bfloat>(shape, num_images, row, pairs, {woven.data(), in_row * shape.height, in_row, shape.in},
                        {woven_gradients.data(), out_row * rows, out_row, shape.out},
                        to + static_cast<int64_t>(row * shape.taps + column) * shape.in * shape.out);
      }
    }
  }
};

#else

template <> struct Adding<bfloat> {
  const Convolution& shape;
  std::vector<float> wide, wide_gradients;

  void images(int64_t num_images, const bfloat* maps, const bfloat* gradients, float* to) {
    widen(maps, num_images * shape.height * shape.width * shape.in, wide);
    widen(gradients, num_images * shape.rows() * shape.columns() * shape.out, wide_gradients);
    Adding<float>{shape}.images(num_images, wide.data(), wide_gradients.data(), to);
  }

 private:
  static void widen(const bfloat* from, int64_t numbers, std::vector<float>& to) {
    to.resize(numbers);
    for (int64_t i = 0; i < numbers; i += LANES) store(to.data() + i, Numbers<bfloat>::load_pixel(from + i));
  }
};

#endif

template <class T>
void weights_gradient(const Convolution& shape, const void* all_maps, const void* all_gradients, float* to) {
  const T *maps = static_cast<const T*>(all_maps), *gradients = static_cast<const T*>(all_gradients);
  const int64_t in_image = static_cast<int64_t>(shape.height) * shape.width * shape.in;
  const int64_t out_image = static_cast<int64_t>(shape.rows()) * shape.columns() * shape.out;
  const int64_t together = std::max(ENOUGH / (shape.rows() * shape.columns()), 1);
  WeightSums sums(shape.images, shape.taps * shape.taps, shape.in, shape.out);
  in_pieces(sums.pieces, shape.threads, [&] {
    return [&, adding = Adding<T>{shape}](int place) mutable {
      const Piece piece(shape.images, sums.pieces, place);
      std::fill_n(sums.part(place), sums.size(), 0.0f);
      for (int64_t image = piece.first; image < piece.end; image += together) {
        adding.images(std::min(together, piece.end - image), maps + image * in_image, gradients + image * out_image,
                      sums.part(place));
      }
    };
  });
  sums.add_up(shape.threads, to);
}

}  // namespace

#endif

extern "C" {

// 1 if the processor has bfloat16 dot products.
int reslab_multiplies_bfloat() {
#ifdef __AVX512BF16__
  return 1;
#else
  return 0;
#endif
}

// maps: images x height x width x in; gradients, of the output: images x ceil(height / stride) x ceil(width / stride)
// x out; to: out x taps x taps x in.  Channels are multiples of 16, taps 1 or 3, stride 1 or 2.
int reslab_convolution_weights(int is_bfloat, int64_t images, int height, int width, int in, int out, int taps,
                               int stride, int threads, const void* maps, const void* gradients, float* to) {
#ifdef RESLAB_LANES
  return unless_starved([&] {
    const Convolution shape{images, height, width, in, out, taps, stride, threads};
    if (is_bfloat) return weights_gradient<bfloat>(shape, maps, gradients, to);
    weights_gradient<float>(shape, maps, gradients, to);
  });
#else
  return 0;
#endif
}

}  // extern "C"
