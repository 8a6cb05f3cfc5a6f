"""Pictures as Python reads them against what `lemore` makes of the same bytes: equal pixels, or both refuse."""

import io
import json
import struct
import subprocess
import zlib

import numpy as np
import pytest
import toy
from cpp import binary, lemore
from PIL import Image

import convert
from lemore_torch import images
from lemore_torch.networks.lemore import Config
from lemore_torch.data import DataError, pair_pattern, pairs, read_image
from lemore_torch.networks.lemore import LeMoRe

import torch

HEIGHT, WIDTH = 37, 45
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def draw(channels=3, largest=255, seed=0, height=HEIGHT, width=WIDTH):
    """Shades and noise over all values 0..largest: [height, width, channels]."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [(0.5 + 0.4 * np.sin(y / 6 + x / (4 + c) + c)) * largest for c in range(channels)]
    noise = generator.integers(0, largest + 1, (height, width, channels))
    keep = generator.random((height, width, 1)) < 0.7
    return np.where(keep, np.stack(planes, 2).round(), noise).astype(np.uint32)


# -- writers of what Pillow does not write --------------------------------------------------------------------------


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_rows(values, depth):
    """Packed rows, each filtered another way."""
    height, width, channels = values.shape
    if depth < 8:
        bits = (values[:, :, 0, None] >> np.arange(depth - 1, -1, -1) & 1).reshape(height, -1)
        rows = np.packbits(bits.astype(np.uint8), axis=1)
    else:
        rows = values.astype(">u2" if depth == 16 else np.uint8).reshape(height, -1).view(np.uint8)
    pixel = max(1, depth * channels // 8)
    rows, out, above = rows.astype(int), b"", np.zeros(rows.shape[1], int)
    for number, row in enumerate(rows):
        left, corner = (np.concatenate([np.zeros(pixel, int), r])[: len(r)] for r in (row, above))
        distance = [abs(left + above - corner - n) for n in (left, above, corner)]
        nearest = np.where((distance[0] <= distance[1]) & (distance[0] <= distance[2]), left,
                           np.where(distance[1] <= distance[2], above, corner))  # fmt: skip
        way = number % 5
        guess = (0, left, above, (left + above) // 2, nearest)[way]
        out += bytes([way]) + ((row - guess) & 255).astype(np.uint8).tobytes()
        above = row
    return out


def png(values, depth, color, interlace=0, palette=b"", extra=b""):
    height, width = values.shape[:2]
    parts = [values] if not interlace else [values[top::down, left::right] for top, left, down, right in ADAM7]
    body = zlib.compress(b"".join(png_rows(part, depth) for part in parts if part.size))
    cut = len(body) // 2
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))
            + extra + (chunk(b"PLTE", palette) if palette else b"") + chunk(b"IDAT", body[:cut])
            + chunk(b"IDAT", body[cut:]) + chunk(b"IEND", b""))  # fmt: skip


def exif(orientation, order="<"):
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return header + struct.pack(order + "HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def bmp(bits, header=40, masks=None, top_first=False, cut=0, entries=None):
    """A BMP of random bits: whatever they are, both readers must see the same in them."""
    generator = np.random.default_rng(bits)
    row = (WIDTH * bits + 31) // 32 * 4
    entry = 3 if header == 12 else 4
    palette = generator.integers(0, 256, entry * (entries or 1 << bits) if bits < 16 else 0).astype(np.uint8).tobytes()
    fields = struct.pack("<III", *masks) if masks else b""
    inside = header > 40  # the masks stand in the header
    offset = 14 + header + (0 if inside else len(fields)) + len(palette)
    if header == 12:
        head = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, WIDTH, -HEIGHT if top_first else HEIGHT, 1, bits,
                           3 if masks else 0, 0, 0, 0, 0, 0)  # fmt: skip
        head = (head + fields).ljust(header, b"\0")
    body = generator.integers(0, 256, row * HEIGHT).astype(np.uint8).tobytes()
    return (b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + head + palette + body)[: -cut or None]


def pnm(kind, largest=255, comment=b""):
    channels = 3 if kind in (3, 6) else 1
    values = draw(channels, 1 if kind in (1, 4) else largest)
    head = b"P%d\n%s%d %d\n" % (kind, comment, WIDTH, HEIGHT) + (b"" if kind in (1, 4) else b"%d\n" % largest)
    if kind == 1:
        return head + b"\n".join(b"".join(b"%d" % v for v in row.flatten()) for row in values)
    if kind in (2, 3):
        return head + b"\n".join(b" ".join(b"%d" % v for v in row.flatten()) for row in values)
    if kind == 4:
        return head + np.packbits(values[:, :, 0].astype(np.uint8), axis=1).tobytes()
    return head + values.astype(">u2" if largest > 255 else np.uint8).tobytes()


def lzw(data):
    """TIFF's LZW, never beyond 9 bits: the table is cleared often."""
    bits = "".join(f"{code:09b}" for i in range(0, len(data), 200) for code in (256, *data[i : i + 200])) + f"{257:09b}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def packbits(data, row):
    """Runs of at most 100 bytes, which end with the row."""
    runs = [data[y + x : y + min(x + 100, row)] for y in range(0, len(data), row) for x in range(0, row, 100)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def tiff(values, bits, photometric, compression=1, order="<", rows=10, tile=None, planar=False, predictor=1, extra=(),
         palette=None, orientation=1, fill=1, big=False, pages=1, without=()):  # fmt: skip
    """A TIFF of `values` [h, w, samples] as they stand."""
    height, width, count = values.shape
    high, wide = tile or (rows, width)
    planes = [values[:, :, i : i + 1] for i in range(count)] if planar else [values]
    parts = []
    for plane in planes:
        for y in range(0, height, high):
            for x in range(0, width, wide):
                part = plane[y : y + high, x : x + wide]
                if tile:
                    part = np.pad(part, ((0, high - part.shape[0]), (0, wide - part.shape[1]), (0, 0)))
                if predictor == 2:
                    part = np.diff(part.astype(int), axis=1, prepend=0) & (1 << bits) - 1
                if bits < 8:
                    cells = part.reshape(len(part), -1)[:, :, None] >> np.arange(bits - 1, -1, -1) & 1
                    raw = np.packbits(cells.reshape(len(part), -1).astype(np.uint8), axis=1).tobytes()
                else:
                    raw = part.astype(order + "u2" if bits == 16 else np.uint8).tobytes()
                packed = {
                    1: bytes,
                    5: lzw,
                    8: zlib.compress,
                    32946: zlib.compress,
                    32773: lambda raw: packbits(raw, len(raw) // len(part)),
                }[compression](raw)
                parts.append(packed if fill == 1 else bytes(int(f"{b:08b}"[::-1], 2) for b in packed))
    start = 16 if big else 8
    offsets = [start + sum(len(p) + len(p) % 2 for p in parts[:i]) for i in range(len(parts))]
    places, sizes = (324, 325) if tile else (273, 279)
    fields = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * count), 259: (3, [compression]),
              262: (3, [photometric]), 266: (3, [fill]), 274: (3, [orientation]), 277: (3, [count]),
              284: (3, [2 if planar else 1]), 317: (3, [predictor]), places: (4, offsets),
              sizes: (4, [len(p) for p in parts])}  # fmt: skip
    fields.update({322: (4, [wide]), 323: (4, [high])} if tile else {278: (4, [high])})
    fields.update({338: (3, list(extra))} if extra else {})
    fields.update({320: (3, list(palette))} if palette is not None else {})
    body = b"".join(p + b"\0" * (len(p) % 2) for p in parts)
    at, word = start + len(body), "Q" if big else "I"
    directory, after = b"", b""
    fields = {tag: field for tag, field in sorted(fields.items()) if tag not in without}
    end = at + (8 if big else 2) + len(fields) * (20 if big else 12) + (8 if big else 4)
    for tag, (kind, numbers) in fields.items():
        data = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        room = 8 if big else 4
        if len(data) > room:
            after += b"\0" * (len(after) % 2)
            data, place = struct.pack(order + word, end + len(after)), data
            after += place
        directory += struct.pack(order + "HH" + word, tag, kind, len(numbers)) + data.ljust(room, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0) if big else (42,)), at
    )
    count_ = struct.pack(order + ("Q" if big else "H"), len(fields))
    following = struct.pack(order + word, at if pages > 1 else 0)  # the page after it is itself
    return head + body + count_ + directory + following + after


