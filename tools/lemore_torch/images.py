"""Bytes of a picture file to pixels, by the rules of the command line (tools/lemore/image_io/decode.h).

What a file is, its first bytes say, never its name. Gray stays gray, palettes are expanded, alpha is dropped, 16-bit
samples become round(v * 255 / 65535), EXIF orientation 1..8 is applied, gamma, profiles and text are passed over.
Files that are cut short are refused. tools/tests/test_images.py holds both readers against each other.
"""

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
from PIL import Image

from . import tiff

# The endings of image files: one list, which the command line compiles in (tools/lemore/run/inputs.cpp).
_ENDINGS_FILE = Path(__file__).resolve().parent.parent / "lemore" / "run" / "image_endings.inc"
ENDINGS = tuple(re.findall(r'"(\.\w+)"', _ENDINGS_FILE.read_text(encoding="utf-8")))

MAX_SIDE, MAX_PIXELS, MAX_FILE_BYTES = 65535, 1 << 28, 2 << 30


class ImageError(ValueError):
    """A picture that is not read; the message does not name the file."""


@dataclass
class Samples:
    """What a file stores, before it is made 8-bit: [h, w] of gray values or places in the palette, or [h, w, 3]."""

    values: np.ndarray
    max: int = 255  # the largest value: 1, 3, 15, 255 or 65535
    palette: Optional[np.ndarray] = None  # uint8 [256, 3], black beyond its end
    orientation: int = 1
    alpha: bool = False  # there was an alpha channel, which is dropped
    warning: str = ""  # what was odd but left the picture whole

    def pixels(self, upright=True) -> np.ndarray:
        """8-bit gray [h, w] or RGB [h, w, 3]."""
        if self.palette is not None:
            out = self.palette[self.values]
        else:
            out = to_bytes(self.values, self.max)
        return turn_upright(out, self.orientation) if upright else out


