// The gradient of a 3x3 convolution's weights (padding 1, stride 1 or 2), in bfloat16 with sums in float.
//
// Maps are channels-last.  The processor's dot product takes pairs of bfloat16 along the axis that is summed over,
// which here is that of the pixels: both maps are first woven, so that a 32-bit number holds one channel of two
// neighbouring pixels.  A block of the gradient then stays in registers while all pixels of some images go by.
// Threads get equal parts of the images and their sums are added in order: the same number of threads gives the
// same bits.

#include <algorithm>
#include <cstdint>
#include <vector>

#ifdef __AVX512BF16__

#include <immintrin.h>
#include <omp.h>

namespace {

using bfloat = uint16_t;
constexpr int LANES = 16;    // floats of a register
constexpr int TAPS = 3;      // of the kernel along one axis
constexpr int ENOUGH = 512;  // pixels of output that a block of the gradient stays in registers for, at least

struct Convolution {
  int64_t images;
  int height, width, in, out, stride;
  int rows() const { return height / stride; }
  int pairs() const { return width / stride / 2; }  // of neighbouring pixels in a row of the output
};

// 16 channels of two pixels as pairs; a pixel outside the image is null and counts as zero.
inline __m512i weave(const bfloat* first, const bfloat* second) {
  const auto widened = [](const bfloat* pixel) {
    return pixel == nullptr ? _mm512_setzero_si512()
                            : _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pixel)));
  };
  return _mm512_or_si512(widened(first), _mm512_slli_epi32(widened(second), 16));
}

// Weaves pixels offset + step * (2 q) and offset + step * (2 q + 1) of each row, for all its pairs q.
void weave_rows(const bfloat* maps, int64_t rows, int width, int channels, int pairs, int step, int offset,
                uint32_t* to) {
  for (int64_t row = 0; row < rows; row++, maps += static_cast<int64_t>(width) * channels) {
    for (int pair = 0; pair < pairs; pair++, to += channels) {
      const int first = offset + step * 2 * pair, second = first + step;
      for (int c = 0; c < channels; c += LANES) {
        const bfloat* one = first < 0 ? nullptr : maps + first * channels + c;
        const bfloat* two = second >= width ? nullptr : maps + second * channels + c;
        _mm512_storeu_si512(to + c, weave(one, two));
      }
    }
  }
}

// Adds to INPUTS x (REGISTERS * LANES) numbers of the gradient what these images give for one tap.
template <int INPUTS, int REGISTERS>
void add_block(const Convolution& shape, int64_t images, int tap_row, const uint32_t* maps, const uint32_t* gradients,
               float* to) {
  __m512 sum[INPUTS][REGISTERS];
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) sum[i][r] = _mm512_loadu_ps(to + i * shape.out + r * LANES);
  }
  const int pairs = shape.pairs(), rows = shape.rows();
  const int first_row = tap_row == 0 ? 1 : 0;  // of the output, whose tap is inside the image
  const int end_row = tap_row == TAPS - 1 && shape.stride == 1 ? rows - 1 : rows;
  for (int64_t image = 0; image < images; image++) {
    for (int row = first_row; row < end_row; row++) {
      const uint32_t* in = maps + (image * shape.height + row * shape.stride + tap_row - 1) * pairs * shape.in;
      const uint32_t* back = gradients + (image * rows + row) * pairs * shape.out;
      for (int pair = 0; pair < pairs; pair++, in += shape.in, back += shape.out) {
        __m512bh gradient[REGISTERS];
#pragma GCC unroll 2
        for (int r = 0; r < REGISTERS; r++) gradient[r] = (__m512bh)_mm512_loadu_si512(back + r * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < INPUTS; i++) {
          const __m512bh pixels = (__m512bh)_mm512_set1_epi32(static_cast<int>(in[i]));
#pragma GCC unroll 2
          for (int r = 0; r < REGISTERS; r++) sum[i][r] = _mm512_dpbf16_ps(sum[i][r], gradient[r], pixels);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < INPUTS; i++) {
#pragma GCC unroll 2
    for (int r = 0; r < REGISTERS; r++) _mm512_storeu_ps(to + i * shape.out + r * LANES, sum[i][r]);
  }
}

// What some images give, added to `to` as TAPS x TAPS x in x out.
template <int INPUTS, int REGISTERS>
void add_images(const Convolution& shape, int64_t first, int64_t end, const bfloat* maps, const bfloat* gradients,
                float* to) {
  const int pairs = shape.pairs(), rows = shape.rows();
  const int64_t together = std::max(ENOUGH / (rows * 2 * pairs), 1);
  std::vector<uint32_t> woven(together * shape.height * pairs * shape.in);
  std::vector<uint32_t> woven_gradients(together * rows * pairs * shape.out);
  for (int64_t start = first; start < end; start += together) {
    const int64_t images = std::min(together, end - start);
    weave_rows(gradients + start * rows * 2 * pairs * shape.out, images * rows, 2 * pairs, shape.out, pairs, 1, 0,
               woven_gradients.data());
    for (int column = 0; column < TAPS; column++) {
      weave_rows(maps + start * shape.height * shape.width * shape.in, images * shape.height, shape.width, shape.in,
                 pairs, shape.stride, column - 1, woven.data());
      for (int row = 0; row < TAPS; row++) {
        float* tap = to + static_cast<int64_t>(row * TAPS + column) * shape.in * shape.out;
        for (int i = 0; i < shape.in; i += INPUTS) {
          for (int o = 0; o < shape.out; o += REGISTERS * LANES) {
            add_block<INPUTS, REGISTERS>(shape, images, row, woven.data() + i, woven_gradients.data() + o,
                                         tap + i * shape.out + o);
          }
        }
      }
    }
  }
}

}  // namespace

#endif

extern "C" {

// 1 where the compiler was told of a processor that multiplies bfloat16.
int reslab_convolution_usable() {
#ifdef __AVX512BF16__
  return 1;
#else
  return 0;
#endif
}

// maps: images x height x width x in; gradients, of the output: images x height / stride x width / stride x out; to:
// out x 3 x 3 x in.  Channels are multiples of 16, height and width of 2 * stride.
void reslab_convolution_weights(int64_t images, int height, int width, int in, int out, int stride, int threads,
                                const uint16_t* maps, const uint16_t* gradients, float* to) {
#ifdef __AVX512BF16__
  const Convolution shape{images, height, width, in, out, stride};
  const int64_t size = static_cast<int64_t>(TAPS) * TAPS * in * out;
  std::vector<float> parts(size * threads, 0.0f);
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    const int64_t first = images * thread / team, end = images * (thread + 1) / team;
    float* part = parts.data() + size * thread;
    if (out % (2 * LANES) == 0) {
      add_images<8, 2>(shape, first, end, maps, gradients, part);
    } else {
      add_images<16, 1>(shape, first, end, maps, gradients, part);
    }
  }
  for (int o = 0; o < out; o++) {
    for (int tap = 0; tap < TAPS * TAPS; tap++) {
      for (int i = 0; i < in; i++) {
        float sum = 0;
        for (int thread = 0; thread < threads; thread++) {
          sum += parts[size * thread + static_cast<int64_t>(tap * in + i) * out + o];
        }
        to[(static_cast<int64_t>(o) * TAPS * TAPS + tap) * in + i] = sum;
      }
    }
  }
#endif
}

}  // extern "C"