# -- every kind of file ---------------------------------------------------------------------------------------------


def files():
    """name: bytes."""
    out = {}
    for color, depths, channels in ((0, (1, 2, 4, 8, 16), 1), (2, (8, 16), 3), (3, (1, 2, 4, 8), 1), (4, (8, 16), 2),
                                    (6, (8, 16), 4)):  # fmt: skip
        for depth in depths:
            values = draw(channels, (1 << depth) - 1, seed=color * 20 + depth)
            palette = (
                bytes(np.random.default_rng(depth).integers(0, 256, 3 << depth).astype(np.uint8)) if color == 3 else b""
            )
            for interlace in (0, 1):
                out[f"png_color{color}_depth{depth}_interlace{interlace}.png"] = png(
                    values, depth, color, interlace, palette
                )
            out[f"png_color{color}_depth{depth}_turned.png"] = png(
                values, depth, color, 0, palette, chunk(b"eXIf", exif(6, ">"))
            )
    few = bytes(range(30))
    out["png_indices_beyond_palette.png"] = png(draw(1, 15), 4, 3, 0, few)
    out["png_gamma_text.png"] = png(
        draw(3), 8, 2, 0, b"", chunk(b"gAMA", struct.pack(">I", 20000)) + chunk(b"tEXt", b"a\0b")
    )
    out["png_transparent_color.png"] = png(draw(3), 8, 2, 0, b"", chunk(b"tRNS", bytes(6)))
    whole = png(draw(3), 8, 2)
    for name, data in (("half", whole[: len(whole) // 2]), ("no_end", whole[:-12]), ("trailing", whole + b"more"),
                       ("wrong_sum", whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:]),
                       ("bad_gamma_sum", whole[:33] + chunk(b"gAMA", bytes(4))[:-1] + b"x" + whole[33:])):  # fmt: skip
        out[f"png_{name}.png"] = data

    picture = Image.fromarray(draw(3).astype(np.uint8))
    for orientation in range(10):
        for order in "<>":
            block = b"Exif\0\0" + exif(orientation, order)
            out[f"jpeg_exif{orientation}{'le' if order == '<' else 'be'}.jpg"] = saved(picture, "JPEG", exif=block)
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            out[f"jpeg_{subsampling}_{progressive}.jpeg"] = saved(
                picture, "JPEG", quality=60, subsampling=subsampling, progressive=progressive
            )
    for mode in ("L", "CMYK"):
        out[f"jpeg_{mode}.jpe"] = saved(picture.convert(mode), "JPEG")
    out["jpeg_restarts.jfif"] = saved(picture, "JPEG", quality=100, optimize=True)
    whole = saved(picture, "JPEG", quality=95)
    out["jpeg_half.jpg"], out["jpeg_trailing.jpg"] = whole[: len(whole) // 2], whole + b"more"
    out["jpeg_last_bytes.jpg"] = whole[:-60]

    for bits in (1, 4, 8, 16, 24, 32):
        out[f"bmp_{bits}.bmp"], out[f"bmp_{bits}_top_first.dib"] = bmp(bits), bmp(bits, top_first=True)
        out[f"bmp_os2_{bits}.bmp"] = bmp(bits, header=12)
    out["bmp_cut.bmp"], out["bmp_short_palette.bmp"] = bmp(24, cut=10), bmp(8, entries=200)
    for name, bits, masks in (("565", 16, (0xF800, 0x7E0, 0x1F)), ("444", 16, (0xF00, 0xF0, 0xF)),
                              ("8888", 32, (0xFF000000, 0xFF0000, 0xFF00)), ("rgb", 32, (0xFF, 0xFF00, 0xFF0000)),
                              ("1010", 32, (0x3FF00000, 0xFFC00, 0x3FF)), ("none", 32, (0, 0, 0))):  # fmt: skip
        for header in (40, 108, 124):
            out[f"bmp_fields_{name}_{header}.bmp"] = bmp(bits, header, masks)

    for kind, ending in ((1, "pbm"), (2, "pgm"), (3, "ppm"), (4, "pbm"), (5, "pgm"), (6, "ppm")):
        for largest in (255, 1, 77, 1000, 65535) if kind not in (1, 4) else (1,):
            out[f"pnm_p{kind}_{largest}.{ending}"] = pnm(kind, largest)
        out[f"pnm_p{kind}_comment.pnm"] = pnm(kind, comment=b"# a comment 1 2 3\n")
        out[f"pnm_p{kind}_cut.pnm"] = pnm(kind)[:-3]
    out["pnm_above_largest.pgm"] = pnm(5, 255).replace(b"255\n", b"200\n", 1)

    for order, sign in (("<", "le"), (">", "be")):
        for photometric, name in ((0, "white"), (1, "black")):
            for bits in (1, 2, 4, 8, 16):
                out[f"tiff_{name}_{bits}_{sign}.tif"] = tiff(draw(1, (1 << bits) - 1), bits, photometric, order=order)
        for bits in (1, 2, 4, 8):
            palette = np.random.default_rng(bits).integers(0, 65536, 3 << bits)
            out[f"tiff_palette_{bits}_{sign}.tiff"] = tiff(
                draw(1, (1 << bits) - 1), bits, 3, order=order, palette=palette
            )
            out[f"tiff_palette_8bit_entries_{bits}_{sign}.tiff"] = tiff(
                draw(1, (1 << bits) - 1), bits, 3, order=order, palette=palette >> 8
            )
        for bits in (8, 16):
            largest = (1 << bits) - 1
            kinds = {"rgb": (3, 2, ()), "rgba": (4, 2, (2,)), "rgba_multiplied": (4, 2, (1,)), "rgbx": (4, 2, (0,)),
                     "gray_alpha": (2, 1, (2,)), "cmyk": (4, 5, ())}  # fmt: skip
            for name, (count, photometric, extra) in kinds.items():
                for planar in (False, True):
                    out[f"tiff_{name}_{bits}_{'planes' if planar else 'pixels'}_{sign}.tif"] = tiff(
                        draw(count, largest), bits, photometric, order=order, extra=extra, planar=planar
                    )
            for compression in (5, 8, 32946, 32773):
                for predictor in (1, 2) if compression != 32773 else (1,):
                    out[f"tiff_packed{compression}_{predictor}_{bits}_{sign}.tif"] = tiff(
                        draw(3, largest), bits, 2, compression, order, predictor=predictor
                    )
            out[f"tiff_tiles_{bits}_{sign}.tif"] = tiff(draw(3, largest), bits, 2, 8, order, tile=(16, 32))
            out[f"tiff_tile_planes_{bits}_{sign}.tif"] = tiff(
                draw(3, largest), bits, 2, 5, order, tile=(16, 16), planar=True
            )
    for orientation in range(10):
        out[f"tiff_turned{orientation}.tif"] = tiff(draw(3), 8, 2, orientation=orientation)
    for bits, compression in ((1, 1), (4, 5), (8, 8), (8, 32773)):
        out[f"tiff_fill_order_{bits}_{compression}.tif"] = tiff(draw(1, (1 << bits) - 1), bits, 1, compression, fill=2)
    out["tiff_big.tif"], out["tiff_pages.tif"] = tiff(draw(3), 8, 2, big=True), tiff(draw(3), 8, 2, pages=2)
    out["tiff_big_be.tif"] = tiff(draw(1, 65535), 16, 1, 8, ">", big=True)
    out["tiff_one_strip.tif"] = tiff(draw(3), 8, 2, rows=HEIGHT)
    for tag in (256, 257, 258, 262, 273, 277, 278, 279):
        out[f"tiff_without{tag}.tif"] = tiff(draw(1), 8, 1, rows=HEIGHT, without=(tag,))
    for name, data in (("lab", tiff(draw(3), 8, 8)), ("five", tiff(draw(5), 8, 2)), ("cut", tiff(draw(3), 8, 2)[:2000]),
                       ("cut_deflate", tiff(draw(3), 8, 2, 8)[:3000])):  # fmt: skip
        out[f"tiff_{name}.tif"] = data
    for compression in ("group3", "group4", "tiff_ccitt"):
        out[f"tiff_{compression}.tif"] = saved(picture.convert("1"), "TIFF", compression=compression)
    for mode in ("L", "RGB"):
        out[f"tiff_jpeg_{mode}.tif"] = saved(picture.convert(mode), "TIFF", compression="jpeg")
    for mode in ("RGB", "RGBA"):
        for lossless in (False, True):
            shaped = Image.fromarray(draw(len(mode)).astype(np.uint8), mode)
            out[f"webp_{mode}_{lossless}.webp"] = saved(shaped, "WEBP", lossless=lossless, exact=True)
    for orientation in range(1, 9):
        out[f"webp_turned{orientation}.webp"] = saved(picture, "WEBP", exif=exif(orientation))
        out[f"webp_turned{orientation}_prefix.webp"] = saved(picture, "WEBP", exif=b"Exif\0\0" + exif(orientation))
    out["webp_frames.webp"] = saved(picture, "WEBP", save_all=True, append_images=[picture.rotate(90)], lossless=True)
    out["webp_cut.webp"] = saved(picture, "WEBP")[:-50]
    out["webp_trailing.webp"] = saved(picture, "WEBP") + b"more"

    for progressive in (False, True):
        whole = saved(picture, "JPEG", progressive=progressive, quality=90)
        for cut in (1, 2, 3, 5, 40):
            out[f"jpeg_without_{cut}_{progressive}.jpg"] = whole[:-cut]
    scan = whole.rindex(b"\xff\xda")
    out["jpeg_without_last_scan.jpg"], out["jpeg_without_last_scan_but_end.jpg"] = (
        whole[:scan],
        whole[:scan] + b"\xff\xd9",
    )
    for mode in ("L", "CMYK"):
        out[f"jpeg_{mode}_without_end.jpg"] = saved(picture.convert(mode), "JPEG")[:-2]

    out["empty.png"], out["text.png"], out["gif.gif"] = b"", b"<html>no picture</html>", saved(picture, "GIF")
    out["jpeg_called.png"], out["png_called.jpg"] = saved(picture, "JPEG"), saved(picture, "PNG")
    return out


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name, data in files().items():
        (folder / f"{name.replace('.', '_')}.{name.rsplit('.', 1)[1]}").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small weight file; what is in it does not matter."""
    binary()
    trained = tmp_path_factory.mktemp("model") / "model.pth"
    torch.save({"state_dict": LeMoRe(Config.from_json(toy.CONFIG)).state_dict(), "config": toy.CONFIG}, trained)
    assert convert.main([str(trained), "-o", str(trained.with_suffix(".safetensors"))]) == 0
    return trained.with_suffix(".safetensors")


@pytest.fixture(scope="module")
def shown(written, model, tmp_path_factory):
    """(folder of what `lemore` decoded, what it said): an overlay of nothing, named after the picture."""
    program, out = binary(), tmp_path_factory.mktemp("shown")
    done = subprocess.run([program, "run", "-m", model, written, "-o", out / "pictures", "--emit", "overlay",
                           "--opacity",
                           "0", "-t", "1", "--keep-going"], capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 3, done.stderr
    return out / "pictures", done.stderr


@pytest.mark.parametrize("name", files())
def test_same_pixels_or_both_refuse(name, written, shown):
    pictures, said = shown
    path = written / f"{name.replace('.', '_')}.{name.rsplit('.', 1)[1]}"
    found = [p for p in pictures.iterdir() if p.name.startswith(f"{path.stem}.")]
    try:
        got = read_image(path).permute(1, 2, 0).numpy()
    except DataError as error:
        assert str(error).startswith(f"{path}: ")
        assert not found, f"lemore reads it, Python does not: {error}"
        return
    assert found, [line for line in said.splitlines() if path.name in line]
    assert np.array_equal(got, np.array(Image.open(found[0]).convert("RGB")))


def test_enough_is_read(written, shown):
    """Not both refuse everything."""
    assert len(list(shown[0].iterdir())) > 0.8 * len(list(written.iterdir()))


# -- which files of a folder count ----------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    return tmp_path


def put(folders, *names):
    for name in names:
        (folders / name).parent.mkdir(exist_ok=True)
        (folders / name).write_bytes(saved(Image.new("L", (8, 8)), "PNG"))


def test_every_ending_counts(folders, model):
    """One file of each ending, and others that do not count: Python and `lemore eval` take the same."""
    names = [f"{i:02}{ending.upper() if i % 2 else ending}" for i, ending in enumerate(images.ENDINGS)]
    assert ".jpg" in images.ENDINGS and ".ppm" in images.ENDINGS and ".webp" in images.ENDINGS
    put(folders, *(f"images/{name}" for name in names), *(f"labels/{i:02}.png" for i in range(len(names))))
    put(folders, "images/notes.txt", "images/._00.png", "images/.hidden.png", "labels/._00.png", "labels/00.json")
    (folders / "images" / "deeper.png").mkdir()
    assert [p.name for p, _ in pairs(folders / "images", folders / "labels")] == names
    scores = lemore("eval", "-m", model, "--images", folders / "images", "--labels", folders / "labels", "--json")
    assert json.loads(scores)["images"] == len(names)


def test_names_keep_their_dots(folders):
    put(folders, "images/a.b.png", "images/a.c.jpg", "labels/a.b.png", "labels/a.c.png")
    assert [(a.name, b.name) for a, b in pairs(folders / "images", folders / "labels")] == [
        ("a.b.png", "a.b.png"), ("a.c.jpg", "a.c.png")]  # fmt: skip


PATTERN = "{}_leftImg8bit.png={}_gtFine_labelTrainIds.png"


def test_names_that_differ_by_a_suffix(folders, model):
    """As Cityscapes has them: sub-folders, and other pictures beside the labels."""
    for city in ("aachen", "bonn"):
        for number in range(2):
            stem = f"{city}/{city}_{number}"
            put(folders, f"images/{stem}_leftImg8bit.png", f"labels/{stem}_gtFine_labelTrainIds.png",
                f"labels/{stem}_gtFine_color.png", f"images/{stem}_other.jpg")  # fmt: skip
    both, sides = (folders / "images", folders / "labels"), pair_pattern(PATTERN)
    found = pairs(*both, sides, recursive=True)
    assert [a.name for a, _ in found] == [f"{c}_{n}_leftImg8bit.png" for c in ("aachen", "bonn") for n in range(2)]
    assert all(b.name == a.name.replace("leftImg8bit", "gtFine_labelTrainIds") for a, b in found)
    scores = lemore(
        "eval", "-m", model, "--images", both[0], "--labels", both[1], "--recursive", "--pair", PATTERN, "--json"
    )
    assert json.loads(scores)["images"] == len(found)
    with pytest.raises(DataError, match="no images called"):
        pairs(*both, sides)
    (folders / "labels" / "bonn" / "bonn_1_gtFine_labelTrainIds.png").unlink()
    with pytest.raises(DataError, match="bonn_1_gtFine_labelTrainIds.png"):
        pairs(*both, sides, recursive=True)


@pytest.mark.parametrize("text", ["", "a=b", "{}=b", "{}{}={}", "a/{}={}", "{}={}={}", "{}.png"])
def test_patterns_of_names_are_checked(text):
    with pytest.raises(ValueError):
        pair_pattern(text)


@pytest.mark.parametrize("pattern", ["{}_img={}_lab", "{}_img.png={}_lab", "{}_img={}_lab.png"])
def test_patterns_without_an_ending(pattern, folders):
    put(folders, "images/a_img.png", "images/b_img.png", "labels/a_lab.png", "labels/b_lab.png", "labels/c_other.png")
    assert len(pairs(folders / "images", folders / "labels", pair_pattern(pattern))) == 2


@pytest.mark.parametrize("extra, named", [
    ("images/a.jpg", "a.jpg"), ("labels/a.PNG", "a.PNG"), ("images/b.ppm", "b.ppm"), ("labels/b.png", "b.png")
])  # fmt: skip
def test_strays_are_errors(folders, extra, named):
    put(folders, "images/a.png", "labels/a.png", extra)
    with pytest.raises(DataError, match=named):
        pairs(folders / "images", folders / "labels")
