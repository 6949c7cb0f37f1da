"""PNG and JPEG files become pixels of one size, whatever their form; other files are refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from stages.core.data import images
from stages.core.data.arrays import UnreadableFile

RAMP = np.arange(12, dtype="uint8").reshape(3, 4) * 20


def saved(image, form="PNG", **options):
    """The bytes of a image."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, *more):
    """A PNG by hand, such as Pillow does not write."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + body + chunk(b"IEND", b"")


def grey(content, shape):
    return images.decoded(content, "a/1.png", shape, 1)[:, :, 0]


def test_a_picture_of_the_right_size_keeps_its_pixels():
    found = images.decoded(saved(Image.fromarray(RAMP)), "a/1.png", (3, 4), 1)
    assert (found.dtype, found.shape) == ("uint8", (3, 4, 1))
    np.testing.assert_array_equal(found[:, :, 0], RAMP)
    colors = np.random.default_rng(0).integers(0, 256, (3, 4, 3), "uint8")
    found = images.decoded(saved(Image.fromarray(colors)), "a/1.png", (3, 4), 3)
    np.testing.assert_array_equal(found, colors)


def test_grey_becomes_equal_channels_and_color_the_brightness_of_its_light():
    found = images.decoded(saved(Image.fromarray(RAMP)), "a/1.png", (3, 4), 3)
    np.testing.assert_array_equal(found, np.repeat(RAMP[:, :, None], 3, axis=2))
    row = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255])
    np.testing.assert_array_equal(grey(png(3, 1, 8, 2, [row]), (1, 3)), [[76, 150, 29]])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_mode_of_a_png_keeps_white_white_and_black_black(mode, channels):
    image = Image.fromarray(np.array([[0, 255]], "uint8"))
    if mode == "I;16":
        image = Image.fromarray(np.array([[0, 65535]], "uint16"))
    content = saved(image if mode == "I;16" else image.convert(mode))
    found = images.decoded(content, "a/1.png", (1, 2), channels)
    np.testing.assert_array_equal(found, [[[0] * channels, [255] * channels]])


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_each_mode_of_a_jpeg_is_read(mode):
    image = Image.fromarray(np.full((8, 8), 200, "uint8")).convert("RGB").convert(mode)
    found = grey(saved(image, "JPEG", quality=95), (8, 8))
    assert np.abs(found.astype(int) - 200).max() <= 2


def test_sixteen_bits_keep_their_upper_eight_in_grey_and_in_color():
    values = [0, 255, 256, 32768, 65279, 65535]
    row = b"".join(struct.pack(">H", value) for value in values)
    colors = b"".join(struct.pack(">3H", *[value] * 3) for value in values)
    expected = [[value >> 8 for value in values]]
    np.testing.assert_array_equal(grey(png(6, 1, 16, 0, [row]), (1, 6)), expected)
    np.testing.assert_array_equal(grey(png(6, 1, 16, 2, [colors]), (1, 6)), expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(3, 1, 8, 4, [bytes([0, 0, 0, 255, 100, 128])]), [255, 0, 177]),
        (png(3, 1, 8, 6, [bytes([9, 9, 9, 0, 0, 0, 0, 255, 100, 100, 100, 128])]), [255, 0, 177]),
        (png(3, 1, 8, 0, [bytes([7, 0, 9])], chunk(b"tRNS", b"\0\x07")), [255, 0, 9]),
        (png(3, 1, 16, 0, [bytes([7, 1, 0, 0, 9, 9])], chunk(b"tRNS", b"\x07\x01")), [255, 0, 9]),
        (
            png(3, 1, 8, 2, [bytes([7] * 3 + [0] * 3 + [9] * 3)], chunk(b"tRNS", b"\0\x07" * 3)),
            [255, 0, 9],
        ),
        (
            png(3, 1, 8, 3, [bytes([0, 1, 2])], chunk(b"PLTE", bytes([5, 5, 5, 0, 0, 0, 9, 9, 9])),
                chunk(b"tRNS", b"\0\xff")),
            [255, 0, 9],
        ),
    ],
    ids=["grey and alpha", "color and alpha", "grey", "16 bits", "color", "palette"],
)  # fmt: skip
def test_what_is_transparent_is_laid_on_white(content, expected):
    np.testing.assert_array_equal(grey(content, (1, 3)), [expected])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_says(orientation):
    image = np.zeros((16, 32), "uint8")
    image[:8, :8] = 255  # what was on top on the left
    corners = {1: "TL", 2: "TR", 3: "BR", 4: "BL", 5: "TL", 6: "TR", 7: "BR", 8: "BL"}
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = saved(Image.fromarray(image), "JPEG", exif=exif.tobytes(), quality=100)
    upright = orientation < 5
    found = grey(content, (16, 32) if upright else (32, 16)).astype(int)
    corner = {
        "TL": found[:8, :8],
        "TR": found[:8, -8:],
        "BL": found[-8:, :8],
        "BR": found[-8:, -8:],
    }
    assert corner.pop(corners[orientation]).min() > 250
    assert all(other.max() < 5 for other in corner.values())


def test_damaged_exif_does_not_keep_a_picture_out():
    plain = saved(Image.fromarray(RAMP), "JPEG", quality=100)
    damaged = saved(Image.fromarray(RAMP), "JPEG", quality=100, exif=b"Exif\0\0II nonsense")
    np.testing.assert_array_equal(grey(damaged, (3, 4)), grey(plain, (3, 4)))


def test_a_smaller_picture_has_a_share_of_every_pixel():
    lines = np.zeros((64, 64), "uint8")
    lines[::8] = 248  # which every eighth pixel alone would lose, or see alone
    found = grey(saved(Image.fromarray(lines)), (8, 8))
    assert 20 <= found.min() <= found.max() <= 42
    edge = np.repeat([[50] * 32 + [200] * 32], 64, axis=0).astype("uint8")
    found = grey(saved(Image.fromarray(edge)), (16, 16))
    assert (found.min(), found.max()) == (50, 200)  # no rim beside the edge


WHOLE = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")))
PHOTO = saved(Image.open(io.BytesIO(WHOLE)), "JPEG")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a letter",
        b"\x89PNG\r\n\x1a\n",
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:40],
        PHOTO[: len(PHOTO) // 2],
        PHOTO[:100],
        saved(Image.fromarray(RAMP), "GIF"),
        saved(Image.fromarray(RAMP), "BMP"),
        saved(Image.fromarray(RAMP), "TIFF"),
        png(0, 5, 8, 0, []),
        png(3, 1, 8, 3, [b"\0\1\2"]).replace(b"IDAT", b"IDAX"),
    ],
    ids=[
        "empty", "text", "mark", "half", "head", "half photo", "head of photo", "GIF", "BMP",
        "TIFF", "no width", "no pixels",
    ],
)  # fmt: skip
def test_what_is_no_whole_picture_is_refused_with_its_name(content):
    with pytest.raises(UnreadableFile, match=r"^'rose/7\.png': expected"):
        images.decoded(content, "rose/7.png", (8, 8), 3)


@pytest.mark.parametrize("side", [8193, 12_000, 40_000, 2**31 - 1])
def test_a_bomb_is_refused_before_it_is_decoded(side):
    bomb = png(side, side, 1, 0, [])
    with pytest.raises(UnreadableFile, match=r"'rose/7\.png': expected .*67,108,864 pixels"):
        images.decoded(bomb, "rose/7.png", (8, 8), 1)


def test_a_long_line_is_no_bomb_and_text_in_a_picture_is_one():
    line = png(100_000, 1, 8, 0, [bytes(100_000)])
    assert grey(line, (2, 2)).tolist() == [[0, 0], [0, 0]]
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))
    with pytest.raises(UnreadableFile, match=r"'rose/7\.png': expected"):
        images.decoded(png(1, 1, 8, 0, [b"\0"], text), "rose/7.png", (8, 8), 1)


@pytest.mark.parametrize("whole", [WHOLE, PHOTO], ids=["PNG", "JPEG"])
@given(changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=5))
def test_a_damaged_picture_is_refused_or_has_its_shape(whole, changes):
    content = bytearray(whole)
    for place, value in changes:
        content[place] = value
    try:
        found = images.decoded(bytes(content), "a/1.png", (8, 8), 3)
    except UnreadableFile:
        return
    assert found.shape == (8, 8, 3)


def test_pictures_are_stacked_in_their_order_from_files_of_any_size():
    files = [
        ("dark", "dark/1.png", saved(Image.new("L", (5, 9), 10))),
        ("light", "light/1.jpg", saved(Image.new("RGB", (40, 30), (200, 200, 200)), "JPEG")),
    ]
    found = images.stack(files, (6, 7), 3)
    assert (found.dtype, found.shape) == ("uint8", (2, 6, 7, 3))
    assert [np.unique(image).tolist() for image in found] == [[10], [200]]
    assert images.stack([], (6, 7), 3).shape == (0, 6, 7, 3)


def test_more_pixels_than_the_limit_are_refused_with_what_to_do(monkeypatch):
    files = [("a", "a/1.png", saved(Image.fromarray(RAMP)))] * 3
    monkeypatch.setattr(images, "LARGEST_STACK", 3 * 3 * 4)
    assert images.stack(files, (3, 4), 1).shape == (3, 3, 4, 1)
    with pytest.raises(UnreadableFile, match=r"3 x 3 x 5 x 1 .*smaller height and width"):
        images.stack(files, (3, 5), 1)
    with pytest.raises(UnreadableFile, match="GiB"):
        images.stack(files, (2**31, 2**31), 3)
