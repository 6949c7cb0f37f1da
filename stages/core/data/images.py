"""PNG and JPEG files -> pixels of one size. No paths."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps
from PIL.Image import open as opened

from stages.core.data.arrays import UnreadableFile
from stages.core.declared.strict_yaml import SHORT

FORMATS = "PNG", "JPEG"
GREY = 16  # difference between the channels of a grey pixel, at most: JPEG files are not exact
MODES = {1: "L", 3: "RGB"}
MOST_PIXELS = 2**26  # of a image before it is resized: 256 MiB with transparency
LARGEST_STACK = 2**31  # bytes of the pixels of all images; as float32, four times that
# Each pixel is a mean of all that it covers, weighted, so no line is lost when a image shrinks;
# no weight is negative, so no bright rim appears beside a dark line, as with BICUBIC and LANCZOS.
FILTER = Image.Resampling.BILINEAR


def stack(
    files: Sequence[tuple[str, str, bytes]], shape: tuple[int, int], channels: int
) -> np.ndarray:
    """The images of these (class, name, content): (rows, height, width, channels) uint8.

    shape: height and width. Raises UnreadableFile, also where they would take more than
    LARGEST_STACK bytes.
    """
    size = len(files), *shape, channels
    if (needed := int(np.prod(size, dtype="object"))) > LARGEST_STACK:
        expected = f"expected images that take at most {LARGEST_STACK / 2**30:.1f} GiB"
        got = f"got {' x '.join(map(str, size))} bytes, {needed / 2**30:.1f} GiB"
        raise UnreadableFile(f"{expected}, {got}; declare a smaller height and width")
    pixels = np.empty(size, "uint8")
    for row, (_, name, content) in enumerate(files):
        pixels[row] = decoded(content, name, shape, channels)
    return pixels


def decoded(content: bytes, name: str, shape: tuple[int, int], channels: int) -> np.ndarray:
    """A image as (height, width, channels) uint8, stretched to this shape, turned as EXIF says.

    shape: height and width. channels: 1, grey, or 3, RGB. Transparency is laid on white; of 16
    bits the upper 8 are kept; color profiles have no effect. name: for messages. Raises
    UnreadableFile for what is no whole PNG or JPEG, or has more than MOST_PIXELS.
    """
    image = _opened(content, name).convert(MODES[channels])
    return np.asarray(image.resize(shape[::-1], FILTER)).reshape(*shape, channels)


def looks(content: bytes, name: str) -> tuple[tuple[int, int], bool]:
    """Height and width of a image, and whether it has colours. Raises UnreadableFile."""
    pixels = np.asarray(_opened(content, name).convert("RGB")).astype("int16")
    return pixels.shape[:2], bool(np.ptp(pixels, axis=2).max() > GREY)


def _opened(content, name):
    """The image, upright, with 8 bits a channel and nothing transparent."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of strange metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with opened(io.BytesIO(content), formats=FORMATS) as image:
                _must_fit(image.size)
                image.load()
                _turn(image)
                return _on_white(image).copy()
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways, which all mean the same
        raise UnreadableFile(f"{SHORT.repr(name)}: {_why(error)}") from error


def _why(error):
    """What was expected of a image that Pillow, or `_must_fit`, refuses."""
    if isinstance(error, UnreadableFile):
        return str(error)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"expected at most {MOST_PIXELS:,} pixels ({error}); resize it"
    expected = "expected a whole PNG or JPEG image"
    if isinstance(error, Image.UnidentifiedImageError):  # its message has an address in memory
        return f"{expected}, got other bytes"
    return f"{expected} ({type(error).__name__}: {error})"


def _must_fit(size):
    """Raise UnreadableFile before anything large is decoded."""
    width, height = size
    if not 0 < width * height <= MOST_PIXELS:
        got = f"got {width:,} x {height:,}"
        raise UnreadableFile(f"expected 1 to {MOST_PIXELS:,} pixels, {got}; resize it")


def _turn(image):
    """Turn the image as its EXIF says; where that is damaged, it stays as it is."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:
        return


def _on_white(image):
    """The image with 8 bits a channel and nothing transparent."""
    if image.mode == "I;16":  # which Pillow would clip to 255
        pixels = np.array(image)
        if "transparency" in image.info:
            pixels[pixels == image.info["transparency"]] = 0xFFFF
        return Image.fromarray((pixels >> 8).astype("uint8"))
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
