"""Triton kernels for a convolution with batch norm on a GPU.

Maps are channels-last: rows of pixels, columns of channels.  A convolution is a matrix product, assembled on the fly
from `TAPS` positions of its filter at a time.  Sums over all pixels (batch statistics, parameter gradients) are stored
in pieces, one per program, which the next kernel adds, always in the same order: the same input gives the same bits,
and no program waits for another.
"""

import os

import triton
import triton.language as tl

WIDEN = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
"""Triton's interpreter cannot multiply bfloat16: it multiplies float32 instead."""


@triton.jit
def product(a, b, acc):
    """Return acc + a @ b; float32 is multiplied in full precision, not as TF32."""
    if WIDEN:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, acc, input_precision="ieee")


@triton.jit
def convolved(
    maps, weight, rows, is_row,
    C: tl.constexpr, K: tl.constexpr, H: tl.constexpr, W: tl.constexpr, SIDE: tl.constexpr, STRIDE: tl.constexpr,
    TAPS: tl.constexpr, DEPTH: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Return these rows of maps N x H x W x C convolved with weight K x SIDE x SIDE x C, in float32.

    DEPTH is TAPS x C rounded up to a power of two.
    """
    OUT_H: tl.constexpr = (H - 1) // STRIDE + 1
    OUT_W: tl.constexpr = (W - 1) // STRIDE + 1
    PAD: tl.constexpr = SIDE // 2
    column = rows % OUT_W * STRIDE - PAD
    line = rows // OUT_W % OUT_H * STRIDE - PAD
    image = rows // (OUT_W * OUT_H) * (H * W)
    channels = tl.arange(0, K)
    inner = tl.arange(0, DEPTH)
    acc = tl.zeros((rows.shape[0], K), tl.float32)
    if TAPS == 1:
        for tap in tl.range(0, SIDE * SIDE, num_stages=STAGES):
            y = line + tap // SIDE
            x = column + tap % SIDE
            inside = (y >= 0) & (y < H) & (x >= 0) & (x < W) & is_row
            at = (image + y * W + x) * C
            a = tl.load(maps + at[:, None] + inner[None, :], mask=inside[:, None], other=0.0)
            b = tl.load(weight + channels[None, :] * (SIDE * SIDE * C) + tap * C + inner[:, None])
            acc = product(a, b, acc)
    else:
        entry, tap_of = inner % C, inner // C
        for step in tl.range(0, SIDE * SIDE // TAPS, num_stages=STAGES):
            tap = step * TAPS + tap_of
            y = line[:, None] + (tap // SIDE)[None, :]
            x = column[:, None] + (tap % SIDE)[None, :]
            inside = (y >= 0) & (y < H) & (x >= 0) & (x < W) & is_row[:, None] & (tap_of < TAPS)[None, :]
            at = (image[:, None] + y * W + x) * C + entry[None, :]
            a = tl.load(maps + at, mask=inside, other=0.0)
            b_at = channels[None, :] * (SIDE * SIDE * C) + (tap * C + entry)[:, None]
            b = tl.load(weight + b_at, mask=(tap_of < TAPS)[:, None], other=0.0)
            acc = product(a, b, acc)
    return acc


@triton.jit
def finish(values, shortcut, out, at, is_here, ADDS: tl.constexpr, RELU: tl.constexpr):
    """Add a shortcut to normalised values, apply ReLU, and store them."""
    if ADDS:
        values += tl.load(shortcut + at, mask=is_here, other=0.0).to(tl.float32)
    if RELU:
        values = tl.maximum(values, 0.0)
    tl.store(out + at, values.to(out.dtype.element_ty), mask=is_here)


@triton.jit
def evaluate_layer(
    maps, weight, shortcut, out, gamma, beta, running_mean, running_var, epsilon, num_rows,
    C: tl.constexpr, K: tl.constexpr, H: tl.constexpr, W: tl.constexpr, SIDE: tl.constexpr, STRIDE: tl.constexpr,
    TAPS: tl.constexpr, DEPTH: tl.constexpr, ADDS: tl.constexpr, RELU: tl.constexpr, ROWS: tl.constexpr,
    STAGES: tl.constexpr,
):  # fmt: skip
    """Convolve, normalise by the running statistics, add a shortcut, apply ReLU."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    is_row = rows < num_rows
    acc = convolved(maps, weight, rows, is_row, C, K, H, W, SIDE, STRIDE, TAPS, DEPTH, STAGES)
    channels = tl.arange(0, K)
    at = rows[:, None] * K + channels[None, :]
    scale = tl.load(gamma + channels) / tl.sqrt(tl.load(running_var + channels) + epsilon)
    values = (acc - tl.load(running_mean + channels)[None, :]) * scale[None, :] + tl.load(beta + channels)[None, :]
    finish(values, shortcut, out, at, is_row[:, None], ADDS, RELU)


@triton.jit
def convolve(
    maps, weight, out, pieces, num_rows,
    C: tl.constexpr, K: tl.constexpr, H: tl.constexpr, W: tl.constexpr, SIDE: tl.constexpr, STRIDE: tl.constexpr,
    TAPS: tl.constexpr, DEPTH: tl.constexpr, ROWS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Convolve; a program's piece holds, by channel, its rows' mean and the sum of their squared deviations from it."""
    program = tl.program_id(0)
    rows = program * ROWS + tl.arange(0, ROWS)
    is_row = rows < num_rows
    acc = convolved(maps, weight, rows, is_row, C, K, H, W, SIDE, STRIDE, TAPS, DEPTH, STAGES)
    channels = tl.arange(0, K)
    result = acc.to(out.dtype.element_ty)
    tl.store(out + rows[:, None] * K + channels[None, :], result, mask=is_row[:, None])
    values = result.to(tl.float32)
    count = tl.minimum(num_rows - program * ROWS, ROWS)
    mean = tl.sum(values, 0) / count
    off = tl.where(is_row[:, None], values - mean[None, :], 0.0)
    tl.store(pieces + program * (2 * K) + channels, mean)
    tl.store(pieces + program * (2 * K) + K + channels, tl.sum(off * off, 0))


@triton.jit
def normalise(
    maps, pieces, shortcut, out, saved, gamma, beta, running_mean, running_var, tracked, momentum, epsilon,
    num_rows, num_pieces, piece_rows, rows_each,
    C: tl.constexpr, ADDS: tl.constexpr, RELU: tl.constexpr, ROWS: tl.constexpr, PIECES: tl.constexpr,
):  # fmt: skip
    """Normalise maps, rows x C, by their own statistics, from the pieces of `convolve`; add a shortcut; apply ReLU.

    Mean and inverse deviation go to `saved`, 2 x C, and mean and variance update the running statistics.  Each program
    combines all pieces itself, and then works on `rows_each` rows.
    """
    channels = tl.arange(0, C)
    near = tl.load(pieces + channels)  # sums are of deviations from one piece's mean, to avoid cancellation
    total = tl.zeros((C,), tl.float32)
    squares = tl.zeros((C,), tl.float32)
    for first in range(0, num_pieces, PIECES):
        piece = first + tl.arange(0, PIECES)
        is_piece = (piece < num_pieces)[:, None]
        share = tl.where(piece < num_pieces, tl.minimum(num_rows - piece * piece_rows, piece_rows), 0)
        at = pieces + piece[:, None] * (2 * C) + channels[None, :]
        apart = tl.load(at, mask=is_piece, other=0.0) - near[None, :]
        within = tl.load(at + C, mask=is_piece, other=0.0)
        weighted = share.to(tl.float32)[:, None] * apart
        total += tl.sum(weighted, 0)
        squares += tl.sum(within + weighted * apart, 0)
    mean = near + total / num_rows
    squares -= total * total / num_rows
    inverse = 1 / tl.sqrt(squares / num_rows + epsilon)
    if tl.program_id(0) == 0:
        tl.store(saved + channels, mean)
        tl.store(saved + C + channels, inverse)
        old = tl.load(running_mean + channels)
        tl.store(running_mean + channels, old + momentum * (mean - old))
        old = tl.load(running_var + channels)
        tl.store(running_var + channels, old + momentum * (squares / tl.maximum(num_rows - 1, 1) - old))
        tl.store(tracked, tl.load(tracked) + 1)

    scale = tl.load(gamma + channels) * inverse
    offset = tl.load(beta + channels)
    start = tl.program_id(0) * rows_each
    for first in range(start, tl.minimum(start + rows_each, num_rows), ROWS):
        rows = first + tl.arange(0, ROWS)
        at = rows[:, None] * C + channels[None, :]
        is_row = (rows < num_rows)[:, None]
        values = tl.load(maps + at, mask=is_row, other=0.0).to(tl.float32)
        values = (values - mean[None, :]) * scale[None, :] + offset[None, :]
        finish(values, shortcut, out, at, is_row, ADDS, RELU)


@triton.jit
def through_relu(
    gradient, out, maps, to, saved, gamma, beta, pieces, program, rows, is_row,
    C: tl.constexpr, ADDS: tl.constexpr, RELU: tl.constexpr,
):  # fmt: skip
    """Store the gradient of a norm's output, rows x C, zeroed where the ReLU (after a shortcut, if it ADDS one) is 0.

    The program's piece holds its sum, the gradient of beta, and the sum of its products with the normalised maps, the
    gradient of gamma.
    """
    channels = tl.arange(0, C)
    at = rows[:, None] * C + channels[None, :]
    inverse = tl.load(saved + C + channels)
    apart = tl.load(maps + at, mask=is_row[:, None], other=0.0).to(tl.float32) - tl.load(saved + channels)[None, :]
    if RELU:
        if ADDS:
            positive = tl.load(out + at, mask=is_row[:, None], other=0.0).to(tl.float32) > 0
        else:
            scale = tl.load(gamma + channels) * inverse
            positive = apart * scale[None, :] + tl.load(beta + channels)[None, :] > 0
        gradient = tl.where(positive, gradient, 0.0)
    result = gradient.to(to.dtype.element_ty)
    tl.store(to + at, result, mask=is_row[:, None])
    gradient = tl.where(is_row[:, None], result.to(tl.float32), 0.0)
    tl.store(pieces + program * (2 * C) + channels, tl.sum(gradient, 0))
    tl.store(pieces + program * (2 * C) + C + channels, tl.sum(gradient * apart, 0) * inverse)


@triton.jit
def norm_gradient(
    gradient, out, maps, to, saved, gamma, beta, pieces, num_rows,
    C: tl.constexpr, ADDS: tl.constexpr, RELU: tl.constexpr, POOL: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Apply `through_relu` to the gradient of the mean of every POOL rows."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    is_row = rows < num_rows
    at = (rows // POOL)[:, None] * C + tl.arange(0, C)[None, :]
    given = tl.load(gradient + at, mask=is_row[:, None], other=0.0).to(tl.float32) * (1.0 / POOL)
    through_relu(given, out, maps, to, saved, gamma, beta, pieces, tl.program_id(0), rows, is_row, C, ADDS, RELU)


@triton.jit
def norm_input_gradient(
    gradient, maps, to, saved, gamma, pieces, to_gamma, to_beta, num_rows, num_pieces, rows_each,
    C: tl.constexpr, ROWS: tl.constexpr, PIECES: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of gamma, beta and the norm's input, rows x C, from the results of `through_relu`.

    Each program combines all pieces itself, and then works on `rows_each` rows.
    """
    channels = tl.arange(0, C)
    of_beta = tl.zeros((C,), tl.float32)
    of_gamma = tl.zeros((C,), tl.float32)
    for first in range(0, num_pieces, PIECES):
        piece = (first + tl.arange(0, PIECES))[:, None]
        place = pieces + piece * (2 * C) + channels[None, :]
        of_beta += tl.sum(tl.load(place, mask=piece < num_pieces, other=0.0), 0)
        of_gamma += tl.sum(tl.load(place + C, mask=piece < num_pieces, other=0.0), 0)
    if tl.program_id(0) == 0:
        tl.store(to_beta + channels, of_beta)
        tl.store(to_gamma + channels, of_gamma)

    mean = tl.load(saved + channels)
    inverse = tl.load(saved + C + channels)
    scale = tl.load(gamma + channels) * inverse
    slope = of_gamma / num_rows * inverse
    offset = of_beta / num_rows
    start = tl.program_id(0) * rows_each
    for first in range(start, tl.minimum(start + rows_each, num_rows), ROWS):
        rows = first + tl.arange(0, ROWS)
        at = rows[:, None] * C + channels[None, :]
        is_row = (rows < num_rows)[:, None]
        apart = tl.load(maps + at, mask=is_row, other=0.0).to(tl.float32) - mean[None, :]
        given = tl.load(gradient + at, mask=is_row, other=0.0).to(tl.float32)
        values = (given - offset[None, :] - apart * slope[None, :]) * scale[None, :]
        tl.store(to + at, values.to(to.dtype.element_ty), mask=is_row)


@triton.jit
def maps_gradient(
    gradient, weight, more, to, out_before, maps_before, saved_before, gamma_before, beta_before, pieces, num_rows,
    C: tl.constexpr, K: tl.constexpr, H: tl.constexpr, W: tl.constexpr, SIDE: tl.constexpr, STRIDE: tl.constexpr,
    MORE: tl.constexpr, BEFORE: tl.constexpr, ADDS: tl.constexpr, ROWS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of a convolution's input, N x H x W x C, from that of its output, of K channels.

    `more` is the gradient from the input's other use.  With BEFORE the sum is passed through the ReLU of the layer
    before, as in `through_relu`.
    """
    OUT_H: tl.constexpr = (H - 1) // STRIDE + 1
    OUT_W: tl.constexpr = (W - 1) // STRIDE + 1
    PAD: tl.constexpr = SIDE // 2
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    is_row = rows < num_rows
    column = rows % W + PAD
    line = rows // W % H + PAD
    image = rows // (W * H) * OUT_H
    channels = tl.arange(0, C)
    inner = tl.arange(0, K)
    acc = tl.zeros((ROWS, C), tl.float32)
    for tap in tl.range(0, SIDE * SIDE, num_stages=STAGES):
        y = line - tap // SIDE
        x = column - tap % SIDE
        inside = (y >= 0) & (x >= 0) & is_row
        if STRIDE > 1:
            inside = inside & (y % STRIDE == 0) & (x % STRIDE == 0)
            y = y // STRIDE
            x = x // STRIDE
        inside = inside & (y < OUT_H) & (x < OUT_W)
        at = ((image + y) * OUT_W + x) * K
        a = tl.load(gradient + at[:, None] + inner[None, :], mask=inside[:, None], other=0.0)
        b = tl.load(weight + inner[:, None] * (SIDE * SIDE * C) + tap * C + channels[None, :])
        acc = product(a, b, acc)
    at = rows[:, None] * C + channels[None, :]
    if MORE:
        acc += tl.load(more + at, mask=is_row[:, None], other=0.0).to(tl.float32)
    if BEFORE:
        through_relu(
            acc, out_before, maps_before, to, saved_before, gamma_before, beta_before, pieces, tl.program_id(0), rows,
            is_row, C, ADDS, True,
        )  # fmt: skip
    else:
        tl.store(to + at, acc.to(to.dtype.element_ty), mask=is_row[:, None])


@triton.jit
def weight_gradient(
    maps, gradient, pieces, num_rows, rows_each,
    C: tl.constexpr, K: tl.constexpr, H: tl.constexpr, W: tl.constexpr, SIDE: tl.constexpr, STRIDE: tl.constexpr,
    TAPS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of a weight, K x SIDE x SIDE x C in float32, in pieces of `rows_each` pixels.

    Program (i, j) computes the TAPS positions from j x TAPS of piece i; WIDTH is TAPS x C rounded up to a power of two.
    """
    OUT_H: tl.constexpr = (H - 1) // STRIDE + 1
    OUT_W: tl.constexpr = (W - 1) // STRIDE + 1
    PAD: tl.constexpr = SIDE // 2
    piece, group = tl.program_id(0), tl.program_id(1)
    channels = tl.arange(0, K)
    wide = tl.arange(0, WIDTH)
    entry, tap_of = wide % C, wide // C
    tap = group * TAPS + tap_of
    is_tap = tap_of < TAPS
    acc = tl.zeros((K, WIDTH), tl.float32)
    for first in tl.range(piece * rows_each, (piece + 1) * rows_each, ROWS, num_stages=STAGES):
        rows = first + tl.arange(0, ROWS)
        is_row = rows < num_rows
        column = rows % OUT_W * STRIDE - PAD
        line = rows // OUT_W % OUT_H * STRIDE - PAD
        image = rows // (OUT_W * OUT_H) * (H * W)
        y = line[:, None] + (tap // SIDE)[None, :]
        x = column[:, None] + (tap % SIDE)[None, :]
        inside = (y >= 0) & (y < H) & (x >= 0) & (x < W) & is_row[:, None] & is_tap[None, :]
        b = tl.load(maps + (image[:, None] + y * W + x) * C + entry[None, :], mask=inside, other=0.0)
        a = tl.load(gradient + rows[None, :] * K + channels[:, None], mask=is_row[None, :], other=0.0)
        acc = product(a, b, acc)
    to = pieces + piece * (K * SIDE * SIDE * C) + channels[:, None] * (SIDE * SIDE * C) + (tap * C + entry)[None, :]
    tl.store(to, acc, mask=is_tap[None, :])


@triton.jit
def add_pieces(pieces, to, table, PIECES: tl.constexpr, COLUMNS: tl.constexpr):
    """Add the pieces of many sums, all float32.

    A program's row of the table holds the offsets of its first piece and of its sum, its number of columns, the
    distance from one piece to the next, and the number of pieces.
    """
    row = table + tl.program_id(0) * 5
    start = tl.multiple_of(tl.load(row), 16)
    end = tl.multiple_of(tl.load(row + 1), 16)
    size = tl.load(row + 2)
    apart = tl.multiple_of(tl.load(row + 3), 16)
    num_pieces = tl.load(row + 4)
    columns = tl.arange(0, COLUMNS)
    total = tl.zeros((PIECES, COLUMNS), tl.float32)
    for first in range(0, num_pieces, PIECES):
        piece = first + tl.arange(0, PIECES)
        is_here = (piece < num_pieces)[:, None] & (columns < size)[None, :]
        total += tl.load(pieces + start + piece[:, None] * apart + columns[None, :], mask=is_here, other=0.0)
    tl.store(to + end + columns, tl.sum(total, 0), mask=columns < size)
