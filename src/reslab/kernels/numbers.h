// How convolutions load, store and multiply numbers, depending on the processor: in registers of 16 floats (AVX-512) or
// 8 (AVX2).  Without either, RESLAB_LANES is not defined.
//
// Products are of 32-bit words: one float, or with AVX-512's dot products two bfloat16 that are multiplied and added at
// once.  Without those, maps are stored in bfloat16, but everything is multiplied in float.

#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define RESLAB_LANES 16
#elif defined(__AVX2__) && defined(__FMA__)
#define RESLAB_LANES 8
#endif

#ifdef RESLAB_LANES

#include <immintrin.h>

namespace reslab {

constexpr int LANES = RESLAB_LANES;                      // floats per register
constexpr int REGISTERS_IN_ALL = LANES == 16 ? 32 : 16;  // that the processor has
using bfloat = uint16_t;

typedef float Register __attribute__((vector_size(LANES * 4)));
typedef float Anywhere __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

inline Register load(const void* from) { return *static_cast<const Anywhere*>(from); }
inline void store(void* to, Register value) { *static_cast<Anywhere*>(to) = value; }

// Words, loaded once: a compiler that sees them used several times might load them each time instead.
inline Register load_once(const uint32_t* from) {
  Register words = load(from);
  asm("" : "+v"(words));
  return words;
}

// Words of one float each.
struct Floats {
  static constexpr int A_WORD = 1;  // numbers per word

  static Register multiply(Register sum, Register words, uint32_t word) {
    float number;
    std::memcpy(&number, &word, sizeof number);
    return sum + words * number;
  }
  // Stores neighbouring channels at each of two places, as words.
  static void store_words(uint32_t* to, int64_t apart, Register first, Register second) {
    store(to, first);
    store(to + apart, second);
  }
  // Stores numbers at two neighbours along the axis summed over, as words: the second's are `apart` words further.
  static void store_pairs(uint32_t* to, int apart, Register first, Register second) {
    store(to, first);
    store(to + apart, second);
  }
};

template <class T> struct Numbers;

template <> struct Numbers<float> : Floats {
  // A register of one pixel's channels.
  static Register load_pixel(const float* from) { return load(from); }
  static void store_pixel(float* to, Register pixel) { store(to, pixel); }
  // Stores the channels of two pixels.
  static void store_pixels(float* to, int channels, Register first, Register second) {
    store(to, first);
    store(to + channels, second);
  }
};

#ifdef __AVX512BF16__

template <> struct Numbers<bfloat> {
  static constexpr int A_WORD = 2;

  static Register load_pixel(const bfloat* from) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
  }
  static void store_pixel(bfloat* to, Register pixel) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(pixel));
  }
  static void store_pixels(bfloat* to, int channels, Register first, Register second) {
    store_halves(to, to + channels, first, second);
  }
  static Register multiply(Register sum, Register words, uint32_t word) {
    return _mm512_dpbf16_ps(sum, (__m512bh)words, (__m512bh)_mm512_set1_epi32(static_cast<int>(word)));
  }
  static void store_words(uint32_t* to, int64_t apart, Register first, Register second) {
    store_halves(to, to + apart, first, second);
  }
  // A word holds a number of each.
  static void store_pairs(uint32_t* to, int, Register first, Register second) {
    const __m512i even = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i in_turn = _mm512_or_si512(even, _mm512_slli_epi32(_mm512_add_epi32(even, _mm512_set1_epi32(16)), 16));
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    store(to, (Register)_mm512_permutexvar_epi16(in_turn, both));
  }

 private:
  static void store_halves(void* to, void* further, Register first, Register second) {
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    _mm256_storeu_si256(static_cast<__m256i*>(to), _mm512_castsi512_si256(both));
    _mm256_storeu_si256(static_cast<__m256i*>(further), _mm512_extracti64x4_epi64(both, 1));
  }
};

// 16 channels of two pixels, interleaved; a pixel outside the image is null and counts as zero.
inline __m512i weave(const bfloat* first, const bfloat* second) {
  const auto widened = [](const bfloat* pixel) {
    return pixel == nullptr ? _mm512_setzero_si512()
                            : _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pixel)));
  };
  return _mm512_or_si512(widened(first), _mm512_slli_epi32(widened(second), 16));
}

#else

typedef uint32_t Bits __attribute__((vector_size(LANES * 4)));
typedef bfloat Halves __attribute__((vector_size(LANES * 2)));

template <> struct Numbers<bfloat> : Floats {
  static Register load_pixel(const bfloat* from) {
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    return (Register)(__builtin_convertvector(halves, Bits) << 16);
  }
  static void store_pixel(bfloat* to, Register pixel) {
    const Bits bits = (Bits)pixel, nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // ties to even
    const Halves halves = __builtin_convertvector(pixel == pixel ? nearest : Bits{} + 0x7fc0, Halves);
    std::memcpy(to, &halves, sizeof halves);
  }
  static void store_pixels(bfloat* to, int channels, Register first, Register second) {
    store_pixel(to, first);
    store_pixel(to + channels, second);
  }
};

#endif

}  // namespace reslab

#endif
