// 3x3 convolution of bfloat16 with padding 1 and stride 1 in matrix tiles (tiles.h): direct, so that no transform
// rounds anything.  An infinity may turn a neighbouring output pixel into NaN: in a tile, pixels that are not among an
// output's taps have weights of zero.
//
// The rows of a tile are equally spaced in memory.  So images are copied below each other with a row of zeros between
// them and a zero between rows, which serves as the end of one and the start of the next:
//
//     0 0 0 0         An output pixel at place p of this line of pixels (its zeros count, too: the outputs there are
//     0 a b c         discarded) has its taps at p, p + 1 and p + 2, and at the same places one and two rows on.
//     0 d e f         The taps of a row are neighbours in memory, and so are the pixels of 16 outputs.
//     0 0 0 0 0
//
// Each output is summed in one order: bits do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "numbers.h"
#include "pieces.h"
#include "tiles.h"

#ifdef RESLAB_TILES

#include <sys/syscall.h>
#include <unistd.h>

namespace {

using namespace reslab;

constexpr int ENOUGH = 512;  // least pixels that are copied before they are convolved
constexpr int PIECES = 32;   // most pieces of the images
constexpr int SHARES = 16;   // least groups of images, if there are as many

// The layout of the images to convolve.  Two neighbouring pixels of 16 channels count as one place of 32, and so do two
// of the output; of the two places that an output comes from, the pixel that is not among its taps has weights of zero.
struct Line {
  explicit Line(const Shape& shape)
      : shape(shape),
        together(static_cast<int>(std::max<int64_t>(std::min(ENOUGH / shape.area(), shape.images / SHARES), 1))),
        unit(shape.in == SIDE && shape.width % 2 == 0 ? 2 : 1),
        channels(static_cast<int>(unit == 2 ? SIDE : round_up(shape.in, DEPTH))),
        row(shape.width + unit),
        square(unit == 2 || shape.out % (2 * SIDE) == 0),
        whole((unit == 2 ? 2 : TAPS) * unit * channels / DEPTH),
        step(square ? 2 * SIDE : 4 * SIDE) {}
  const Shape& shape;
  int together, unit;  // images in a group, pixels in a place
  int channels, row;   // of a pixel, padded with zeros; pixels in a row
  bool square;         // sums are of 32 outputs for 32 places, or of 16 for 64
  int whole;           // tiles that the taps of a row fill
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
        numbers_((round_up(line.places(line.together), line.step) * line.unit + 2 * line.row + 4) * line.channels / 2) {}

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
  Zeros numbers_;
};

// The weights as tiles, [out / SIDE][pixel of a place][row of taps][depth / 2][SIDE][2], from filters[out][tap][in] or,
// with `back`, rotated from filters[in][tap][out].
void prepare(const Line& line, const float* filters, bool back, uint32_t* words) {
  const int in = line.shape.in, out = line.shape.out;
  each_piece(line.blocks(), line.shape.threads, [=, &line](int block) {
    const int first = block / line.unit * SIDE, pixel = block % line.unit;
    std::memset(words + block * line.words(), 0, static_cast<size_t>(line.words()) * 4);
    for (int tap = 0; tap < TAPS * TAPS; tap++) {
      const int64_t depth = int64_t{tap / TAPS} * line.whole * DEPTH + (tap % TAPS + pixel) * line.channels;
      uint32_t* to = words + block * line.words() + depth / 2 * SIDE;
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

// Sums for 2 * SIDE places and 2 * SIDE outputs, whose weights are `weights_apart` words apart.
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

// For each place, its first pixel in the output of a group, or -1.
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

// Writes the sums of tiles 0 to 3 for those of some places whose `pixels` are in 0 .. end - 1.
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
            if (line.square) {
              sum_square(taps, line.words());
            } else {
              sum_places(taps);
            }
            write_places(line, pixels.data() + at, images * shape.area(), sums.floats(),
                         out + first * shape.area() * shape.out + o);
          }
        }
      }
    };
  });
}

}  // namespace

#endif

extern "C" {

// Requests tiles from the system, and returns 1 if this process may use them; if not, the functions below crash it.
int reslab_ask_for_tiles() {
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

}  // extern "C"
