#!/usr/bin/env python3
"""Runs the real command line as a user does: every option, every exit code, bad input, kills, floods.

end_to_end.py LEMORE SOURCE_DIR [unittest options]. Standard library only. Images are drawn here; ../shared/data is used
when it is there and its tests are shown as skipped otherwise.
"""

import hashlib
import json
import os
import pty
import random
import re
import resource
import shutil
import signal
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
SHARED = SOURCE.parent / "shared/data"
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
            size, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + size]
            assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]
            if kind == b"IHDR":
                self.width, self.height, self.depth, self.color_type = struct.unpack(">IIBB", body[:10])
            elif kind == b"PLTE":
                self.palette = [tuple(body[i:i + 3]) for i in range(0, size, 3)]
            elif kind == b"IDAT":
                packed += body
            at += 12 + size
        self.channels = {0: 1, 2: 3, 3: 1}[self.color_type]
        self.raw = zlib.decompress(packed)

    def row(self, y):
        step = self.width * self.channels + 1
        kind, row = self.raw[y * step], bytearray(self.raw[y * step + 1:(y + 1) * step])
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
    header = eval(data[10:10 + size], {}, {})  # our own file: a literal
    assert header["descr"] == "<f4" and header["fortran_order"] is False
    count = 1
    for n in header["shape"]:
        count *= n
    values = struct.unpack("<%df" % count, data[10 + size:])
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
                v = (at(y0, x0) * (1 - fx) + at(y0, x1) * fx) * (1 - fy) + (at(y1, x0) * (1 - fx) + at(y1, x1) * fx) * fy
                if best is None or v > best:
                    best, label = v, c
            row.append(label)
        rows.append(bytes(row))
    return rows


def read_safetensors(path):
    data = Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), bytearray(data[8 + size:])


def write_safetensors(path, header, body):
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + bytes(body))


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
        child = subprocess.Popen([*through, LEMORE, *map(str, arguments)], stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                                 stdout=stdout or out, stderr=err, env=environment, cwd=cwd, preexec_fn=prepare)
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
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dk" % kilobytes, "tmpfs", str(small)], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no right to mount a small file system")
        self.addCleanup(subprocess.run, ["umount", str(small)], check=True)
        return small

    def whole(self, folder, calm):
        """What is in the folder is what an undisturbed run wrote, byte for byte; half-written files keep hidden names."""
        names = self.files(folder)
        for name in names:
            if not re.fullmatch(r"\.lemore-.+-\d+-\d+\.part", name):
                self.assertEqual((Path(folder) / name).read_bytes(), (Path(calm) / name).read_bytes(), name)
        return names

    def files(self, folder=None):
        folder = Path(folder or self.folder)
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


class Basics(Case):
    def test_help_and_version(self):
        for arguments in (["--help"], ["run", "--help"], ["info", "--help"], ["compare", "--help"]):
            self.assertIn("lemore " + (arguments[0] if len(arguments) > 1 else ""), self.ok(*arguments).text)
        for command in ("run", "info", "compare"):
            self.assertIn("Examples:", self.ok(command, "--help").text)
        text = self.ok("--version").text
        for word in ("git ", "compiler:", "ISAs built:", "ISA chosen:"):
            self.assertIn(word, text)

    def test_usage_errors(self):
        photo, out = self.photo(), self.folder / "out"
        run = ["run", "-m", MODEL, photo, "-o", out]
        for arguments, says in [
                ([], "--help"), (["frobnicate"], ""), (["run"], "run --help"), (["run", photo, "-o", out], "--model"),
                (["run", "-m", MODEL, photo], "--out"), (["run", "-m", MODEL, "-o", out], "INPUT"),
                (run + ["--nonsense"], "--nonsense"), (run + ["--emit", "lables"], "labels, overlay"),
                (run + ["--opacity", "1.5"], "--opacity"), (run + ["--opacity", "x"], "--opacity"),
                (run + ["--mode", "stretch"], "whole, keep, slide"), (run + ["--stride", "8x8"], "--stride"),
                (run + ["--mode", "slide", "--stride", "x"], "--stride"),
                (run + ["--mode", "slide", "--stride", "4000x4000"], ""),
                (run + ["--mode", "slide", "--emit", "npy"], "npy"), (run + ["--shard", "5/4"], "--shard"),
                (run + ["--shard", "auto"], "SLURM_ARRAY_TASK_ID"), (run + ["-t", "-1"], "--threads"),
                (run + ["--isa", "mmx"], "--isa"), (run + ["--only", "class 1,unicorn"], ["unicorn", "class 0, class 1"]),
                (run + ["--progress", "loud"], "--progress"), (run + ["--max-pixels", "0"], "--max-pixels"),
                (["run", "-m", MODEL, photo, "-o", "-"], "one kind"),
                (["run", "-m", MODEL, photo, "-o", "-", "--emit", "labels", "--json"], "--json"),
                (["info"], "MODEL"), (["info", MODEL, "--size", "0x5"], "--size"), (["info", MODEL, "--isa", "mmx"], "--isa"),
                (["compare", "-m", MODEL], "--reference"), (["compare", "-m", MODEL, "--reference", MODEL, "--rtol", "-1"], "--rtol")]:
            with self.subTest(arguments=[str(a) for a in arguments]):
                environment = {"SLURM_ARRAY_TASK_ID": "", "JOB_COMPLETION_INDEX": ""}
                self.refused(2, *arguments, says=says, env=environment)
        self.assertEqual(self.files(), ["photo.png"])

    def test_isa_of_the_environment(self):
        self.refused(1, "run", "-m", MODEL, self.photo(), "-o", self.folder / "o", env={"LEMORE_ISA": "mmx"}, says="LEMORE_ISA")
        for isa in supported_isas():
            self.assertEqual(self.ok("info", MODEL, "--json", env={"LEMORE_ISA": isa}).json["isa"], isa)
            self.assertEqual(self.ok("info", MODEL, "--json", "--isa", isa).json["isa"], isa)

    def test_missing_and_damaged_models(self):
        photo, out = self.photo(), self.folder / "o"
        self.refused(1, "run", "-m", self.folder / "none.safetensors", photo, "-o", out, says="none.safetensors")
        cut = self.folder / "cut.safetensors"
        cut.write_bytes(Path(MODEL).read_bytes()[:5000])
        for arguments in (["run", "-m", cut, photo, "-o", out], ["info", cut], ["compare", "-m", cut, "--reference", cut]):
            self.refused(1, *arguments, says="cut.safetensors")
        self.refused(1, "info", self.folder, says=self.folder.name)

    def test_stdout_that_is_full_or_closed(self):
        for arguments in (["--version"], ["--help"], ["info", MODEL], ["info", MODEL, "--json"],
                          ["run", "-m", MODEL, self.photo(), "-o", "-", "--emit", "labels"]):
            with open("/dev/full", "wb") as full:
                result = lemore(*arguments, stdout=full)
            self.assertEqual(result.code, 1, arguments)
            self.assertIn("No space left", result.err)
        read, write = os.pipe()
        os.close(read)
        result = lemore("info", MODEL, stdout=write)
        os.close(write)
        self.assertEqual(result.code, 1)
        self.assertIn("Broken pipe", result.err)