def to_bytes(values, largest):
    """Samples of 0..largest in 0..255, rounded."""
    if largest == 255:
        return values.astype(np.uint8)
    return ((values.astype(np.uint32) * 255 + largest // 2) // largest).astype(np.uint8)


def decode(data: bytes) -> np.ndarray:
    """A whole image file to 8-bit gray [h, w] or RGB [h, w, 3], upright."""
    return samples_of(data).pixels()


def samples_of(data: bytes) -> Samples:
    """What a whole image file stores."""
    if not data:
        raise ImageError("the file is empty")
    readers = {"JPEG": _jpeg, "PNG": png_samples, "BMP": _bmp, "PNM": _pnm, "WebP": _webp, "TIFF": tiff_samples}
    read = readers.get(format_of(data))
    if read is None:
        raise ImageError(f"{format_of(data) or 'not an image'}: JPEG, PNG, WebP, TIFF, BMP and PNM are read")
    return read(data)


def format_of(data: bytes) -> Optional[str]:
    """The name of a file's format, None where the first bytes say nothing."""
    if data[:2] == b"BM":
        return "BMP" if len(data) >= 18 and data[6:8] == b"\0\0" else None
    if re.match(rb"P[1-6][ \n\r\t#]", data):
        return "PNM"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    starts = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"II*\0": "TIFF", b"MM\0*": "TIFF",
              b"II+\0": "TIFF", b"MM\0+": "TIFF", b"GIF87a": "GIF", b"GIF89a": "GIF"}  # fmt: skip
    return next((name for start, name in starts.items() if data.startswith(start)), None)


def check_size(width, height):
    if width == 0 or height == 0:
        raise ImageError(f"the image is empty ({width}x{height} pixels)")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(f"the image declares {width}x{height} pixels; at most {MAX_SIDE} a side and "
                         f"{MAX_PIXELS} in all are read")  # fmt: skip


# -- orientation ---------------------------------------------------------------------------------------------------


def exif_orientation(tiff: bytes) -> int:
    """The orientation in an EXIF block that begins with its TIFF header; 1 for anything damaged or absent."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8 or struct.unpack_from(order + "H", tiff, 2)[0] != 42:
        return 1
    ifd = struct.unpack_from(order + "I", tiff, 4)[0]
    if not 8 <= ifd <= len(tiff) - 2:
        return 1
    entries = struct.unpack_from(order + "H", tiff, ifd)[0]
    for at in range(ifd + 2, ifd + 2 + 12 * min(entries, (len(tiff) - ifd - 2) // 12), 12):
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, at)
        if tag != 0x0112:
            continue
        if count != 1 or kind not in (3, 4):
            return 1
        value = struct.unpack_from(order + ("H" if kind == 3 else "I"), tiff, at + 8)[0]
        return value if 1 <= value <= 8 else 1
    return 1


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """`pixels` as a camera held that way stored them, upright: the stored rows and columns lie where EXIF says."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


# -- PNG -----------------------------------------------------------------------------------------------------------

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each PNG colour type


def _png_chunks(data):
    """(type, body) of each chunk up to IEND. As libpng has it: a critical chunk with a wrong checksum is an error, any
    other is passed over."""
    at = 8
    while True:
        if at + 12 > len(data):
            raise ImageError("damaged PNG: the file is cut short")
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
        if at > len(data):
            raise ImageError("damaged PNG: the file is cut short")
        if not kind.isalpha():
            raise ImageError("damaged PNG: a chunk with an impossible name")
        if zlib.crc32(kind + body) == struct.unpack_from(">I", data, at - 4)[0]:
            yield kind, body
        elif kind[:1].isupper():
            raise ImageError(f"damaged PNG: {kind.decode()} has a wrong checksum")
        if kind == b"IEND":
            return


def _png_file(header, palette, body):
    """A PNG of nothing but what it takes."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + (chunk(b"PLTE", palette) if palette else b"") + chunk(
        b"IDAT", body) + chunk(b"IEND", b"")  # fmt: skip


def png_samples(data: bytes) -> Samples:
    """The samples as they are stored, at their own depth."""
    header = palette = body = exif = None
    ended = False  # whether a chunk stood between the pixels' and here
    for kind, content in _png_chunks(data):
        if (header is None) != (kind == b"IHDR"):
            raise ImageError("damaged PNG: IHDR missing or repeated")
        if kind == b"IHDR":
            header = content
        elif kind == b"PLTE":
            if palette is not None or body is not None:
                raise ImageError("damaged PNG: PLTE out of place")
            palette = content
        elif kind == b"IDAT" and not ended:
            body = (body or []) + [content]
        elif kind == b"eXIf":
            exif = exif or content
        elif kind[:1].isupper() and kind not in (b"IEND", b"IDAT"):
            raise ImageError(f"damaged PNG: unknown chunk {kind.decode()}")
        ended = ended or (body is not None and kind != b"IDAT")
    if len(header) != 13 or body is None:
        raise ImageError("damaged PNG: no pixels" if body is None else "damaged PNG: IHDR of a wrong length")
    width, height, depth, color, compression, filters, interlace = struct.unpack(">IIBBBBB", header)
    check_size(width, height)
    depths = {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(color, (8, 16))
    if color not in _CHANNELS or depth not in depths or compression or filters or interlace > 1:
        raise ImageError("damaged PNG: invalid IHDR")
    if color == 3 and (palette is None or len(palette) % 3 or not 0 < len(palette) // 3 <= 1 << depth):
        raise ImageError("damaged PNG: no valid palette")
    values = _png_values(width, height, depth, color, interlace, b"".join(body))
    table = None
    if color == 3:
        table = np.zeros((256, 3), np.uint8)
        table[: len(palette) // 3] = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    return Samples(values, (1 << depth) - 1, table, exif_orientation(exif or b""), color in (4, 6))


def _png_values(width, height, depth, color, interlace, body):
    """Stored samples without alpha. Pillow undoes filters and interlacing; so that it scales and cuts nothing, it is
    told of a picture whose pixels have as many bytes: gray as indexed, 16-bit gray as gray with alpha, and so on."""

    def read(color, depth, rawmode=None):
        header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
        picture = _open(_png_file(header, bytes(3 << depth) if color == 3 else None, body), "PNG")
        if rawmode:
            picture.tile = [(codec, extents, offset, rawmode) for codec, extents, offset, _ in picture.tile]
        return _load(picture, "PNG")

    channels = _CHANNELS[color]
    if depth < 16:
        values = read(3 if color == 0 else color, depth)
        return values if channels == 1 else values[:, :, 0] if channels == 2 else values[:, :, :3]
    if channels <= 2:  # two bytes are gray with alpha, four are RGBA: the high byte, then the low one
        pair = read(4 if channels == 1 else 6, 8)
        high, low = pair[:, :, 0], pair[:, :, 1]
    else:  # the same bytes, taken for big and for little endian: the first, then the second of each two
        mode = "RGB" if channels == 3 else "RGBA"
        high, low = (read(color, 16, f"{mode};16{order}")[:, :, :3] for order in "BL")
    return high.astype(np.uint16) << 8 | low


def _open(data, name):
    """Pillow's picture of bytes that are known to be of format `name`."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the size is checked here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a damaged EXIF block, which counts as none
            picture = Image.open(io.BytesIO(data), formats=("JPEG", "MPO") if name == "JPEG" else (name,))
        picture.decodermaxblock = max(picture.decodermaxblock, len(data))  # arithmetic coding wants it in one piece
        return picture
    except Exception as error:  # Pillow lets through whatever its parsers meet
        raise ImageError(f"damaged {name}: {error}".replace(" <_io.BytesIO", " <")[:200]) from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _load(picture, name):
    try:
        picture.load()
        return np.array(picture)
    except Exception as error:
        raise ImageError(f"damaged {name}: {error}") from None


# -- JPEG ----------------------------------------------------------------------------------------------------------


def _jpeg(data):
    try:
        return _whole_jpeg(data)
    except ImageError as error:
        found = _jpeg_without_end(data)
        if found is None:
            raise
        return found


def _jpeg_without_end(data):
    """The picture of a file that lacks only its end marker, None where more is missing: then the pixels depend on
    what is put in the place of the missing bytes."""
    if not _jpeg_has_all_scans(data):
        return None
    data = data.rstrip(b"\xff")  # the first byte of the end marker may be there
    try:
        one, *others = (_whole_jpeg(data + bytes([filler]) * 4096 + b"\xff\xd9") for filler in (0, 0xAA, 0x55))
    except ImageError:
        return None
    if not all(np.array_equal(one.values, other.values) for other in others):
        return None
    one.warning = "the JPEG lacks its end marker; all pixels are there"
    return one


def _jpeg_has_all_scans(data):
    """Whether there is no end marker, and every coefficient of every component is in one of the scans to its last
    bit."""
    at, progressive, missing = 2, False, {}
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # inside a scan
            at = data.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0x00, 0xFF, 0x01) or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
            continue
        body = data[at + 4 : at + 2 + length]
        if marker == 0xD9 or 0xC9 <= marker <= 0xCB or len(body) != length - 2:  # the end; arithmetic coding; cut short
            return False
        if marker in (0xC0, 0xC1, 0xC2) and len(body) >= 6 + 3 * body[5]:
            progressive = marker == 0xC2
            missing = {body[6 + 3 * i]: np.ones(64) for i in range(body[5])}
        elif marker == 0xDA and body and len(body) == 4 + 2 * body[0]:
            first, last, bits = body[-3:]
            for i in range(body[0]):
                if body[1 + 2 * i] in missing:
                    missing[body[1 + 2 * i]][first if progressive else 0 : last + 1 if progressive else 64] = bits & 15
        at += 2 + length
    return bool(missing) and not any(bits.any() for bits in missing.values())


