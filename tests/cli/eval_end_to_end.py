#!/usr/bin/env python3
"""lemore eval as a user calls it: eval_end_to_end.py LEMORE SOURCE_DIR.

Standard library only; draws its own data set.
"""

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from harness import documented_keys, json_keys, png_chunk

LEMORE, SOURCE = sys.argv[1], Path(sys.argv[2])
GOLDEN = SOURCE / "tests" / "golden" / "rect.model.safetensors"
IGNORE, CLASSES = 255, 4


def png(width, height, color_type, depth, rows, palette=b""):
    """`rows`: packed bytes of each row."""
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    parts = [png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))]
    parts += [png_chunk(b"PLTE", palette)] if palette else []
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts + [png_chunk(b"IDAT", data), png_chunk(b"IEND", b"")])


def label_png(label, kind="gray"):
    """kind: gray, gray1, gray2, gray4, gray16, indexed (with a palette of one colour, as long as the classes), or the
    bits of a packed indexed PNG."""
    height, width = len(label), len(label[0])
    if kind == "gray":
        return png(width, height, 0, 8, label)
    if kind == "gray16":
        return png(width, height, 0, 16, [b"".join(struct.pack(">H", v) for v in row) for row in label])
    is_gray = str(kind).startswith("gray")
    bits = 8 if kind == "indexed" else int(kind[4:]) if is_gray else kind
    rows = []
    for row in label:
        number = int("".join(format(v, f"0{bits}b") for v in row).ljust(-(-width * bits // 8) * 8, "0"), 2)
        rows.append(number.to_bytes(-(-width * bits // 8), "big"))
    if is_gray:
        return png(width, height, 0, bits, rows)
    return png(width, height, 3, bits, rows, b"\x07\x07\x07" * min(CLASSES, 2**bits))


def read_label_png(data):
    """Values of an unfiltered 8-bit one-channel PNG, as lemore run writes label maps."""
    at, idat = 8, b""
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        if kind == b"IHDR":
            width, height, depth = struct.unpack(">IIB", data[at + 8 : at + 17])
            assert depth == 8
        idat += data[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    raw = zlib.decompress(idat)
    rows = [raw[y * (width + 1) : (y + 1) * (width + 1)] for y in range(height)]
    assert all(row[0] == 0 for row in rows), "expected no filter"
    return [list(row[1:]) for row in rows]


def draw(rng, height, width):
    """A picture of blocks of colour, and a label of blocks of classes."""
    colors = [[rng.randrange(256) for _ in range(3)] for _ in range(12)]
    rows = []
    for y in range(height):
        row = []
        for x in range(width):
            row += [min(255, c + rng.randrange(20)) for c in colors[y // 9 % 3 * 4 + x // 11 % 4]]
        rows.append(row)
    values = [0, 1, 2, 3, 3, IGNORE]
    blocks = [rng.choice(values) for _ in range(16)]
    label = [[blocks[y * 4 // height * 4 + x * 4 // width] for x in range(width)] for y in range(height)]
    return png(width, height, 2, 8, rows), label


def with_labels(path, **changes):
    """A copy of the golden model with other fields in its labels."""
    data = GOLDEN.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    labels = json.loads(header["__metadata__"]["labels"])
    labels.update(changes)
    header["__metadata__"]["labels"] = json.dumps(labels)
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def run(*args, code=0, err=None, env=None):
    """Runs lemore; checks its exit code, and that an error is one line on stderr with `err` in it."""
    done = subprocess.run([LEMORE, *map(str, args)], capture_output=True, text=True, env={**os.environ, **(env or {})})
    where = f"lemore {' '.join(map(str, args))}\n-> {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert done.returncode == code, where
    if err is not None:
        assert done.stderr.count("\n") == 1 and all(part in done.stderr for part in err), where
    elif code == 0:
        assert done.stderr == "", where
    return done.stdout


def confusion(folder, predictions, offset=0, ignore=IGNORE):
    """The definition, pixel by pixel, of label files against lemore run's label maps."""
    counts = [[0] * CLASSES for _ in range(CLASSES)]
    for name, label in folder.items():
        predicted = read_label_png((predictions / f"{name}.labels.png").read_bytes())
        for truth_row, row in zip(label, predicted):
            for truth, prediction in zip(truth_row, row):
                if truth != ignore and truth >= offset:
                    counts[truth - offset][prediction] += 1
    return counts


def check_scores(result, counts):
    columns = [sum(row[c] for row in counts) for c in range(CLASSES)]
    iou, accuracy = [], []
    for c, row in enumerate(counts):
        union = sum(row) + columns[c] - row[c]
        iou.append(row[c] / union if union else None)
        accuracy.append(row[c] / sum(row) if sum(row) else None)
    total = sum(columns)

    def mean(values):
        values = [v for v in values if v is not None]
        return sum(values) / len(values)

    def close(a, b):
        return a == b or abs(a - b) < 1e-12

    assert result["confusion"] == counts, (result["confusion"], counts)
    assert close(result["miou"], mean(iou)) and close(result["mean_accuracy"], mean(accuracy))
    assert close(result["pixel_accuracy"], sum(counts[c][c] for c in range(CLASSES)) / total)
    assert result["pixels"] == total
    for c, entry in enumerate(result["classes"]):
        assert entry["name"] == f"class {c}" and close(entry["share"], sum(counts[c]) / total)
        assert close(entry["iou"], iou[c]) and close(entry["accuracy"], accuracy[c]), (c, entry)


SEEN = set()  # keys of --json


def scores(text):
    """What --json printed; its keys are remembered."""
    result = json.loads(text)
    SEEN.update(json_keys(result, ("source.label_map.values", "source.label_map.colors")))
    return result


def mapped_labels(root, base, images, truth, predictions, counts):
    """--label-map: the same truth in other values and in colours gives the same counts."""
    folder, maps = root / "mapped", root / "map.json"
    folder.mkdir()
    classes = {0: "class 0", 1: 1, 2: "class 2", 3: 3, IGNORE: "ignore"}
    run_mapped = ["eval", "-m", GOLDEN, "--images", images, "--labels", folder, "--label-map", maps, "--json"]
    for kind in ("gray16", "gray", "colors", "palette"):
        value = {v: 300 * (v + 1) if kind == "gray16" else 250 - v for v in classes}
        value[IGNORE] = 9
        color = {v: (v, 100, 255 - v) for v in classes}
        for name, label in truth.items():
            height, width = len(label), len(label[0])
            if kind == "colors":
                data = png(width, height, 2, 8, [b"".join(bytes(color[v]) for v in row) for row in label])
            elif kind == "palette":
                places = list(classes)
                rows = [[places.index(v) for v in row] for row in label]
                data = png(width, height, 3, 8, rows, b"".join(bytes(color[v]) for v in places))
            else:
                data = label_png([[value[v] for v in row] for row in label], kind)
            (folder / f"{name}.png").write_bytes(data)
        if kind in ("colors", "palette"):
            listed = {"colors": {("#%02x%02x%02x" if v % 2 else "%d,%d,%d") % color[v]: c for v, c in classes.items()}}
        else:
            listed = {"values": {str(value[v]): c for v, c in classes.items()}}
        maps.write_text("\ufeff" + json.dumps(listed), encoding="utf-8")
        result = scores(run(*run_mapped))
        check_scores(result, counts)
        assert result["source"]["label_map"]["default"] == "error"
        # What is not listed is an error that names it, or ignored if so said.
        kinds = list(listed)[0]
        for key, meaning in list(listed[kinds].items()):
            if meaning == "ignore":
                del listed[kinds][key]
        maps.write_text(json.dumps(listed))
        run(
            *run_mapped,
            code=1,
            err=["mapped/p", "is not in the label map", "colour #ff6400" if kinds == "colors" else "value 9"],
        )
        maps.write_text(json.dumps({**listed, "default": "ignore"}))
        assert json.loads(run(*run_mapped))["confusion"] == counts
    maps.write_text(json.dumps({"values": {"0": "class 9"}}))
    run(*run_mapped, code=1, err=["map.json", "values['0']: no class is called 'class 9'"])
    maps.write_text(json.dumps({"values": {"0": 0}}))
    (folder / "p0.png").write_bytes((images / "p0.png").read_bytes())
    run(*run_mapped, code=1, err=["p0.png", "colours", '"values"'])
    run("eval", "--merge", maps, "--label-map", maps, code=2, err=["--label-map"])
    run(*base, "--label-map", root / "none.json", code=1, err=["none.json"])


def suffixed_names(root, images, labels, whole):
    """--pair: names that differ by a suffix, in folders."""
    left, truth = root / "leftImg8bit", root / "gtFine"
    pair = ["--recursive", "--pair", "{}_leftImg8bit.png={}_gtFine_ids.png"]
    for path in sorted(images.iterdir()):
        town = "aachen" if path.stem < "p5" else "bonn"
        for folder in (left / town, truth / town):
            folder.mkdir(parents=True, exist_ok=True)
        (left / town / f"{path.stem}_leftImg8bit.png").write_bytes(path.read_bytes())
        (truth / town / f"{path.stem}_gtFine_ids.png").write_bytes((labels / path.name).read_bytes())
        (truth / town / f"{path.stem}_gtFine_color.png").write_bytes(path.read_bytes())
    found = ["eval", "-m", GOLDEN, "--images", left, "--labels", truth, *pair, "--json"]
    result, expected = scores(run(*found)), json.loads(whole)
    assert result.pop("source").pop("pair") == pair[-1]
    expected.pop("source")
    assert result == expected
    (left / "extra.png").write_bytes(b"")
    run(*found, err=["1 of its images left out", "--pair"])
    (truth / "bonn" / "p7_gtFine_ids.png").unlink()
    run(*found, "--shard", "0/1", code=1, err=None)
    run(*found[:-3], "--pair", "{}.png", code=2, err=["--pair", "IMAGE=LABEL"])


def main(root):
    rng = random.Random(7)
    images, labels, predictions = root / "images", root / "labels", root / "predictions"
    images.mkdir()
    labels.mkdir()
    truth = {}
    for i, kind in enumerate(["gray", "indexed", 8, "gray", "gray4", 4, 2, 1, "gray2", "gray1"]):
        picture, label = draw(rng, 40 + i * 3, 50 + i * 5)
        if kind not in ("gray", "indexed", 8):
            label = [[v % min(CLASSES, 2 ** int(str(kind)[-1])) for v in row] for row in label]
        truth[f"p{i}"] = label
        (images / f"p{i}.png").write_bytes(picture)
        (labels / f"p{i}.png").write_bytes(label_png(label, kind))
    base = ["eval", "-m", GOLDEN, "--images", images, "--labels", labels]

    # The counts are those of lemore run's label maps, in every mode; threads and jobs change nothing.
    for mode in (["--mode", "whole"], ["--mode", "native"], ["--mode", "slide", "--stride", "20x36"]):
        run("run", "-m", GOLDEN, images, "-o", predictions, "--emit", "labels", *mode)
        counts = confusion(truth, predictions)
        one = run(*base, *mode, "--json", "-t", "1")
        result = scores(one)
        check_scores(result, counts)
        assert result["images"] == len(truth) and result["source"]["mode"] == mode[1]
        for more in (["-t", "3"], ["-t", "2", "--jobs", "5"], ["-t", "3", "--jobs", "1"]):
            assert run(*base, *mode, "--json", "-", *more) == one
    whole = run(*base, "--json")
    run("run", "-m", GOLDEN, images, "-o", predictions, "--emit", "labels")
    counts = confusion(truth, predictions)

    # Table, JSON file and counts in one go; shards add up to the same bytes.
    table = run(
        *base, "--json", root / "new" / "result.json", "--save-confusion", root / "all.json", "--progress", "none"
    )
    assert (root / "new" / "result.json").read_text() == whole
    assert f"mIoU {json.loads(whole)['miou']:.4f}" in table and table.count("\n") == CLASSES + 3
    parts = []
    for i in range(4):
        parts.append(root / f"part{i}.json")
        auto = {"SLURM_ARRAY_TASK_ID": str(i), "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0"}
        shard = ["--shard", "auto"] if i % 2 else ["--shard", f"{i}/4"]
        run(*base, *shard, "--save-confusion", parts[-1], env=auto)
    merged = run("eval", "--merge", *parts, "--save-confusion", root / "merged.json", "--json")
    assert merged == whole and (root / "merged.json").read_bytes() == (root / "all.json").read_bytes()
    assert run("eval", "--merge", *parts) == table
    # It knows which parts there are.
    run("eval", "--merge", parts[0], parts[0], code=1, err=["is part 0/4, as", "part0.json is"])
    run("eval", "--merge", *parts[:3], code=1, err=["1 of 4 parts are missing: 3/4"])
    run("eval", "--merge", *parts, root / "all.json", code=1, err=["all.json", "is part 0/1, but"])
    other = root / "other.json"
    run(*base, "--shard", "3/4", "--mode", "native", "--save-confusion", other)
    run("eval", "--merge", *parts[:3], other, code=1, err=["other.json", "another way", '"mode"'])
    saved = json.loads(parts[1].read_text())
    assert json_keys(saved, ("source",)) == documented_keys("eval --save-confusion")
    assert (saved["format"], saved["version"]) == ("lemore-confusion", 2)
    assert saved["run"]["shard"] == [1, 4] and saved["run"]["pairs"] == len(truth) and saved["run"]["failed"] == 0
    run(*base, "--shard", "8/20", "--json")  # one image; a shard without any is fine too
    empty = json.loads(run(*base, "--shard", "15/20", "--json"))
    assert empty["images"] == 0 and empty["miou"] is None and empty["classes"][0]["iou"] is None
    assert run(*base, "--shard", "15/20").count(" - ") >= CLASSES

    # Offset and ignore label come from the model.
    shifted, foreign = root / "shifted.safetensors", root / "foreign.safetensors"
    with_labels(shifted, annotation_offset=1, ignore_label=2)
    names = [{"name": f"thing {c}", "color": [c, c, c]} for c in range(CLASSES)]
    with_labels(foreign, classes=names)
    up = root / "labels up"
    up.mkdir()
    moved = {n: [[0 if v == IGNORE else v + 1 for v in row] for row in label] for n, label in truth.items()}
    for name, label in moved.items():
        (up / f"{name}.png").write_bytes(label_png(label, "indexed"))
    result = json.loads(run("eval", "-m", shifted, "--images", images, "--labels", up, "--json"))
    expected = confusion(moved, predictions, offset=1, ignore=2)
    assert sum(expected[1]) == 0 and result["classes"][1]["accuracy"] is None
    check_scores(result, expected)

    mapped_labels(root, base, images, truth, predictions, counts)
    suffixed_names(root, images, labels, whole)

    # The worst, named with rank and mIoU, lowest first.
    worst = root / "worst"
    assert run(*base, "--worst", "3", "--out", worst, "--json") == whole
    strips = sorted(p.name for p in worst.iterdir())
    assert len(strips) == 3 and [s[0] for s in strips] == ["1", "2", "3"]
    values = [float(s.split("_")[1]) for s in strips]
    assert values == sorted(values)
    single = json.loads(run(*base, "--json", "--shard", f"{strips[0].split('_')[2][1:-4]}/10"))
    assert f"{single['miou']:.4f}" == strips[0].split("_")[1]

    # What is wrong is said in one line, and the exit code tells which kind it is.
    run("eval", code=2, err=["-m MODEL"])
    run("eval", "-m", GOLDEN, "--images", images, code=2, err=["--labels"])
    run(*base, "--merge", parts[0], code=2, err=["--merge"])
    run(*base, "--worst", "3", code=2, err=["--out"])
    run(*base, "--out", worst, code=2, err=["--worst"])
    run(*base, "--mode", "big", code=2, err=["--mode"])
    run(*base, "--stride", "8x8", code=2, err=["--stride"])
    run(*base, "--isa", "sse", code=2, err=["--isa"])
    run(*base, "--shard", "5/4", code=2, err=["--shard"])
    run(*base, "--worst", "2", "--out", images, code=2, err=["folder of inputs"])
    run(*base, "--save-confusion", GOLDEN, code=2, err=["is an input and an output"])
    run(*base, "--json", labels / "p1.png", code=2, err=["is an input and an output"])
    run("eval", "--merge", parts[0], "--save-confusion", parts[0], code=2, err=["is an input and an output"])
    run(*base, "--json", root / "x.json", "--save-confusion", root / "x.json", code=2, err=["same file"])
    run(*base, "--json", root, code=2, err=["folder"])
    run(*base, "--save-confusion", "/proc/x/y.json", code=1, err=["/proc/x"])
    run("eval", "-m", root / "none", "--images", images, "--labels", labels, code=1, err=["none"])
    run("eval", "-m", GOLDEN, "--images", images / "p0.png", "--labels", labels, code=1, err=["p0.png", "folder"])
    classifier = SOURCE / "tests" / "golden" / "classifier.model.safetensors"
    run("eval", "-m", classifier, "--images", images, "--labels", labels, code=2, err=["classifier"])
    run("eval", "--merge", parts[0], root / "none.json", code=1, err=["none.json"])
    run("eval", "--merge", parts[0], GOLDEN, code=1, err=["rect.model", "not JSON"])
    run("eval", "-m", foreign, "--images", images, "--labels", labels, "--save-confusion", root / "foreign.json")
    run("eval", "--merge", parts[0], root / "foreign.json", code=1, err=["foreign.json", "thing 0", "class 0"])

    # Bad pairs: the first in order ends it; with --keep-going the rest is scored and the exit code is 3.
    good = (labels / "p3.png").read_bytes()
    height, width = len(truth["p3"]), len(truth["p3"][0])
    flat = [[1] * width for _ in range(height)]
    spoiled = [list(row) for row in flat]
    spoiled[2][5] = 9
    for data, parts_of_message in (
        (label_png(spoiled), ["p3.png", "value 9 at pixel x 5, y 2"]),
        (label_png(flat[1:]), ["images/p3.png", "labels/p3.png", f"{height}x{width}", f"{height - 1}x{width}"]),
        (good[:-30], ["labels/p3.png", "damaged PNG"]),
        (b"", ["labels/p3.png", "empty"]),
        (b"words", ["labels/p3.png", "not a PNG"]),
        ((images / "p3.png").read_bytes(), ["labels/p3.png", "colours"]),
        (label_png([[7] * width] * height, "gray4"), ["labels/p3.png", "value 7 at pixel x 0, y 0"]),
        (png(width, height, 0, 16, [[0] * (2 * width)] * height), ["labels/p3.png", "16-bit", "--label-map"]),
        (png(width, height, 4, 8, [[0] * (2 * width)] * height), ["labels/p3.png", "alpha"]),
        (None, ["images/p3.png", "no label", "labels/p3.png"]),
    ):
        (labels / "p3.png").unlink()
        if data is not None:
            (labels / "p3.png").write_bytes(data)
        run(*base, "-t", "2", "--save-confusion", root / "not.json", code=1, err=parts_of_message)
        assert not (root / "not.json").exists()
        (labels / "p3.png").write_bytes(b"" if data is None else data)
    going = json.loads(run(*base, "-t", "2", "--keep-going", "--json", code=3))
    assert going["images"] == len(truth) - 1 and going["failed"] == 1
    check_scores(going, confusion({n: v for n, v in truth.items() if n != "p3"}, predictions))
    (labels / "p3.png").write_bytes(good)
    (labels / "extra.png").write_bytes(good)
    run(*base, code=1, err=["labels/extra.png", "no image"])
    (labels / "extra.png").unlink()
    assert run(*base, "--json") == whole

    # Pipes in a folder are passed over with a word, and nothing waits for them.
    os.mkfifo(images / "pipe.png")
    run(*base, err=["note: passed over", "images/pipe.png: a named pipe"])
    (images / "pipe.png").unlink()

    # Memory stays flat: many images take no more than a few.
    if "LEMORE_TEST_SANITIZED" not in os.environ:
        many = [root / "many images", root / "many labels"]
        peaks = []
        for count in (4, 400):
            for folder, source in zip(many, (images, labels)):
                folder.mkdir(exist_ok=True)
                for i in range(count):
                    if not (folder / f"{i:03}.png").exists():
                        (folder / f"{i:03}.png").symlink_to(source / f"p{i % 4}.png")
            run_many = [LEMORE, "eval", "-m", GOLDEN, "--images", many[0], "--labels", many[1], "-t", "2"]
            child = subprocess.Popen(run_many, stdout=subprocess.DEVNULL)
            peaks.append(os.wait4(child.pid, 0)[2].ru_maxrss)
        assert peaks[1] < peaks[0] + 8 * 1024, f"peak memory in KiB of 4 and of 400 images: {peaks}"
        # Large images: with --memory they wait for each other, where otherwise four are held at once.
        folders = [root / "large images", root / "large labels"]
        width, height = 4000, 3000  # blocks that malloc gives back to the system
        for folder, data in zip(folders, (png(width, height, 2, 8, [bytes(3 * width)] * height),
                                          png(width, height, 0, 8, [bytes(width)] * height))):  # fmt: skip
            folder.mkdir()
            for i in range(8):
                (folder / f"{i}.png").write_bytes(data)
        peak = {}
        for memory in ("10", "1000"):
            run_large = [LEMORE, "eval", "-m", GOLDEN, "--images", folders[0], "--labels", folders[1]]
            child = subprocess.Popen(
                [*run_large, "-t", "4", "--jobs", "4", "--memory", memory], stdout=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(child.pid, 0)
            assert status == 0
            peak[memory] = usage.ru_maxrss
        assert peak["10"] + 2 * 3 * width * height // 1024 < peak["1000"], f"peak memory in KiB by --memory: {peak}"
    assert SEEN == documented_keys("eval --json"), SEEN ^ documented_keys("eval --json")
    print("lemore eval: all as expected")


with tempfile.TemporaryDirectory(prefix="lemore-eval-") as folder:
    main(Path(folder))
