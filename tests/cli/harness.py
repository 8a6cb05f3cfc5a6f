"""What the end-to-end tests share: pictures and tensors read and written plainly, and lemore run as a user runs it.

The script that imports it is called with LEMORE SOURCE_DIR [unittest options]. Standard library only.
"""

import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path

LEMORE = str(Path(sys.argv[1]).resolve())
SOURCE = Path(sys.argv[2]).resolve()
GOLDEN = SOURCE / "tests/golden"
MODEL = str(GOLDEN / "rect.model.safetensors")  # 40x72, 4 classes
THREE_STAGES = str(GOLDEN / "three-stages.model.safetensors")  # 19 classes
CLASSIFIER = str(GOLDEN / "classifier.model.safetensors")
SHARED = Path(os.environ.get("LEMORE_TEST_DATA", "/nonexistent")) / "data"  # not part of the project
SANITIZED = bool(os.environ.get("LEMORE_TEST_SANITIZED"))
GOLDEN_NAMES = sorted(p.name.split(".")[0] for p in GOLDEN.glob("*.model.safetensors"))


# ---------------------------------------------------------------- images and tensors, read and written plainly


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, width, height, rows, color_type=2, depth=8, extra=b""):
    """rows: one bytes object a row, unfiltered."""
    raw = b"".join(b"\0" + bytes(row) for row in rows)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))
    Path(path).write_bytes(data + extra + png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b""))


def draw(path, width=60, height=40, seed=0):
    """A small photograph: smooth shades and a block."""
    r = random.Random(seed)
    a, b, c = (r.randrange(256) for _ in range(3))
    rows = []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            inside = width // 4 < x < width // 2 and y > height // 2
            row += bytes(((a + 3 * x) % 256, (b + 5 * y) % 256, 255 - c if inside else (c + x * y // 8) % 256))
        rows.append(bytes(row))
    write_png(path, width, height, rows)
    return rows


class Png:
    """Reads what lemore writes (filters none and sub, 8 bits)."""

    def __init__(self, path):
        data = Path(path).read_bytes() if not isinstance(path, bytes) else path
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        at, packed = 8, b""
        self.palette = None
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at : at + 8])
            body = data[at + 8 : at + 8 + size]
            assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0]
            if kind == b"IHDR":
                self.width, self.height, self.depth, self.color_type = struct.unpack(">IIBB", body[:10])
            elif kind == b"PLTE":
                self.palette = [tuple(body[i : i + 3]) for i in range(0, size, 3)]
            elif kind == b"IDAT":
                packed += body
            at += 12 + size
        self.channels = {0: 1, 2: 3, 3: 1}[self.color_type]
        self.raw = zlib.decompress(packed)

    def row(self, y):
        step = self.width * self.channels + 1
        kind, row = self.raw[y * step], bytearray(self.raw[y * step + 1 : (y + 1) * step])
        assert kind in (0, 1), kind
        if kind == 1:
            for i in range(self.channels, len(row)):
                row[i] = (row[i] + row[i - self.channels]) & 255
        return bytes(row)

    def rows(self):
        return [self.row(y) for y in range(self.height)]


def read_npy(path):
    data = Path(path).read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    size = struct.unpack("<H", data[8:10])[0]
    assert (10 + size) % 64 == 0
    header = eval(data[10 : 10 + size], {}, {})  # our own file: a literal
    assert header["descr"] == "<f4" and header["fortran_order"] is False
    count = 1
    for n in header["shape"]:
        count *= n
    values = struct.unpack("<%df" % count, data[10 + size :])
    return header["shape"], values


def labels_of_logits(shape, values, height, width):
    """The spec's label map: bilinear, half-pixel centres, the largest class, ties to the lower."""
    classes, h, w = shape

    def taps(n, to):
        out = []
        for i in range(to):
            s = max((i + 0.5) * n / to - 0.5, 0)
            low = min(int(s), n - 1)
            out.append((low, min(low + 1, n - 1), s - low))
        return out

    ys, xs = taps(h, height), taps(w, width)
    rows = []
    for y0, y1, fy in ys:
        row = bytearray()
        for x0, x1, fx in xs:
            best, label = None, 0
            for c in range(classes):
                at = lambda y, x: values[(c * h + y) * w + x]
                v = (at(y0, x0) * (1 - fx) + at(y0, x1) * fx) * (1 - fy) + (
                    at(y1, x0) * (1 - fx) + at(y1, x1) * fx
                ) * fy
                if best is None or v > best:
                    best, label = v, c
            row.append(label)
        rows.append(bytes(row))
    return rows