def _whole_jpeg(data):
    picture = _open(data, "JPEG")
    check_size(*picture.size)
    exif = picture.info.get("exif", b"")
    orientation = exif_orientation(exif[6:]) if exif[:6] == b"Exif\0\0" else 1
    if picture.mode == "CMYK":
        _load(picture, "JPEG")
        picture = picture.convert("RGB")
    elif picture.mode not in ("L", "RGB"):
        raise ImageError(f"JPEG of mode {picture.mode} is not supported")
    return Samples(_load(picture, "JPEG"), orientation=orientation)


# -- WebP ----------------------------------------------------------------------------------------------------------


def _webp(data):
    if len(data) < 12 or 8 + int.from_bytes(data[4:8], "little") > len(data):
        raise ImageError("damaged WebP: the file is cut short")
    picture = _open(data, "WEBP")
    check_size(*picture.size)
    exif = picture.info.get("exif", b"")
    orientation = exif_orientation(exif[6:] if exif[:6] == b"Exif\0\0" else exif)
    frames = getattr(picture, "n_frames", 1)
    values = _load(picture, "WebP")[:, :, :3]  # alpha is dropped, not blended
    warning = "the WebP is an animation; its first frame is read" if frames > 1 else ""
    return Samples(values, orientation=orientation, warning=warning)