class Outputs(Case):
    def test_every_kind(self):
        photo = self.photo(width=60, height=40)
        pixels = Png(photo).rows()
        self.ok("run", "-m", THREE_STAGES, photo, "-o", self.folder / "x.png", "--emit", "labels,overlay,color,confidence,json,npy",
                "--opacity", "0.25")
        self.assertEqual(self.files(), sorted(["photo.png", "x.labels.png", "x.overlay.png", "x.color.png", "x.confidence.png",
                                               "x.json", "x.logits.npy"]))
        classes = self.ok("info", THREE_STAGES, "--json").json["classes"]
        labels = Png(self.folder / "x.labels.png")
        self.assertEqual((labels.width, labels.height, labels.depth, labels.color_type), (60, 40, 8, 3))
        self.assertEqual([list(c) for c in labels.palette], [c["color"] for c in classes])
        shape, logits = read_npy(self.folder / "x.logits.npy")
        self.assertEqual(shape, (19, 12, 16))
        self.assertEqual(labels.rows(), labels_of_logits(shape, logits, 40, 60))
        flat = b"".join(labels.rows())
        self.assertGreater(len(set(flat)), 1, "a model of one class proves little")

        palette = [c["color"] for c in classes]
        color = b"".join(Png(self.folder / "x.color.png").rows())
        self.assertEqual(color, b"".join(bytes(palette[l]) for l in flat))
        expected = bytes((p * 192 + palette[l][i % 3] * 64 + 128) >> 8
                         for row, label_row in zip(pixels, labels.rows())
                         for i, (p, l) in enumerate(zip(row, (l for l in label_row for _ in range(3)))))
        self.assertEqual(b"".join(Png(self.folder / "x.overlay.png").rows()), expected)
        confidence = Png(self.folder / "x.confidence.png")
        self.assertEqual((confidence.width, confidence.height, confidence.color_type), (60, 40, 0))
        self.assertGreaterEqual(min(b"".join(confidence.rows())), 13)  # the best of 19 classes has 1/19 or more

        info = json.loads((self.folder / "x.json").read_text())
        self.assertEqual(info["image"], {"file": str(photo), "format": "PNG", "bytes": photo.stat().st_size, "width": 60, "height": 40})
        self.assertEqual([c["pixels"] for c in info["classes"]], [flat.count(i) for i in range(19)])
        self.assertAlmostEqual(sum(c["share"] for c in info["classes"]), 1)
        self.assertEqual(set(info["times_ms"]), {"decode", "prepare", "network", "labels", "encode"})
        self.assertEqual((info["mode"], info["model"]["file"], info["model"]["bytes"]), ("whole", THREE_STAGES, os.path.getsize(THREE_STAGES)))

    def test_names(self):
        photo = self.photo("a.b.png")
        for out, emit, expected in [("exact", "labels", ["exact"]), ("exact.bin", "json", ["exact.bin"]),
                                    ("new/deep/f.png", "color", ["new/deep/f.png"]),
                                    ("two.png", "labels,json", ["two.json", "two.labels.png"]),
                                    ("d/", "labels", ["d/a.b.labels.png"]), ("e/", "npy", ["e/a.b.logits.npy"])]:
            before = set(self.files())
            self.ok("run", "-m", MODEL, photo, "-o", str(self.folder / out) + ("/" if out.endswith("/") else ""), "--emit", emit)
            self.assertEqual(sorted(set(self.files()) - before), expected)
        self.ok("run", "-m", MODEL, photo, "-o", self.folder)  # an existing folder; the default kinds
        self.assertTrue({"a.b.labels.png", "a.b.overlay.png"} <= set(self.files()))

    def test_only_and_legend(self):
        photo = self.photo(width=60, height=40)
        for only in ("class 0,CLASS 2", "class 2,class 0"):
            self.ok("run", "-m", MODEL, photo, "-o", self.folder / "x", "--emit", "labels,color,overlay", "--only", only, "--opacity", "1")
            labels = b"".join(Png(self.folder / "x.labels.png").rows())
            palette = Png(self.folder / "x.labels.png").palette
            self.assertTrue(set(labels) - {0, 2}, "labels keep all classes")
            color = b"".join(Png(self.folder / "x.color.png").rows())
            self.assertEqual(color, b"".join(bytes(palette[l]) if l in (0, 2) else b"\0\0\0" for l in labels))
            overlay, source = b"".join(Png(self.folder / "x.overlay.png").rows()), b"".join(Png(photo).rows())
            for i, label in enumerate(labels):
                self.assertEqual(overlay[3 * i:3 * i + 3], bytes(palette[label]) if label in (0, 2) else source[3 * i:3 * i + 3])
        self.ok("run", "-m", MODEL, photo, "-o", self.folder / "l.png", "--emit", "overlay", "--legend")
        legend = Png(self.folder / "l.png")
        self.assertGreater(legend.height, 40)

    def test_pipes(self):
        photo = self.photo()
        self.ok("run", "-m", MODEL, photo, "-o", self.folder / "x", "--emit", "labels,overlay,npy")
        for kind, name in (("labels", "x.labels.png"), ("overlay", "x.overlay.png"), ("npy", "x.logits.npy")):
            expected = (self.folder / name).read_bytes()
            self.assertEqual(self.ok("run", "-m", MODEL, "-", "-o", "-", "--emit", kind, stdin=photo.read_bytes()).out, expected)
            self.assertEqual(self.ok("run", "-m", MODEL, photo, "-o", "-", "--emit", kind).out, expected)
        self.ok("run", "-m", MODEL, "-", "-o", str(self.folder) + "/", "--emit", "labels", stdin=photo.read_bytes())
        self.assertIn("stdin.labels.png", self.files())
        self.refused(1, "run", "-m", MODEL, "-", "-o", "-", "--emit", "labels", stdin=b"", says="standard input")
        self.refused(1, "run", "-m", MODEL, "-", "-o", "-", "--emit", "labels", stdin=photo.read_bytes()[:-30], says="cut short")

    def test_modes_threads_and_isas_agree(self):
        photo = self.photo(width=150, height=90)
        for mode in (["--mode", "whole"], ["--mode", "keep"], ["--mode", "slide"], ["--mode", "slide", "--stride", "20x31"]):
            for isa in supported_isas():
                seen = {self.ok("run", "-m", MODEL, photo, "-o", "-", "--emit", "confidence", *mode, "--isa", isa, "-t", t).out
                        for t in (1, 2, 3)}
                self.assertEqual(len(seen), 1, (mode, isa))
        tiny = self.photo("tiny.png", width=5, height=3)
        self.ok("run", "-m", MODEL, tiny, "-o", self.folder / "t.png", "--emit", "labels")
        self.refused(1, "run", "-m", MODEL, tiny, "-o", self.folder / "u.png", "--emit", "labels", "--mode", "keep", says="tiny.png")

    def test_classifier(self):
        photo = self.photo()
        self.ok("run", "-m", CLASSIFIER, photo, "-o", self.folder / "c.json")
        top = json.loads((self.folder / "c.json").read_text())["top"]
        self.assertEqual(len(top), 5)
        self.assertEqual(sorted((t["probability"] for t in top), reverse=True), [t["probability"] for t in top])
        self.ok("run", "-m", CLASSIFIER, photo, "-o", self.folder / "c.npy", "--emit", "npy")
        shape, logits = read_npy(self.folder / "c.npy")
        self.assertEqual(shape, (7,))
        self.assertEqual(max(range(7), key=lambda i: logits[i]), top[0]["index"])
        self.refused(2, "run", "-m", CLASSIFIER, photo, "-o", self.folder / "d", "--emit", "labels", says="classifier")

    def test_pixel_formats(self):
        f = self.folder
        write_png(f / "gray16.png", 4, 2, [struct.pack(">4H", 0, 128, 32896, 65535)] * 2, color_type=0, depth=16)
        write_png(f / "bits.png", 8, 1, [b"\xA5"], color_type=0, depth=1)
        write_png(f / "pal.png", 2, 2, [b"\0\1", b"\1\0"], color_type=3, extra=png_chunk(b"PLTE", bytes((9, 8, 7, 100, 50, 25))))
        write_png(f / "rgba.png", 2, 1, [bytes((1, 2, 3, 0, 200, 100, 50, 255))], color_type=6)
        write_png(f / "la.png", 2, 1, [bytes((7, 0, 90, 255))], color_type=4)
        (f / "p.ppm").write_bytes(b"P6 2 1 255\n" + bytes((1, 2, 3, 4, 5, 6)))
        expected = {"gray16": bytes(v for g in (0, 0, 128, 255) for v in (g,) * 3), "bits": bytes(255 if b == "1" else 0 for b in "10100101" for _ in range(3)),
                    "pal": bytes((9, 8, 7, 100, 50, 25)), "rgba": bytes((1, 2, 3, 200, 100, 50)), "la": bytes((7, 7, 7, 90, 90, 90)),
                    "p": bytes((1, 2, 3, 4, 5, 6))}
        for path in list(f.iterdir()):
            overlay = Png(self.ok("run", "-m", MODEL, path, "-o", "-", "--emit", "overlay", "--opacity", "0").out)
            self.assertEqual(overlay.row(0), expected[path.stem], path.name)


