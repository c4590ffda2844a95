// Work in pieces whose number depends only on the size of the work, so that sums made piece by piece and added in order
// have the same bits with any number of threads.
//
// Each thread starts with its own share and then steals pieces from the others: a thread that other work on the machine
// delays does not hold up the rest.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace reslab {

// The piece at this place of `pieces` nearly equal ones, as [first, end).
struct Piece {
  int64_t first, end;
  Piece(int64_t count, int pieces, int place) : first(count * place / pieces), end(count * (place + 1) / pieces) {}
};

// A thread's next piece; each on its own cache line.
struct alignas(64) Next {
  std::atomic<int> place{0};
};

// Calls work() once on each thread, which sets up the thread's own memory and returns a function, and calls that
// function with each of 0 .. pieces - 1.
template <class Work> void in_pieces(int pieces, int threads, Work work) {
#ifdef _OPENMP
  const int team = std::max(std::min(threads, pieces), 1);
  if (team > 1) {
    std::vector<Next> next(team);
    for (int thread = 0; thread < team; thread++) next[thread].place = pieces * thread / team;
    std::atomic<bool> starved{false};
#pragma omp parallel num_threads(team)
    try {
      auto body = work();
      // The team may be smaller than requested: then the missing threads' shares are taken, too.
      for (int turn = 0, thread = omp_get_thread_num(); turn < team; turn++, thread = (thread + 1) % team) {
        const int end = pieces * (thread + 1) / team;
        for (int place; (place = next[thread].place.fetch_add(1, std::memory_order_relaxed)) < end;) body(place);
      }
    } catch (const std::bad_alloc&) {  // which must not leave the team
      starved = true;
    }
    if (starved) throw std::bad_alloc();
    return;
  }
#endif
  auto body = work();
  for (int place = 0; place < pieces; place++) body(place);
}

// The same for work without per-thread memory.
template <class Body> void each_piece(int pieces, int threads, Body body) {
  in_pieces(pieces, threads, [&] { return body; });
}

// Does the work and returns 0, or 1 if there is not enough memory: no exception may reach a C caller.
template <class Work> int unless_starved(Work work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    return 1;
  }
  return 0;
}

// Memory for 32-bit numbers, aligned to a cache line.
class Buffer {
 public:
  explicit Buffer(int64_t words) : start_(std::aligned_alloc(64, (words * 4 + 63) / 64 * 64)) {
    if (start_ == nullptr && words > 0) throw std::bad_alloc();
  }
  ~Buffer() { std::free(start_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  uint32_t* words() { return static_cast<uint32_t*>(start_); }
  float* floats() { return static_cast<float*>(start_); }

 private:
  void* start_;
};

// Memory initialised to zero.
struct Zeros : Buffer {
  explicit Zeros(int64_t words) : Buffer(words) { std::memset(this->words(), 0, static_cast<size_t>(words) * 4); }
};

// The gradient of a convolution's weights, taps x in x out numbers, as a sum of pieces.  Many pieces balance the load,
// few are quickly added: 16 if together they take little memory, else 8.
class WeightSums {
 public:
  WeightSums(int64_t images, int taps, int in, int out)
      : pieces(static_cast<int>(std::min<int64_t>(images, int64_t{taps} * in * out > 16384 ? 8 : 16))),
        taps_(taps),
        in_(in),
        out_(out),
        parts_(pieces * size()) {}
  const int pieces;
  int64_t size() const { return static_cast<int64_t>(taps_) * in_ * out_; }
  float* part(int piece) { return parts_.floats() + piece * size(); }

  // Adds all pieces in order, to out x taps x in.
  void add_up(int threads, float* to) {
    const int rows = taps_ * in_, shares = std::min(rows, 32);
    in_pieces(shares, threads, [&] {
      return [&, sum = std::vector<float>(out_)](int place) mutable {
        const Piece share(rows, shares, place);
        for (int64_t row = share.first; row < share.end; row++) {
          std::copy_n(part(0) + row * out_, out_, sum.data());
          for (int piece = 1; piece < pieces; piece++) {
            const float* more = part(piece) + row * out_;
            for (int o = 0; o < out_; o++) sum[o] += more[o];
          }
          for (int o = 0; o < out_; o++) to[o * static_cast<int64_t>(rows) + row] = sum[o];
        }
      };
    });
  }

 private:
  int taps_, in_, out_;
  Buffer parts_;
};

}  // namespace reslab
