"""The first page of a TIFF as tools/lemore/image_io/codec_tiff.cpp reads it: samples as they are stored.

Strips and tiles are unpacked here; what a codec of a whole picture does (JPEG, fax, YCbCr) is left to Pillow's libtiff.
"""

import io
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
NONE, LZW, JPEG, PACKBITS, DEFLATES, FAX = 1, 5, 7, 32773, (8, 32946), (2, 3, 4)
_KINDS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # of the fields that are looked at
_REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))


class TiffError(ValueError):
    """A TIFF that is not read; the message does not name the file."""


@dataclass
class Page:
    data: bytes
    order: str  # "<" or ">"
    fields: dict = field(default_factory=dict)  # tag: numbers
    more_pages: bool = False

    def one(self, tag, default=None):
        return self.fields.get(tag, (default,))[0]

    def __post_init__(self):
        one = self.one
        self.width, self.height = one(256), one(257)
        self.bits, self.count, self.compression = one(258, 1), one(277, 1), one(259, NONE)
        self.photometric, self.planar = one(262), one(284, 1) == 2 and one(277, 1) > 1
        self.orientation = one(274, 1) if 1 <= one(274, 1) <= 8 else 1
        self.colors = {RGB: 3, YCBCR: 3, CMYK: 4}.get(self.photometric, 1)
        self.premultiplied = self.count > self.colors and one(338) == 1
        if self.width is None or self.height is None or self.photometric is None:
            raise TiffError("damaged TIFF: no width, height or meaning of the samples")
        known = (NONE, LZW, JPEG, PACKBITS, *DEFLATES, *FAX)
        for wrong, what in (
            (self.compression not in known, f"of compression {self.compression}"),
            (one(339, 1) not in (1, 4), "of signed, complex or floating-point samples"),
            (self.bits not in (1, 2, 4, 8, 16), f"of {self.bits}-bit samples"),
            (any(b != self.bits for b in self.fields.get(258, ())), "of samples of several sizes"),
            (self.photometric not in (0, 1, 2, 3, 5, 6), f"of photometric interpretation {self.photometric}"),
            (self.photometric == CMYK and one(332, 1) != 1, "of inks other than CMYK"),
            (not self.colors <= self.count <= self.colors + 1, f"with {self.count} samples a pixel"),
            (self.planar and (self.photometric in (CMYK, PALETTE) or self.premultiplied), "of such planes"),
            (self.bits < 8 and (self.count > 1 or self.colors > 1), "of colours of less than 8 bits"),
            (self.photometric == PALETTE and (self.bits > 8 or len(self.fields.get(320, ())) != 3 << self.bits),
             "of a palette of this size"),
        ):  # fmt: skip
            if wrong:
                raise TiffError(f"TIFF {what} is not supported")

    def palette(self):
        entries = np.array(self.fields[320]).reshape(3, -1).T
        return entries >> (8 if (entries > 255).any() else 0)  # 16 bits, or, wrongly but commonly, 8

    def samples(self, by_pillow):
        """[h, w, samples]; `by_pillow` decodes the whole file."""
        if self.compression == JPEG or self.compression in FAX or self.photometric == YCBCR:
            values = by_pillow().astype(np.uint8)
            if self.bits == 1 and self.photometric == MIN_IS_WHITE:
                values = 1 - values  # Pillow has turned them already
            return values.reshape(self.height, self.width, -1)[:, :, : self.colors]
        tiled = 324 in self.fields
        width, height = (
            (self.one(322), self.one(323)) if tiled else (self.width, min(self.one(278, 2**32 - 1), self.height))
        )
        offsets, sizes = (self.fields.get(tag, ()) for tag in ((324, 325) if tiled else (273, 279)))
        if not width or not height:
            raise TiffError("damaged TIFF: empty strips or tiles")
        sizes = sizes or [max(0, len(self.data) - offset) for offset in offsets]  # not said: up to the end
        planes, across, down = (self.count if self.planar else 1), -(-self.width // width), -(-self.height // height)
        if not planes * across * down <= min(len(offsets), len(sizes)) or width * height > 1 << 28:
            raise TiffError("damaged TIFF: strips or tiles are missing")
        out = np.zeros((self.height, self.width, self.count), np.uint16)
        at = 0
        for plane in range(planes):
            for y in range(0, down * height, height):
                for x in range(0, across * width, width):
                    rows = height if tiled else min(height, self.height - y)
                    part = self.unpack(offsets[at], sizes[at], rows, width, self.count // planes)
                    room = out[y : y + height, x : x + width, slice(plane, plane + 1) if self.planar else slice(None)]
                    room[:] = part[: room.shape[0], : room.shape[1]]
                    at += 1
        return out

    def unpack(self, offset, size, rows, width, count):
        """One strip or tile: [rows, width, count]."""
        packed = self.data[offset : offset + size]
        if len(packed) != size:
            raise TiffError("damaged TIFF: the file is cut short")
        if self.one(266, 1) == 2:
            packed = packed.translate(_REVERSED)
        row = (width * count * self.bits + 7) // 8
        raw = self.inflate(packed, rows, row)
        if len(raw) < rows * row:
            raise TiffError("damaged TIFF: a strip or tile is cut short")
        raw = np.frombuffer(raw, np.uint8, rows * row).reshape(rows, row)
        if self.bits < 8:
            shifts = np.arange(8 - self.bits, -1, -self.bits, dtype=np.uint8)
            return (raw[:, :, None] >> shifts & (1 << self.bits) - 1).reshape(rows, -1)[:, :width, None]
        values = raw if self.bits == 8 else raw.view(self.order + "u2")
        values = values.reshape(rows, width, count).astype(np.uint16)
        if self.one(317, 1) == 2 and self.compression in (LZW, *DEFLATES):  # differences along the row
            values = np.cumsum(values, 1, dtype=np.uint16) & (1 << self.bits) - 1
        return values

    def inflate(self, packed, rows, row):
        if self.one(317, 1) not in (1, 2):
            raise TiffError(f"TIFF of predictor {self.one(317)} is not supported")
        if self.compression == NONE:
            return packed
        if self.compression in DEFLATES:
            try:
                return zlib.decompressobj().decompress(packed, rows * row)
            except zlib.error as error:
                raise TiffError(f"damaged TIFF: {error}") from None
        # A gray picture of as many bytes, packed in the same way: bytes are unpacked whatever they mean.
        entries = ((256, row), (257, rows), (258, 8), (259, self.compression), (262, 1), (273, 8), (277, 1),
                   (278, rows),
                   (279, len(packed)))  # fmt: skip
        file = b"II*\0" + struct.pack("<I", 8 + len(packed) + len(packed) % 2) + packed + b"\0" * (len(packed) % 2)
        file += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in entries)
        try:
            return np.array(Image.open(io.BytesIO(file + bytes(4)), formats=("TIFF",))).tobytes()
        except Exception as error:  # Pillow lets through whatever its parsers meet
            raise TiffError(f"damaged TIFF: {error}") from None


def read(data: bytes) -> Page:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
        at += 8 if big else 2
        size, fields = (20 if big else 12), {}
        for place in range(at, at + size * min(entries, 4096), size):
            tag, kind = struct.unpack_from(order + "HH", data, place)
            (count,) = struct.unpack_from(order + ("Q" if big else "I"), data, place + 4)
            if kind not in _KINDS:
                continue
            code, inline = _KINDS[kind], place + (12 if big else 8)
            bytes_ = struct.calcsize("=" + code) * count
            if bytes_ > (8 if big else 4):
                (inline,) = struct.unpack_from(order + ("Q" if big else "I"), data, inline)
            if count and inline + bytes_ <= len(data):
                fields.setdefault(tag, struct.unpack_from(f"{order}{count}{code}", data, inline))
        (following,) = struct.unpack_from(order + ("Q" if big else "I"), data, at + size * entries)
    except struct.error:
        raise TiffError("damaged TIFF: the file is cut short") from None
    return Page(data, order, fields, following != 0)
