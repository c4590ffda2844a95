"""Files of every kind as RGB: a ramp stays the ramp, upright, on white; what has no range or no end is refused."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from reslab.data import decoding
from reslab.data.decoding import check_files, decode
from reslab.data.rgb import to_rgb
from reslab.errors import DataError

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)
BEST: dict[str, dict[str, Any]] = {"webp": {"lossless": True}, "jpg": {"quality": 100}}
"""How to save so that nothing, or next to nothing, is lost."""
WIDE = (RAMP * 257.0).astype(np.uint16)


def ramp(mode: str) -> Image.Image:
    """Return black to white in this mode."""
    grey = Image.fromarray(RAMP)
    if mode.startswith("I;16"):
        order = ">u2" if mode == "I;16B" else "<u2"
        return Image.frombytes(mode, grey.size, WIDE.astype(order).tobytes())
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        found = ImageCms.profileToProfile(grey.convert("RGB"), *profiles, outputMode="LAB")
        assert found is not None
        return found
    if mode == "PA":
        return grey.convert("P").convert("PA")
    if mode == "La":
        return grey.convert("LA").convert("La")
    if mode == "RGBa":
        return grey.convert("RGBA").convert("RGBa")
    return grey.convert("RGB").convert(mode) if mode in ("HSV", "YCbCr", "CMYK", "RGBX") else grey.convert(mode)


def off(image: Image.Image, expected: NDArray[Any] = RAMP) -> int:
    """Return by how many of 255 an image differs from grey, at most."""
    assert image.mode == "RGB"
    return int(np.abs(np.asarray(image).astype(int) - expected[..., None]).max())


@pytest.mark.parametrize("mode", [mode for mode in Image.MODES if mode not in ("1", "I", "F")])
def test_a_ramp_stays_the_ramp_in_every_mode(mode: str) -> None:
    assert off(to_rgb(ramp(mode))) <= 1


FILES = [
    (mode, ending)
    for ending, modes in {
        "png": ("L", "LA", "P", "RGB", "RGBA", "I;16"),
        "tiff": ("L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "LAB", "I;16", "I;16B"),
        "bmp": ("L", "P", "RGB", "RGBA"),
        "ppm": ("L", "RGB", "I;16"),
        "webp": ("RGB", "RGBA"),
        "jpg": ("L", "RGB", "CMYK"),
    }.items()
    for mode in modes
]


@pytest.mark.parametrize(("mode", "ending"), FILES)
def test_a_ramp_stays_the_ramp_in_every_file(tmp_path: Path, mode: str, ending: str) -> None:
    path = tmp_path / f"ramp.{ending}"
    ramp(mode).save(path, **BEST.get(ending, {}))
    assert off(decode(path)) <= (3 if ending == "jpg" else 1)


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    for ending in ("png", "tiff", "bmp", "pbm.ppm"):
        Image.fromarray(RAMP > 99).save(tmp_path / f"bits.{ending}")
        assert off(decode(tmp_path / f"bits.{ending}"), 255 * (RAMP > 99)) == 0


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_reach_from_black_to_white(tmp_path: Path, bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint8).reshape(2, -1)
    packed = np.packbits(np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(2, -1), axis=-1)
    path = tmp_path / "few.png"
    path.write_bytes(png(values.shape[1], 2, bits, packed))
    assert off(decode(path), values.astype(int) * 255 // (2**bits - 1)) == 0


def png(width: int, height: int, bits: int, rows: NDArray[np.uint8], colour: int = 0, more: bytes = b"") -> bytes:
    """Return a PNG file of packed rows."""
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_of_png(tmp_path: Path, colour: int, channels: int) -> None:
    pixels = np.repeat(WIDE[..., None], channels, axis=-1)
    if channels % 2 == 0:
        pixels[..., -1] = 65535
    rows = np.frombuffer(pixels.astype(">u2").tobytes(), dtype=np.uint8).reshape(8, -1)
    (tmp_path / "wide.png").write_bytes(png(32, 8, 16, rows, colour))
    assert off(decode(tmp_path / "wide.png")) <= 1


def test_twelve_bits_and_white_as_zero_of_tiff(tmp_path: Path) -> None:
    path = tmp_path / "grey.tiff"
    ramp("I;16").save(path, tiffinfo={262: 0})
    assert off(decode(path), 255 - RAMP.astype(int)) <= 1
    values = np.round(RAMP * (4095 / 255)).astype(np.uint16)
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(-1, 2), axis=-1)[:, 4:]
    path.write_bytes(tiff(32, 8, 12, np.packbits(bits.reshape(8, -1), axis=-1).tobytes()))
    assert off(decode(path)) <= 1


def tiff(width: int, height: int, bits: int, content: bytes, kind: int = 1) -> bytes:
    """Return a grey TIFF file of one strip; `kind` is its sample format."""
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: height,
        279: len(content),
        339: kind,
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(content)) + content + struct.pack("<H", len(tags)) + entries + bytes(4)
    )


def test_channels_apart_that_pillow_mixes_up_are_refused(tmp_path: Path) -> None:
    planes = np.stack([WIDE, WIDE[::-1], 65535 - WIDE])
    tags: list[tuple[int, int, int, bytes]] = []  # number, kind, count, content
    content = planes.astype("<u2").tobytes()
    for tag, kind, values in (
        (256, 4, [32]), (257, 4, [8]), (258, 3, [16, 16, 16]), (259, 3, [1]), (262, 3, [2]),
        (273, 4, [8 + WIDE.nbytes * at for at in range(3)]), (277, 3, [3]), (278, 4, [8]),
        (279, 4, [WIDE.nbytes] * 3), (284, 3, [2]),
    ):  # fmt: skip
        tags.append((tag, kind, len(values), np.array(values, dtype=f"<u{4 if kind == 4 else 2}").tobytes()))
    where = 8 + len(content) + 2 + 12 * len(tags) + 4
    entries, beyond = b"", b""
    for tag, kind, count, own in tags:
        place = own.ljust(4, b"\0") if len(own) <= 4 else struct.pack("<I", where + len(beyond))
        beyond += own if len(own) > 4 else b""
        entries += struct.pack("<HHI", tag, kind, count) + place
    path = tmp_path / "apart.tiff"
    head = struct.pack("<2sHI", b"II", 42, 8 + len(content))
    path.write_bytes(head + content + struct.pack("<H", len(tags)) + entries + bytes(4) + beyond)
    with pytest.raises(
        DataError, match=r"apart\.tiff is a TIFF with separate channels.*save it with interleaved channels"
    ):
        decode(path)


def test_what_has_no_range_is_refused_by_name(tmp_path: Path) -> None:
    unit = (RAMP / 255).astype(np.float32)
    Image.fromarray(unit).save(tmp_path / "float.tiff")
    Image.fromarray(RAMP.astype(np.int32)).save(tmp_path / "int.tiff")
    (tmp_path / "long.tiff").write_bytes(tiff(32, 8, 32, RAMP.astype("<u4").tobytes()))
    (tmp_path / "short.tiff").write_bytes(tiff(32, 8, 16, WIDE.tobytes(), kind=2))
    (tmp_path / "byte.tiff").write_bytes(tiff(32, 8, 8, RAMP.tobytes(), kind=2))
    (tmp_path / "half.tiff").write_bytes(tiff(32, 8, 16, unit.astype("<f2").tobytes(), kind=3))
    (tmp_path / "double.tiff").write_bytes(tiff(32, 8, 64, unit.astype("<f8").tobytes(), kind=3))
    (tmp_path / "longer.tiff").write_bytes(tiff(32, 8, 64, RAMP.astype("<u8").tobytes()))
    (tmp_path / "float.ppm").write_bytes(b"Pf\n32 8\n-1.0\n" + unit.tobytes())
    for name, kind in {
        "float.tiff": "floating-point numbers",
        "float.ppm": "floating-point numbers",
        "int.tiff": "signed numbers",
        "long.tiff": "whole numbers of 32 bits",
        "short.tiff": "signed numbers",
        "byte.tiff": "signed numbers",
        "half.tiff": "floating-point numbers of 16 bits",
        "double.tiff": "floating-point numbers of 64 bits",
        "longer.tiff": "whole numbers of 64 bits",
    }.items():
        with pytest.raises(DataError, match=rf"{name} holds {kind}, .* save it with 8 or 16 unsigned bits"):
            decode(tmp_path / name)


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    alpha = np.repeat(RAMP[..., None], 4, axis=-1)
    alpha[..., :3] = 0
    expected = 255 - RAMP.astype(int)
    for ending in ("png", "tiff", "webp"):
        Image.fromarray(alpha).save(tmp_path / f"alpha.{ending}", **BEST.get(ending, {}))
        assert off(decode(tmp_path / f"alpha.{ending}"), expected) <= 1
    Image.fromarray(alpha[..., 2:]).save(tmp_path / "grey.png")
    assert off(decode(tmp_path / "grey.png"), expected) <= 1
    palette = Image.fromarray(RAMP).convert("P")
    palette.save(tmp_path / "palette.png", transparency=bytes([0] * 128 + [255] * 128))
    assert off(decode(tmp_path / "palette.png"), np.where(RAMP < 128, 255, RAMP)) == 0
    palette.save(tmp_path / "one.png", transparency=7)
    assert off(decode(tmp_path / "one.png"), np.where(RAMP == 7, 255, RAMP)) == 0
    for bits, values in ((8, RAMP), (16, WIDE.astype(">u2"))):
        rows = np.frombuffer(values.tobytes(), dtype=np.uint8).reshape(8, -1)
        clear = struct.pack(">H", 7 * (257 if bits == 16 else 1))
        (tmp_path / "clear.png").write_bytes(png(32, 8, bits, rows, more=chunk(b"tRNS", clear)))
        assert off(decode(tmp_path / "clear.png"), np.where(RAMP == 7, 255, RAMP)) <= 1


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_grey_of_few_bits_lies_on_white(tmp_path: Path, bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint8).reshape(2, -1)
    packed = np.packbits(np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(2, -1), axis=-1)
    for level in range(2**bits):
        clear = chunk(b"tRNS", struct.pack(">H", level))
        (tmp_path / "few.png").write_bytes(png(values.shape[1], 2, bits, packed, more=clear))
        expected = values.astype(int) * 255 // (2**bits - 1)
        assert off(decode(tmp_path / "few.png"), np.where(values == level, 255, expected)) == 0


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_stand_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    """As EXIF 2.32 has it: which row and which column of the scene the file's first row and column are."""
    scene = np.zeros((16, 24), dtype=np.uint8)
    scene[:8, :8] = 255  # the left of the top
    stored = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.T,
        6: np.rot90(scene),  # first row: the right side; it is turned clockwise to be seen
        7: scene[::-1, ::-1].T,
        8: np.rot90(scene, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{ending}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **BEST.get(ending, {}))
    assert off(decode(path), scene) <= 8