# -- BMP -----------------------------------------------------------------------------------------------------------


def _bmp(data):
    """As stb_image reads them: 1, 4, 8, 16, 24 and 32 bits, fields of any masks, no run lengths."""
    if len(data) < 26:
        raise ImageError("damaged BMP: the file is cut short")
    offset, header = struct.unpack_from("<II", data, 10)
    compression, masks, read = 0, (0, 0, 0), 14 + header
    if header == 12:
        width, height, planes, bits = struct.unpack_from("<HHHH", data, 18)
    elif header in (40, 56, 108, 124) and len(data) >= 14 + header:
        width, height, planes, bits, compression = struct.unpack_from("<IiHHI", data, 18)
        if compression == 3:
            read += 12 if header in (40, 56) else 0
            masks = struct.unpack_from("<III", data.ljust(82, b"\0"), 70 if header == 56 else 54)
    else:
        raise ImageError(f"damaged BMP: unknown header of {header} bytes, or the file is cut short")
    top_first, height = height < 0, abs(height)
    check_size(width, height)
    if compression not in (0, 3) or planes != 1 or (compression == 3 and bits not in (16, 32)):
        raise ImageError("run-length coded or otherwise compressed BMP is not supported")
    if bits not in ((1, 4, 8, 24) if header == 12 else (1, 4, 8, 16, 24, 32)):
        raise ImageError(f"damaged BMP: {bits} bits a pixel")
    row = (width * bits + 31) // 32 * 4
    if offset > len(data) or row * height > len(data) - offset:
        raise ImageError("damaged BMP: the file is cut short")
    raw = np.frombuffer(data, np.uint8, row * height, offset).reshape(height, row)
    if not top_first:
        raw = raw[::-1]
    if bits < 16:
        entry = 3 if header == 12 else 4
        count = (offset - read) // entry
        if not 0 < count <= 256:
            raise ImageError("damaged BMP: no valid palette")
        palette = np.zeros((256, 3), np.uint8)
        palette[:count] = np.frombuffer(data, np.uint8, entry * count, read).reshape(count, entry)[:, 2::-1]
        return Samples(_unpack_bits(raw, bits)[:, :width], palette=palette)
    if offset != read:
        raise ImageError("damaged BMP: the pixels do not follow the header")
    if bits == 24:
        return Samples(raw[:, : 3 * width].reshape(height, width, 3)[:, :, ::-1])
    if compression == 0:
        masks = (31 << 10, 31 << 5, 31) if bits == 16 else (0xFF << 16, 0xFF << 8, 0xFF)
    words = np.ascontiguousarray(raw).view("<u2" if bits == 16 else "<u4")[:, :width].astype(np.uint32)
    return Samples(np.stack([_field(words, mask) for mask in masks], 2))


def _unpack_bits(raw, bits):
    """Rows of bytes to values of 1, 4 or 8 bits, the first in the high bits."""
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    return (raw[:, :, None] >> shifts & (1 << bits) - 1).reshape(len(raw), -1)


def _field(words, mask):
    """The bits of a mask, at most eight of them, spread over 0..255 by repeating them."""
    bits = bin(mask).count("1")
    if not 0 < bits <= 8:
        raise ImageError("damaged BMP: a colour's mask of no bits, or of more than eight")
    shift = mask.bit_length() - 8
    value = (words & mask) >> shift if shift > 0 else (words & mask) << -shift
    value = (value & 255) >> 8 - bits
    out, filled = value << 8 - bits, bits
    while filled < 8:
        out |= value << 8 - bits >> filled
        filled += bits
    return (out & 255).astype(np.uint8)