def read_safetensors(path):
    data = Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), bytearray(data[8 + size :])


def write_safetensors(path, header, body):
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + bytes(body))


# ---------------------------------------------------------------- JSON and its documentation


def json_keys(value, free=(), path=""):
    """The keys of a JSON value as docs/json.md writes them: a.b, list[].c. What lies below the keys in `free` is a
    file's own and not looked at."""
    if path in free or not isinstance(value, (dict, list)):
        return {path}
    if isinstance(value, list):
        if not any(isinstance(item, dict) for item in value):
            return {path}
        return set().union(*(json_keys(item, free, path + "[]") for item in value))
    return set().union(*(json_keys(item, free, path + "." + key if path else key) for key, item in value.items()))


def documented_keys(section):
    """The keys in the table of a section of docs/json.md."""
    text = (SOURCE / "docs/json.md").read_text()
    body = re.search(r"^##+ %s\n(.*?)(?=^##|\Z)" % re.escape(section), text, re.M | re.S).group(1)
    keys = re.findall(r"^\| `([^`]+)` \|", body, re.M)
    assert len(keys) == len(set(keys)), "a key stands twice"
    return set(keys)


# ---------------------------------------------------------------- running


class Result:
    def __init__(self, code, out, err, seconds, usage):
        self.code, self.out, self.err, self.seconds, self.peak_kb = code, out, err, seconds, usage.ru_maxrss
        self.cpu_seconds = usage.ru_utime + usage.ru_stime

    @property
    def text(self):
        return self.out.decode()

    @property
    def json(self):
        return json.loads(self.out)


def lemore(*arguments, stdin=None, env=None, cwd=None, stdout=None, through=(), prepare=None):
    """through: a command that starts it; prepare: called in the child before."""
    environment = dict(os.environ)
    environment.update(env or {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.time()
        child = subprocess.Popen(
            [*through, LEMORE, *map(str, arguments)],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=stdout or out,
            stderr=err,
            env=environment,
            cwd=cwd,
            preexec_fn=prepare,
        )
        if stdin is not None:
            try:
                child.stdin.write(stdin)
                child.stdin.close()
            except BrokenPipeError:
                pass
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.time() - start
        out.seek(0)
        err.seek(0)
        return Result(child.returncode, out.read(), err.read().decode(errors="replace"), seconds, usage)


def supported_isas():
    for line in lemore("--version").text.splitlines():
        if line.startswith("ISAs of this CPU:"):
            return line.split(":")[1].split()
    return []


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="lemore-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def photo(self, name="photo.png", **how):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(path, **how)
        return path

    def ok(self, *arguments, **how):
        result = lemore(*arguments, **how)
        self.assertEqual((result.code, result.err), (0, ""), arguments)
        return result

    def refused(self, code, *arguments, says=(), **how):
        """Exit code, one line that begins with lemore: and says these things, nothing on stdout."""
        result = lemore(*arguments, **how)
        self.assertEqual(result.code, code, (arguments, result.err))
        self.assertEqual(result.err.count("\n"), 1, result.err)
        self.assertTrue(result.err.startswith("lemore: "), result.err)
        self.assertEqual(result.out, b"")
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(str(text), result.err)
        return result

    def small_file_system(self, kilobytes):
        """A folder on a disk of its own, soon full."""
        small = self.folder / "small"
        small.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=%dk" % kilobytes, "tmpfs", str(small)], capture_output=True
        )
        if mounted.returncode != 0:
            self.skipTest("no right to mount a small file system")
        self.addCleanup(subprocess.run, ["umount", str(small)], check=True)
        return small

    def whole(self, folder, calm):
        """What is in the folder is what an undisturbed run wrote, byte for byte; half-written files have hidden
        names."""
        names = self.files(folder)
        for name in names:
            if not re.fullmatch(r"\.lemore-.+-\d+-\d+\.part", name):
                self.assertEqual((Path(folder) / name).read_bytes(), (Path(calm) / name).read_bytes(), name)
        return names

    def files(self, folder=None):
        folder = Path(folder or self.folder)
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def main():
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:], verbosity=1)