def test_the_first_of_several_images_is_taken(tmp_path: Path) -> None:
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    for ending in ("png", "webp", "tiff", "gif"):
        first.save(tmp_path / f"many.{ending}", save_all=True, append_images=[second], **BEST.get(ending, {}))
        (tmp_path / f"many.{ending}").rename(tmp_path / "many.png")  # what it holds counts, and not its name
        assert off(decode(tmp_path / "many.png")) <= 1


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "ppm", "tiff"])
def test_a_file_cut_anywhere_is_whole_or_named(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    path = tmp_path / f"cut.{ending}"
    Image.fromarray(noise).save(path)
    whole, content = np.asarray(decode(path)), path.read_bytes()
    named = 0
    for length in [*range(1, len(content), len(content) // 60), len(content) - 1]:
        path.write_bytes(content[:length])
        try:
            assert (np.asarray(decode(path)) == whole).all()
        except DataError as error:
            assert str(error).startswith(f"{path} cannot be decoded (")  # noqa: PT017
            assert str(error).endswith("); replace it or remove it")  # noqa: PT017
            assert str(error).count(str(path)) == 1  # noqa: PT017
            named += 1
    assert named > 50


def test_nothing_of_pillow_s_own_is_printed(tmp_path: Path) -> None:
    """Neither its warnings (palette, size, EXIF) nor what it logs nor what its libraries say."""
    palette = Image.fromarray(RAMP).convert("P")
    palette.save(tmp_path / "0-palette.png", transparency=bytes([0] * 128 + [255] * 128))
    Image.fromarray(np.zeros((16, 16, 3), dtype=np.uint8)).save(tmp_path / "1-exif.jpg", exif=b"Exif\0\0II*\0\xff" * 9)
    Image.new("1", (10_000, 9_000)).save(tmp_path / "2-large.png")  # Pillow's limit is 89,478,485
    Image.fromarray(RAMP).save(tmp_path / "3-cut.tiff", compression="tiff_lzw")
    cut = (tmp_path / "3-cut.tiff").read_bytes()
    (tmp_path / "3-cut.tiff").write_bytes(cut[:60] + bytes(40) + cut[100:])
    script = """
import sys
from pathlib import Path
from reslab.data.decoding import decode
from reslab.errors import DataError
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(decode(path).size)
    except DataError:
        print("refused")
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[:3] == ["(32, 8)", "(16, 16)", "(10000, 9000)"]


def test_what_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(60_000, 60_000, 1, np.zeros((1, 8), dtype=np.uint8)))
    with pytest.raises(DataError, match=r"bomb.png cannot be decoded \(it has more pixels than any photograph"):
        decode(tmp_path / "bomb.png")
    (tmp_path / "text.png").write_bytes(
        png(4, 1, 8, np.zeros((1, 4), np.uint8), more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27))))
    )
    with pytest.raises(DataError, match=r"text.png cannot be decoded"):
        decode(tmp_path / "text.png")


def test_programs_that_draw_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(DataError, match=r"page.jpg cannot be decoded \(no image of a known format\)"):
        decode(tmp_path / "page.jpg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer, .*; run git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", "it is a web page, .*; download the file itself"),
        (b"", "it is empty; get it again"),
        (bytes(2000), "it begins with nothing but zeros"),
        (b"\x1f\x8b\x08\x00" + bytes(99), "it is a gzip archive; unpack it"),
        (b"\0\0\0\x24ftypheic" + bytes(99), "it is an image in HEIF"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "it is a drawing in SVG"),
        (b"Not found\n", "it is text that begins 'Not found'"),
    ],
)
def test_what_is_no_image_is_told_as_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"picture\.jpg cannot be decoded: {words}"):
        decode(path)


def test_wrong_files_are_named_together_and_before_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number:02}.png" for number in range(40)]
    for path in paths:
        Image.fromarray(RAMP).save(path)
    check_files(paths, workers=2)
    paths[3].write_bytes(b"")
    with pytest.raises(DataError, match=r"^\S+03.png cannot be decoded: it is empty; get it again"):
        check_files(paths, workers=2)
    paths[5].unlink()
    with pytest.raises(DataError, match=r"(?s)some image files cannot be used:.*03.png.*05.png cannot.*No such file"):
        check_files(paths, workers=2)
    for path in paths[:12]:
        path.write_bytes(b"")
    with pytest.raises(DataError) as error:
        check_files(paths, workers=2)
    assert str(error.value).count("cannot be decoded") == decoding.NUM_NAMED
    assert str(error.value).endswith("and others")
    seen: list[Path] = []
    monkeypatch.setattr(decoding, "decode", seen.append)
    check_files(paths, workers=2, seconds=0)
    assert len(seen) == 16  # those under way when the time was over