class Folders(Case):
    def tree(self):
        for i, name in enumerate(("in/b.png", "in/a.png", "in/sub/c.png", "in/sub/deep/d.png")):
            self.photo(name, seed=i)
        (self.folder / "in/notes.txt").write_text("no image")

    def test_folder_recursive_glob_and_list(self):
        self.tree()
        f = self.folder
        self.ok("run", "-m", MODEL, f / "in", "-o", f / "one", "--emit", "labels")
        self.assertEqual(self.files(f / "one"), ["a.labels.png", "b.labels.png"])
        self.ok("run", "-m", MODEL, f / "in", "-o", f / "all", "--emit", "labels", "--recursive")
        everything = ["a.labels.png", "b.labels.png", "sub/c.labels.png", "sub/deep/d.labels.png"]
        self.assertEqual(self.files(f / "all"), everything)
        self.ok("run", "-m", MODEL, f / "in/[ab].png", "-o", f / "glob", "--emit", "labels")
        self.assertEqual(self.files(f / "glob"), ["a.labels.png", "b.labels.png"])
        (f / "list.txt").write_text("# two\nin/a.png\r\n\nin/sub/c.png\n")
        self.ok("run", "-m", MODEL, "@list.txt", "-o", "list", "--emit", "labels", cwd=f)
        self.assertEqual(self.files(f / "list"), ["a.labels.png", "c.labels.png"])
        self.ok("run", "-m", MODEL, "@-", "-o", "list2", "--emit", "labels", cwd=f, stdin=b"in/a.png\n")
        self.assertEqual(self.files(f / "list2"), ["a.labels.png"])
        self.ok("run", "-m", MODEL, f / "in/a.png", f / "in/sub/c.png", "-o", f / "many", "--emit", "labels")
        self.assertEqual(self.files(f / "many"), ["a.labels.png", "c.labels.png"])
        # A second run into the folder itself does not take our own pictures for photographs.
        for _ in range(2):
            self.ok("run", "-m", MODEL, f / "in", "-o", f / "in", "--emit", "labels,overlay")
        self.assertEqual([n for n in self.files(f / "in") if n.count(".labels") > 1], [])
        self.refused(1, "run", "-m", MODEL, f / "in/*.jpg", "-o", f / "x", says="no file matches")
        self.refused(1, "run", "-m", MODEL, f / "none", "-o", f / "x", says="No such file")
        (f / "empty").mkdir()
        self.refused(1, "run", "-m", MODEL, f / "empty", "-o", f / "x", says="holds no image")

    def test_collisions_are_refused_before_starting(self):
        f = self.folder
        for name in ("a/x.png", "b/x.png", "c/y.png"):
            self.photo(name)
        shutil.copy(f / "c/y.png", f / "c/y.jpg")
        run = ["run", "-m", MODEL]
        self.refused(2, *run, f / "a/x.png", f / "b/x.png", "-o", f / "out", says=["a/x.png", "b/x.png", "both"])
        self.refused(2, *run, f / "c", "-o", f / "out", says=["y.jpg", "y.png"])
        self.refused(2, *run, f / "a/x.png", f / "a/x.png", "-o", f / "out", says="twice")
        self.refused(2, *run, f / "a/x.png", "-o", f / "a/x.png", "--emit", "labels", says="input and an output")
        os.link(f / "a/x.png", f / "hard.png")
        self.refused(2, *run, f / "a/x.png", "-o", f / "hard.png", "--emit", "labels", says="hard.png")
        os.symlink("a/x.png", f / "soft.png")
        self.refused(2, *run, f / "a/x.png", "-o", f / "soft.png", "--emit", "labels", says="soft.png")
        shutil.copy(MODEL, f / "m.safetensors")
        self.refused(2, "run", "-m", f / "m.safetensors", f / "a/x.png", "-o", f / "m.safetensors", "--emit", "json", says="model")
        self.refused(2, *run, f / "a/x.png", "-o", f / "out", "--manifest", f / "a/x.png", says="--manifest")
        self.refused(2, *run, f / "a", f / "b/x.png", "-o", f / "hard.png", says="not a folder")
        self.assertFalse((f / "out").exists())
        self.assertEqual(hashlib.sha256((f / "m.safetensors").read_bytes()).digest(), hashlib.sha256(Path(MODEL).read_bytes()).digest())

    def test_failures(self):
        f = self.folder
        for i in range(6):
            self.photo("in/%d.png" % i, seed=i)
        whole = (f / "in/3.png").read_bytes()
        (f / "in/3.png").write_bytes(whole[:len(whole) // 2])
        result = self.refused(1, "run", "-m", MODEL, f / "in", "-o", f / "stop", "--emit", "labels", "--manifest", f / "stop.jsonl",
                              says=["in/3.png", "cut short"])
        lines = [json.loads(l) for l in (f / "stop.jsonl").read_text().splitlines()]
        self.assertEqual([l["status"] for l in lines], ["ok", "ok", "ok", "failed"])
        self.assertNotIn("3.labels.png", self.files(f / "stop"))

        result = lemore("run", "-m", MODEL, f / "in", "-o", f / "go", "--emit", "labels", "--keep-going", "--json",
                        "--manifest", f / "go.jsonl")
        self.assertEqual(result.code, 3)
        self.assertEqual((result.json["images"], result.json["failed"]), (5, 1))
        self.assertEqual(self.files(f / "go"), ["%d.labels.png" % i for i in (0, 1, 2, 4, 5)])
        lines = [json.loads(l) for l in (f / "go.jsonl").read_text().splitlines()]
        self.assertEqual([Path(l["input"]).stem for l in lines], list("012345"))
        self.assertIn("cut short", lines[3]["error"])
        self.assertEqual(lines[4]["outputs"], [str(f / "go/4.labels.png")])

        (f / "in/3.png").write_bytes(whole)
        before = {n: (f / "go" / n).stat().st_mtime_ns for n in self.files(f / "go")}
        result = self.ok("run", "-m", MODEL, f / "in", "-o", f / "go", "--emit", "labels", "--resume", "--json", "--manifest", f / "go.jsonl")
        self.assertEqual((result.json["images"], result.json["skipped"]), (1, 5))
        self.assertEqual(before, {n: (f / "go" / n).stat().st_mtime_ns for n in before})
        lines = [json.loads(l) for l in (f / "go.jsonl").read_text().splitlines()]
        self.assertEqual([(Path(l["input"]).stem, l["status"]) for l in lines][6:], [("3", "ok")])
        # One of two kinds missing: both are made again.
        result = self.ok("run", "-m", MODEL, f / "in", "-o", f / "go", "--emit", "labels,json", "--resume", "--json")
        self.assertEqual((result.json["images"], result.json["skipped"]), (6, 0))

    def test_shards(self):
        f = self.folder
        for i in range(7):
            self.photo("in/%d.png" % i, seed=i)
        run = ["run", "-m", MODEL, f / "in", "--emit", "labels", "--json"]
        self.ok(*run, "-o", f / "whole")
        clean = {"SLURM_ARRAY_TASK_ID": "", "JOB_COMPLETION_INDEX": ""}
        ways = {
            "zero": [(["--shard", "%d/3" % i], {}) for i in range(3)],
            "one": [(["--shard", "%d/3" % i], {}) for i in (1, 2, 3)],
            "slurm": [(["--shard", "auto"], {"SLURM_ARRAY_TASK_ID": str(i), "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "4"}) for i in (4, 5, 6)],
            "kube": [(["--shard", "auto/3"], {"JOB_COMPLETION_INDEX": str(i)}) for i in range(3)],
        }
        for name, parts in ways.items():
            counts = [self.ok(*run, "-o", f / name, *arguments, env={**clean, **env}).json["images"] for arguments, env in parts]
            self.assertEqual((sorted(counts), self.files(f / name)), ([2, 2, 3], self.files(f / "whole")))
            for file in self.files(f / "whole"):
                self.assertEqual((f / name / file).read_bytes(), (f / "whole" / file).read_bytes())
        self.assertEqual(self.ok(*run, "-o", f / "none", "--shard", "8/9").json["images"], 0)

    def test_places_that_cannot_be_written(self):
        photo = self.photo()
        run = ["run", "-m", MODEL, photo, "--emit", "labels", "-o"]
        self.refused(1, *run, "/dev/full", says=["/dev/full", "No space left"])
        self.assertTrue(Path("/dev/full").is_char_device())
        self.refused(1, *run, "/proc/nowhere/x.png", says="/proc/nowhere")
        self.refused(1, *run, photo / "below" / "x.png", says="photo.png")
        self.refused(1, "run", "-m", MODEL, photo, "-o", "/proc/", "--emit", "labels", says="/proc")
        self.refused(1, *run, self.folder / "x.png", "--manifest", "/dev/full", says=["/dev/full", "No space left"])
        self.assertEqual([n for n in self.files() if ".part" in n], [])

    def photos(self, count):
        for i in range(count):
            self.photo("in/%d.png" % i, seed=i, width=120, height=90)

    def test_folder_without_permission(self):
        self.photos(2)
        locked = self.folder / "locked"
        locked.mkdir()
        self.folder.chmod(0o755)
        locked.chmod(0o555)
        through = ()
        if os.geteuid() == 0:  # root may write there: somebody else is asked to
            through = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
            try:
                able = lemore("info", MODEL, through=through).code == 0
            except FileNotFoundError:
                able = False
            if not able:
                self.skipTest("root, and no way to run as somebody else")
        self.refused(1, "run", "-m", MODEL, self.folder / "in", "-o", locked, "--emit", "labels", through=through,
                     says=["locked", "Permission denied"])
        self.refused(1, "run", "-m", MODEL, self.folder / "in/0.png", "-o", locked / "x.png", "--emit", "labels", through=through,
                     says=["locked", "Permission denied"])
        self.assertEqual(self.files(locked), [])

    def test_read_only_file_system(self):
        self.photos(2)
        small = self.small_file_system(64)
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        for out in (small, small / "x.png", small / "new/deep/"):
            self.refused(1, "run", "-m", MODEL, self.folder / "in/0.png", "-o", out, "--emit", "labels",
                         says=["small", "Read-only file system"])
        self.assertEqual(self.files(small), [])

    def test_full_disk(self):
        """Until it is full every output is whole; with more room --resume does the rest."""
        self.photos(12)
        f = self.folder
        run = ["run", "-m", MODEL, f / "in", "--emit", "overlay,labels"]
        self.ok(*run, "-o", f / "calm")
        small = self.small_file_system(48)  # twelve pages; each of the 24 files needs one or more
        result = self.refused(1, *run, "-o", small, says=["in/", "small/", ".png: cannot write: No space left on device"])
        self.assertIn(result.err.split(": ")[2], {str(small / n) for n in self.files(f / "calm")})
        self.assertEqual([n for n in self.whole(small, f / "calm") if ".part" in n], [])
        # Told to go on, it tells every image that failed, and counts.
        result = lemore(*run, "-o", small, "--keep-going", "--resume", "--manifest", f / "m.jsonl")
        self.assertEqual(result.code, 3, result.err)
        failed = [l for l in map(json.loads, (f / "m.jsonl").read_text().splitlines()) if l["status"] == "failed"]
        self.assertGreater(len(failed), 0)
        self.assertLess(len(failed), 12)
        self.assertEqual(result.err.count("No space left on device"), len(failed))
        self.assertEqual(result.err.count("\n"), len(failed) + 1)
        self.assertEqual([n for n in self.whole(small, f / "calm") if ".part" in n], [])
        subprocess.run(["mount", "-o", "remount,size=1m", str(small)], check=True)
        self.ok(*run, "-o", small, "--resume")
        self.assertEqual(self.whole(small, f / "calm"), self.files(f / "calm"))

    def test_files_that_may_not_be_large(self):
        """ulimit -f: the same without the right to mount."""
        self.photos(3)
        f = self.folder
        run = ["run", "-m", MODEL, f / "in", "--emit", "overlay,labels"]
        self.ok(*run, "-o", f / "calm")
        limit = min(p.stat().st_size for p in (f / "calm").glob("*.overlay.png")) - 1
        self.assertLess(max(p.stat().st_size for p in (f / "calm").glob("*.labels.png")), limit)
        self.refused(1, *run, "-o", f / "out", prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
                     says=["overlay.png", "File too large"])
        self.assertEqual([n for n in self.whole(f / "out", f / "calm") if ".part" in n or "overlay" in n], [])


class Endurance(Case):
    def many(self, count):
        (self.folder / "in").mkdir()
        kinds = [(64, 48), (200, 150), (90, 120)]
        for i in range(count):
            if i < 9:
                self.photo("in/%04d.png" % i, seed=i, width=kinds[i % 3][0], height=kinds[i % 3][1])
            else:
                os.link(self.folder / ("in/%04d.png" % (i % 9)), self.folder / ("in/%04d.png" % i))

    def start(self, *arguments):
        return subprocess.Popen([LEMORE, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def test_kill_and_resume(self):
        self.many(120)
        f = self.folder
        emit = ["--emit", "labels,overlay,npy"]
        calm = self.ok("run", "-m", MODEL, f / "in", "-o", f / "calm", *emit)
        arguments = ["run", "-m", MODEL, f / "in", "-o", f / "rough", *emit, "--resume", "--manifest", f / "m.jsonl"]
        # Well into the work, then at any moment.
        moments = random.Random(20)
        for attempt in range(12):
            child = self.start(*arguments)
            if attempt < 4:
                while child.poll() is None and len(self.files(f / "rough") if (f / "rough").exists() else []) < 60 * (attempt + 1):
                    time.sleep(0.002)
            else:
                time.sleep(moments.uniform(0, calm.seconds / 6))
            child.kill()
            child.wait()
            child.stderr.close()
            self.whole(f / "rough", f / "calm")
        self.ok(*arguments)
        self.assertEqual(self.whole(f / "rough", f / "calm"), self.files(f / "calm"))  # no left-over parts either
        done = [json.loads(l)["input"] for l in (f / "m.jsonl").read_text().splitlines()]
        self.assertEqual(sorted(set(done)), sorted(str(p) for p in (f / "in").iterdir()))

    def test_interrupt(self):
        self.many(200)
        f = self.folder
        for number in (signal.SIGINT, signal.SIGTERM):
            out = f / ("out%d" % number)
            child = self.start("run", "-m", MODEL, f / "in", "-o", out, "--emit", "labels,overlay", "--manifest", f / "m.jsonl")
            while not out.exists() or len(self.files(out)) < 10:
                time.sleep(0.002)
            child.send_signal(number)
            err = child.communicate()[1].decode()
            self.assertEqual(child.returncode, -signal.SIGINT)
            self.assertIn("interrupted after", err)
            names = self.files(out)
            self.assertEqual([n for n in names if ".part" in n], [])
            self.assertEqual(len(names), 2 * len((f / "m.jsonl").read_text().splitlines()))
            self.assertLess(len(names), 400)

    def test_memory_stays_flat(self):
        self.many(330)
        f = self.folder
        few = self.ok("run", "-m", MODEL, f / "in/000?.png", f / "in/001?.png", f / "in/002?.png", "-o", f / "few")
        all_ = self.ok("run", "-m", MODEL, f / "in", "-o", f / "all", "--legend")
        self.assertEqual(len(self.files(f / "all")), 660)
        if not SANITIZED:
            self.assertLess(all_.peak_kb, few.peak_kb + 8 * 1024, "330 images against 30")

    def frames(self, *arguments, stdin):
        result = lemore(*arguments, stdin=stdin)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(result.err.count("\n"), 1)  # the numbers
        return result

    def test_frames(self):
        run = ["run", "-m", MODEL, "--frames"]
        r = random.Random(1)

        def picture(size):
            return bytes(r.randrange(16, 236) for _ in range(size))

        raw = picture(3 * 50 * 34 * 3)
        result = self.frames(*run, "raw:50x34:rgb24", "-", stdin=raw)
        self.assertEqual(len(result.out), len(raw))
        self.assertRegex(result.err, r"^lemore: 3 frames, 0 dropped; median [0-9.]+ ms a frame, 95 of 100 within [0-9.]+ ms\n$")
        # Opacity 0 changes nothing, one frame or many, and every thread count paints the same.
        self.assertEqual(self.frames(*run, "raw:50x34:rgb24", "-", "-o", "-", "--opacity", "0", stdin=raw).out, raw)
        for t in (1, 3):
            self.assertEqual(self.frames(*run, "raw:50x34:rgb24", "-", "-t", t, stdin=raw).out, result.out)
        self.assertEqual(self.frames(*run, "raw:50x34:rgb24", "-", stdin=raw[:5100]).out, result.out[:5100])

        for color, size in [(b" C420jpeg", 51 * 35 + 2 * 26 * 18), (b"", 51 * 35 + 2 * 26 * 18), (b" C444", 3 * 51 * 35)]:
            head = b"YUV4MPEG2 W51 H35 F25:1 Ip A1:1" + color + b"\n"
            frames = [picture(size) for _ in range(2)]
            stream = head + b"FRAME\n" + frames[0] + b"FRAME Ip\n" + frames[1]
            result = self.frames(*run, "y4m", "-", stdin=stream)
            self.assertEqual(len(result.out), len(stream))
            self.assertTrue(result.out.startswith(head + b"FRAME\n"))
            self.assertEqual(result.out[len(head) + 6 + size:][:9], b"FRAME Ip\n")
            self.assertNotEqual(result.out, stream)
            self.assertEqual(self.frames(*run, "y4m", "-", "--opacity", "0", stdin=stream).out, stream)
            self.assertIn("2 frames, 0 dropped", result.err)

        # A pace that nothing keeps: all frames come out, those after the first with the first one's classes.
        late = self.frames(*run, "raw:50x34:rgb24", "-", "--fps", "1e9", stdin=raw[:5100] * 3)
        self.assertIn("3 frames, 2 dropped", late.err)
        self.assertEqual(late.out, late.out[:5100] * 3)
        # A pace that is easy: three frames take at least two frames' time.
        easy = self.frames(*run, "raw:50x34:rgb24", "-", "--fps", "5", stdin=raw)
        self.assertIn("0 dropped", easy.err)
        self.assertGreater(easy.seconds, 0.39)

        header = b"YUV4MPEG2 W51 H35\n"
        for kind, stream, says in [
                ("raw:50x34:rgb24", raw[:-1], "frame 2 has 5099 bytes, expected 5100"), ("y4m", b"", "is empty"),
                ("y4m", b"RIFF", "expected 'YUV4MPEG2'"), ("y4m", b"\0" * 100000, "expected 'YUV4MPEG2'"),
                ("y4m", b"YUV4MPEG2 W51\n", "expected W and H"), ("y4m", b"YUV4MPEG2 W51 H35 C422\n", "'422'"),
                ("y4m", b"YUV4MPEG2 W99999999 H9\n", "W: expected"), ("y4m", b"YUV4MPEG2 W16384 H16384\n", "--max-pixels"),
                ("y4m", header + b"FRAME", "frame 0 begins with no complete FRAME"), ("y4m", header + b"BLAH\n", "'BLAH'"),
                ("y4m", header + b"FRAME\n123", "frame 0 has 3 bytes, expected 2721"),
                ("y4m", header + b"FRAME" + b" x" * 1000000, "no complete FRAME line")]:
            with self.subTest(kind=kind, says=says):
                arguments = [*run, kind, "-"] + (["--max-pixels", "1000000"] if "max" in says else [])
                result = lemore(*arguments, stdin=stream)
                self.assertEqual(result.code, 1, result.err)
                self.assertIn(says, result.err)
                self.assertEqual(result.err.count("\n"), 1)
        for arguments, says in [(["y5m", "-"], "y4m or raw:WxH:rgb24"), (["raw:0x5:rgb24", "-"], "raw:WxH"),
                                (["y4m", "a.y4m"], "only input"), (["y4m", "-", "-o", "out"], "standard output"),
                                (["y4m", "-", "--emit", "labels"], "--emit"), (["y4m", "-", "--fps", "0"], "--fps"),
                                (["y4m", "-", "--json"], "--json")]:
            self.refused(2, *run, *arguments, says=says)
        self.refused(2, "run", "-m", MODEL, "--fps", "5", self.photo(), "-o", self.folder / "out", says="--frames")
        self.refused(2, "run", "-m", CLASSIFIER, "--frames", "y4m", "-", says="classifier")

    def test_progress(self):
        self.many(12)
        f = self.folder
        plain = lemore("run", "-m", MODEL, f / "in", "-o", f / "p", "--progress", "plain", "--emit", "labels")
        self.assertEqual(plain.code, 0)
        self.assertEqual(len(plain.err.splitlines()), 12)
        self.assertTrue(plain.err.splitlines()[-1].startswith("[12/12] "))

        def on_terminal(**env):
            main, terminal = pty.openpty()
            child = subprocess.Popen([LEMORE, "run", "-m", MODEL, str(f / "in"), "-o", str(f / "t"), "--emit", "labels"],
                                     stdout=subprocess.DEVNULL, stderr=terminal, env={**os.environ, "TERM": "xterm", **env})
            os.close(terminal)
            seen = b""
            while True:
                try:
                    piece = os.read(main, 4096)
                except OSError:
                    break
                if not piece:
                    break
                seen += piece
            child.wait()
            os.close(main)
            return seen

        self.assertIn(b"12/12", on_terminal(NO_COLOR=""))
        self.assertIn(b"\x1b[32m", on_terminal(NO_COLOR=""))
        self.assertNotIn(b"\x1b[32m", on_terminal(NO_COLOR="1"))
        self.assertEqual(on_terminal(TERM="dumb"), b"")


class InfoAndCompare(Case):
    def test_info(self):
        for name in GOLDEN_NAMES:
            model = GOLDEN / (name + ".model.safetensors")
            info = self.ok("info", model, "--json", "--layers").json
            for key in ("parameters", "macs", "arena_bytes", "weight_bytes", "classes", "preprocessing", "provenance", "config"):
                self.assertIn(key, info)
            self.assertEqual(sum(l["macs"] for l in info["layers"] if l["counted"]), info["macs"], name)
            self.assertEqual(info["input_size"], info["config"]["input_size"])
            text = self.ok("info", model, "--layers").text
            self.assertIn("stem", text)
            self.assertIn("parameters", text)
        info = self.ok("info", MODEL, "--json", "--size", "80x144").json
        self.assertEqual(info["size"], [80, 144])
        self.refused(1, "info", MODEL, "--size", "8x8", says="32")

    def test_goldens_on_every_isa(self):
        for name in GOLDEN_NAMES:
            for isa in supported_isas():
                for threads in (1, 2, 3):
                    result = self.ok("compare", "-m", GOLDEN / (name + ".model.safetensors"), "--reference",
                                     GOLDEN / (name + ".dump.safetensors"), "--isa", isa, "-t", threads, "--rtol", "1e-5", "--json").json
                    self.assertTrue(result["passed"])
                    self.assertEqual((result["isa"], result["threads"], result["label_agreement"]), (isa, threads, 1))
                    self.assertEqual(result["stages"][-1]["name"], "output")
            free = self.ok("compare", "-m", GOLDEN / (name + ".model.safetensors"), "--reference",
                           GOLDEN / (name + ".dump.safetensors"), "--free-running", "--json").json
            self.assertEqual(free["mode"], "free-running")

    def test_compare_finds_planted_errors(self):
        header, body = read_safetensors(GOLDEN / "rect.dump.safetensors")
        stages = [n for n in header if n.startswith("out.")] + ["output"]
        for name in stages:
            damaged = bytearray(body)
            first, last = header[name]["data_offsets"]
            values = struct.unpack("<%df" % ((last - first) // 4), body[first:last])
            for place in (first, last - 4):
                largest = max(abs(v) for v in values)
                damaged[place:place + 4] = struct.pack("<f", struct.unpack("<f", body[place:place + 4])[0] - 0.01 * largest)
                path = self.folder / "damaged.safetensors"
                write_safetensors(path, header, damaged)
                damaged[place:place + 4] = body[place:place + 4]
                result = lemore("compare", "-m", MODEL, "--reference", path, "--json")
                self.assertEqual(result.code, 1, name)
                failed = [s["name"] for s in result.json["stages"] if not s["passed"]]
                self.assertIn(name.replace("out.", ""), failed)
                self.assertEqual(result.json["first_failed"], failed[0])
                if name == "out.head.fuse":
                    text = lemore("compare", "-m", MODEL, "--reference", path)
                    self.assertEqual(text.code, 1)
                    self.assertIn("first stage out of tolerance: head.fuse", text.text)
        # A wrong value that is not a number must not hide in a maximum.
        first = header["out.stem"]["data_offsets"][0]
        damaged = bytearray(body)
        damaged[first:first + 4] = struct.pack("<f", float("nan"))
        write_safetensors(self.folder / "nan.safetensors", header, damaged)
        self.assertEqual(lemore("compare", "-m", MODEL, "--reference", self.folder / "nan.safetensors").code, 1)

    def test_compare_refuses_what_does_not_fit(self):
        header, body = read_safetensors(GOLDEN / "rect.dump.safetensors")
        path = self.folder / "dump.safetensors"

        def refused(change, says):
            changed = json.loads(json.dumps(header))
            change(changed)
            write_safetensors(path, changed, body)
            self.refused(1, "compare", "-m", MODEL, "--reference", path, says=says)

        def rename(old, new):
            return lambda h: h.__setitem__(new, h.pop(old))

        def reshape(name, shape):
            return lambda h: h[name].__setitem__("shape", shape)

        refused(rename("out.stem", "out.step"), "`step`")
        refused(rename("input", "inputs"), "input")
        refused(reshape("input", [3, 1, 40, 72]), "input")
        refused(reshape("out.stem", [1, 8, 36, 20]), "stem")
        refused(reshape("output", [1, 9, 5, 4]), "output")
        self.refused(1, "compare", "-m", MODEL, "--reference", GOLDEN / "three-stages.dump.safetensors")
        self.refused(1, "compare", "-m", MODEL, "--reference", MODEL, says="input")
        self.refused(1, "compare", "-m", MODEL, "--reference", self.folder / "none", says="none")


class Shared(Case):
    """Files that are not part of the project."""

    def setUp(self):
        super().setUp()
        if not SHARED.exists():
            self.skipTest("no ../shared/data here")

    def test_malformed_files(self):
        for entry in json.loads((SHARED / "bad/manifest.json").read_text()):
            path, expect = SHARED / "bad" / entry["file"], entry["expect"]
            is_image = entry["file"].startswith("images/")
            out = self.folder / "out.png"
            result = lemore("run", "-m", MODEL, path, "-o", out, "--emit", "labels") if is_image else lemore("info", path)
            with self.subTest(file=entry["file"], says=result.err):
                self.assertIn(result.code, (0, 1))
                if is_image and expect in ("accept", "reject"):
                    self.assertEqual(result.code, {"accept": 0, "reject": 1}[expect], entry["fault"])
                if not is_image:
                    self.assertEqual(result.code, 1)
                if result.code == 1:
                    self.assertEqual(result.err.count("\n"), 1)
                    self.assertIn(path.name, result.err)
                    self.assertEqual(self.files(), [])
                self.assertNotIn("Sanitizer", result.err)
                self.assertLess(result.cpu_seconds, 2)  # also under the sanitizers
                self.assertLess(result.peak_kb, 200 * 1024)
            out.unlink(missing_ok=True)

    def test_encodings(self):
        for path in sorted((SHARED / "photos/encodings").iterdir()):
            result = lemore("run", "-m", MODEL, path, "-o", self.folder / "x.png", "--emit", "labels")
            with self.subTest(file=path.name):
                refused = {".webp": "WebP is not supported", ".gif": "GIF is not supported"}.get(path.suffix)
                if refused:
                    self.assertEqual((result.code, refused in result.err), (1, True))
                else:
                    self.assertEqual((result.code, result.err), (0, ""))

    def test_orientations(self):
        """Opacity 0 gives the photograph itself: upright, it is its twin up to JPEG's noise."""
        for name in ("Landscape", "Portrait"):
            twin = Png(self.ok("run", "-m", MODEL, SHARED / ("photos/exif/%s_1.jpg" % name), "-o", "-", "--emit", "overlay", "--opacity", "0").out)
            for orientation in range(2, 9):
                turned = Png(self.ok("run", "-m", MODEL, SHARED / ("photos/exif/%s_%d.jpg" % (name, orientation)), "-o", "-",
                                     "--emit", "overlay", "--opacity", "0").out)
                self.assertEqual((turned.width, turned.height), (twin.width, twin.height))
                differences = []
                for y in range(100, twin.height, 300):  # the number written in the middle differs
                    a, b = turned.row(y), twin.row(y)
                    differences += [abs(p - q) for p, q in zip(a[:600], b[:600])]
                self.assertLess(sum(differences) / len(differences), 8, (name, orientation))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:], verbosity=1)
