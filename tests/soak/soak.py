#!/usr/bin/env python3
"""Many images through one `lemore run`: its resident memory, open files and threads must not grow.

soak.py LEMORE SOURCE_DIR [--images 20000]. Standard library only; draws a few pictures and links to them. Prints
what it measured; exit code 1 where memory grew, an output is missing or two outputs of one picture differ.
"""

import argparse
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

ALLOWED_KB = 1024  # growth from the warm half to the end: an allocator's unrest, not a leak of 100 bytes an image
ALLOWED_OPEN = 64  # files and threads: at most one file is open for each thread, of which there are some dozens at most


def draw(path, width, height, seed):
    r = random.Random(seed)
    a, b, c = (r.randrange(256) for _ in range(3))
    rows = b"".join(
        b"\0" + bytes(v for x in range(width) for v in ((a + 3 * x) % 256, (b + 5 * y) % 256, (c + x * y // 8) % 256))
        for y in range(height)
    )

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def resident_kb(pid):
    for line in Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return None  # it ends


def growth_kb(samples):
    """(images done, KB) -> how much the line through the samples behind the first third rises to the end."""
    last = samples[-1][0]
    warm = [(x, y) for x, y in samples if x >= last / 3]
    mean_x, mean_y = (sum(v[i] for v in warm) / len(warm) for i in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in warm)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in warm) / spread
    return slope * (last - last / 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lemore")
    parser.add_argument("source", type=Path)
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--pictures", type=int, default=300, help="different ones")
    parser.add_argument("--size", default="96x72", help="of the largest picture, WIDTHxHEIGHT")
    parser.add_argument("--model", help="weight file; default: a small one of the tests")
    parser.add_argument("--mode", default="whole")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    # The judgement itself: 100 bytes an image are found, unrest is not.
    assert growth_kb([(i, 9000 + i * 100 // 1024 + i % 3) for i in range(0, 20001, 100)]) > ALLOWED_KB
    assert growth_kb([(i, 9000 + i // 7 % 300) for i in range(0, 20001, 100)]) < ALLOWED_KB

    folder = Path(tempfile.mkdtemp(prefix="lemore-soak-"))
    child = None
    try:
        (folder / "pictures").mkdir()
        (folder / "in").mkdir()
        width, height = map(int, args.size.split("x"))
        r = random.Random(1)
        for i in range(args.pictures):
            draw(
                folder / "pictures" / ("%d.png" % i),
                r.randint(max(32, width // 2), width),
                r.randint(max(32, height // 2), height),
                i,
            )
        picture_of = [r.randrange(args.pictures) for _ in range(args.images)]
        for i, k in enumerate(picture_of):
            os.symlink("../pictures/%d.png" % k, folder / "in" / ("%06d.png" % i))

        start = time.monotonic()
        model = args.model or args.source / "tests/golden/rect.model.safetensors"
        child = subprocess.Popen(
            [
                args.lemore,
                "run",
                "-m",
                str(model),
                str(folder / "in"),
                "-o",
                str(folder / "out"),
                "--emit",
                "labels,overlay",
                "--mode",
                args.mode,
                "-t",
                str(args.threads),
                "--progress",
                "plain",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        fcntl.fcntl(child.stderr, fcntl.F_SETPIPE_SZ, 4096)  # so that it is at most some dozens of images ahead
        samples, files, threads = [], [], []
        every = max(args.images // 400, 1)
        for done, line in enumerate(child.stderr, 1):
            if not line.startswith("[%d/%d] " % (done, args.images)):
                sys.exit("soak: " + line.strip())
            kb = resident_kb(child.pid) if done % every == 0 else None
            if kb is None:
                continue
            try:
                files.append(len(os.listdir("/proc/%d/fd" % child.pid)))
                threads.append(len(os.listdir("/proc/%d/task" % child.pid)))
            except OSError:
                continue
            samples.append((done, kb))
        if child.wait() != 0:
            sys.exit("soak: exit code %d" % child.returncode)
        seconds = time.monotonic() - start

        failures = [] if len(samples) > 20 else ["only %d samples" % len(samples)]
        outputs = {}
        for i, k in enumerate(picture_of):
            for kind in ("labels", "overlay"):
                path = folder / "out" / ("%06d.%s.png" % (i, kind))
                checksum = zlib.crc32(path.read_bytes()) if path.exists() else None
                if checksum is None or outputs.setdefault((k, kind), checksum) != checksum:
                    failures.append("%s is missing or differs" % path.name)
        rise = growth_kb(samples)
        at = [samples[int(part * (len(samples) - 1))][1] for part in (0, 0.25, 0.5, 0.75, 1)]
        print(
            "soak: %d images in %.0f s; resident KB at the start, each quarter and the end: %s; peak %d; grown by %.0f from a third "
            "on, %d allowed; open files %d to %d, threads %d to %d"
            % (
                args.images,
                seconds,
                ", ".join(map(str, at)),
                max(kb for _, kb in samples),
                rise,
                ALLOWED_KB,
                min(files),
                max(files),
                min(threads),
                max(threads),
            )
        )
        # A sanitizer keeps what was freed for a while.
        if rise > ALLOWED_KB and not os.environ.get("LEMORE_TEST_SANITIZED"):
            failures.append("resident memory grows")
        for what, counts in (("open files", files), ("threads", threads)):
            if max(counts) > ALLOWED_OPEN:
                failures.append("%d %s" % (max(counts), what))
        for failure in failures[:10]:
            print("soak: FAILED: " + failure)
        return 1 if failures else 0
    finally:
        if child is not None and child.poll() is None:
            child.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