# -- PNM -----------------------------------------------------------------------------------------------------------


def _pnm(data):
    """P1..P6; samples are scaled from 0..max to 0..255, rounded."""
    kind = data[1] - ord("0")
    bitmap, channels, plain = kind in (1, 4), 3 if kind in (3, 6) else 1, kind <= 3
    skip = rb"(?:\s|#[^\n]*\n?)*"
    header = re.compile(rb"P\d" + (skip + rb"(\d+)") * (2 if bitmap else 3)).match(data)
    if header is None:
        raise ImageError("damaged PNM: no width and height")
    width, height, largest = (int(n) for n in (*header.groups(), b"1")[:3])
    check_size(width, height)
    if not 1 <= largest <= 65535:
        raise ImageError("damaged PNM: the largest value must be 1 to 65535")
    at, count = header.end() + 1, width * height * channels
    if not data[at - 1 : at].isspace():
        raise ImageError("damaged PNM: the file is cut short")
    if plain:
        text = re.sub(rb"#[^\n]*\n?", b" ", data[at:])
        words = re.findall(rb"[01]", text) if bitmap else text.split()
        words = words[:count]
        if len(words) < count or not all(w.isdigit() for w in words):
            raise ImageError("damaged PNM: the file is cut short")
        values = np.array([int(w) for w in words], np.uint64)
    else:
        row = (width + 7) // 8 if kind == 4 else width * channels * (2 if largest > 255 else 1)
        if row * height > len(data) - at:
            raise ImageError("damaged PNM: the file is cut short")
        raw = np.frombuffer(data, np.uint8, row * height, at).reshape(height, row)
        values = _unpack_bits(raw, 1)[:, :width] if kind == 4 else raw if largest < 256 else raw.view(">u2")
        values = values.astype(np.uint64)
    if (values > largest).any():
        raise ImageError("damaged PNM: a sample is above the largest value")
    values = 1 - values if bitmap else values  # 1 is black
    out = ((values * 255 + largest // 2) // largest).astype(np.uint8)
    return Samples(out.reshape((height, width, 3) if channels == 3 else (height, width)))


# -- TIFF ----------------------------------------------------------------------------------------------------------


def tiff_samples(data: bytes) -> Samples:
    """The samples of the first page as they are stored, but for colours that were multiplied by alpha, CMYK and YCbCr,
    which are 8-bit RGB."""
    try:
        page = tiff.read(data)
        check_size(page.width, page.height)
        values, largest = page.samples(lambda: _load(_open(data, "TIFF"), "TIFF")), (1 << page.bits) - 1
    except tiff.TiffError as error:
        raise ImageError(str(error)) from None
    alpha = values[:, :, page.colors] if values.shape[2] > page.colors else None
    values = values[:, :, : page.colors]
    table = None
    if page.photometric == tiff.PALETTE:
        table = np.zeros((256, 3), np.uint8)
        table[: largest + 1] = page.palette()
    elif page.photometric == tiff.MIN_IS_WHITE:
        values = largest - values
    elif page.photometric == tiff.CMYK:
        values, largest = cmyk_to_rgb(to_bytes(values, largest)), 255
    if page.premultiplied and alpha is not None:
        alpha = to_bytes(alpha, largest).astype(np.uint32)[:, :, None]
        values, largest = to_bytes(values, largest), 255
        values = np.where(alpha == 0, 0, np.minimum(255, 255 * values.astype(np.uint32) // np.maximum(alpha, 1)))
    values = values[:, :, 0] if values.shape[2] == 1 else values
    warning = "the TIFF has more than one page; the first is read" if page.more_pages else ""
    return Samples(values.astype(np.uint16 if largest > 255 else np.uint8), largest, table, page.orientation,
                   alpha is not None, warning)  # fmt: skip


def cmyk_to_rgb(ink):
    """(255 - c) * (255 - k) / 255, rounded as Pillow does."""
    white = 255 - ink[:, :, 3:].astype(np.uint32)
    t = ink[:, :, :3] * white + 128
    return (white - (t + (t >> 8) >> 8)).astype(np.uint8)
