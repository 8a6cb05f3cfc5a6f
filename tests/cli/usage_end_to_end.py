#!/usr/bin/env python3
"""What a stranger meets: misspelt words, wrong files, help, pictures, and the JSON that docs/json.md describes.

usage_end_to_end.py LEMORE SOURCE_DIR [unittest options]. Standard library only.
"""

import json
import re
import struct
from pathlib import Path

from harness import (
    CLASSIFIER,
    GOLDEN,
    MODEL,
    SOURCE,
    THREE_STAGES,
    Png,
    Case,
    documented_keys,
    draw,
    json_keys,
    lemore,
    main,
    read_safetensors,
    write_safetensors,
)

DUMP = GOLDEN / "rect.dump.safetensors"
COMMANDS = ("run", "info", "compare", "eval", "bench", "embed", "help")


class Words(Case):
    def test_did_you_mean(self):
        for arguments, says in [
            (["rnu"], "unknown command 'rnu'; did you mean run?"),
            (["inof", MODEL], "did you mean info?"),
            (["benchmark"], "did you mean bench?"),
            (["evaluate"], "did you mean eval?"),
            (["version"], "did you mean --version?"),
            (["--versoin"], "did you mean --version?"),
            (["frobnicate"], "expected run, info, compare"),
            (["run", "--moddel", "x"], "unknown option --moddel; did you mean --model?"),
            (
                ["run", "-m", MODEL, "x.png", "-o", "y", "--opactiy=1"],
                "unknown option --opactiy; did you mean --opacity?",
            ),
            (["run", "-model", MODEL], "unknown option -model; did you mean --model?"),
            (["info", MODEL, "--layer"], "did you mean --layers?"),
            (["info", MODEL, "y", "z"], "unexpected argument 'y'"),
            (["--model", MODEL, "run"], "before the command"),
            (["help", "rnu"], "did you mean run?"),
            (
                ["bench", "-m", MODEL, "--output", "label"],
                "expected logits, labels or image, got 'label'; did you mean labels?",
            ),
            (["run", "-m", MODEL, "x", "-o", "y", "--progress", "plian"], "did you mean plain?"),
            (["run", "-m", MODEL, "x", "-o", "y", "--only", "clas 1"], "did you mean class"),
            ([], "expected a command: run, info"),
        ]:
            with self.subTest(arguments=arguments):
                self.refused(2, *arguments, says=says)

    def test_values(self):
        for arguments, says in [
            (["info", MODEL, "-t", "abc"], "--threads: expected a whole number from 0 to 1024, got 'abc'"),
            (["info", MODEL, "-t"], "--threads: expected N after it"),
            (["info", MODEL, "-t", "1", "-t", "2"], "given 2 times"),
            (["run", "-m", MODEL, "x", "-o", "y", "--opacity", "7"], "expected a number from 0 to 1, got '7'"),
            (["run", "-m", MODEL, "x", "-o", "y", "--min-confidence", "nan"], "from 0 to 1"),
            (["run", "-m", "", "x", "-o", "y"], "--model: expected a value"),
            (["run", "-m", MODEL, "", "-o", "y"], "INPUT: expected a value"),
            (["info", ""], "MODEL: expected a value"),
            (["compare", "-m", MODEL, "--reference", DUMP, "--rtol", "-1"], "--rtol: expected"),
            (["embed", MODEL, "-o", "x.h", "--name", "int"], "--name"),
            (["embed", MODEL, "-o", "x.txt"], ".h or .o"),
            (["run", "-m", MODEL, "x", "-o", "y", "--ignore-uncertain"], "--min-confidence"),
            (["run", "-m", MODEL, "x", "-o", "y", "--font", "f"], "--legend"),
        ]:
            with self.subTest(arguments=[str(a) for a in arguments]):
                self.refused(2, *arguments, says=says)

    def test_help(self):
        program = self.ok("--help").text
        self.assertEqual(self.ok("help").text, program)
        for command in COMMANDS:
            self.assertRegex(program, r"(?m)^  %s  " % command)
            self.assertEqual(self.ok("help", command).text, self.ok(command, "--help").text)
        for command in COMMANDS[:-1]:
            self.assertIn("Examples:", self.ok("help", command).text)
        self.assertIn("lemore run -m MODEL", self.refused(2, str(self.photo())).err)

    def test_no_line_of_help_is_wide(self):
        for command in COMMANDS:
            for line in self.ok("help", command).text.splitlines():
                if not line.startswith("  "):
                    self.assertLessEqual(len(line), 120, (command, line))


class WrongModels(Case):
    def check(self, path, *says):
        for arguments in (
            ["info", path],
            ["bench", "-m", path],
            ["run", "-m", path, self.photo(), "-o", self.folder / "o"],
        ):
            error = self.refused(1, *arguments, says=says).err
            self.assertNotRegex(error, r": :|:\s*$|[\x00-\x09\x0b-\x1f\x7f]")

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def test_kinds_of_files(self):
        self.check(SOURCE / "README.md", "README.md: not a safetensors file: it looks like text")
        self.check(SOURCE / "docs/images/leuven-strip.jpg", "it looks like a JPEG picture")
        self.assertIn("did you mean it as INPUT?", lemore("run", "-m", self.photo(), "x.png", "-o", "y").err)
        self.check(self.photo(), "a PNG picture")
        self.check(self.write("empty", b""), "empty: the file is empty")
        self.check(
            self.write("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"), "git lfs pull"
        )
        self.check(self.write("a.pth", b"PK\x03\x04" + bytes(99)), "zip archive", "tools/convert.py")
        self.check(
            self.write("b.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(99)), "pickle", "tools/convert.py"
        )
        self.check(self.write("m.onnx", b"\x08\x08\x12\x07pytorch\x1a\x032.1" + bytes(99)), "ONNX")
        self.check(self.write("cut", Path(MODEL).read_bytes()[:100]), "header")

    def test_folders_and_near_names(self):
        self.check(GOLDEN, "did you mean", ".safetensors?")
        hf = self.folder / "hf"
        hf.mkdir()
        (hf / "config.json").write_text("{}")
        self.check(hf, "Hugging Face", "tools/convert.py")
        self.check(GOLDEN / "rect.modle.safetensors", "did you mean", "rect.model.safetensors?")
        self.check(self.folder / "nothing-like-it", "No such file")

    def test_nothing_raw_reaches_the_terminal(self):
        header, body = read_safetensors(MODEL)
        text = header["__metadata__"]
        labels = json.loads(text["labels"])
        evil = "\x1b]0;owned\x07\x1b[31m\u009b31m\u202e\n\x7f"
        for c in labels["classes"]:
            c["name"] += evil
        text["labels"] = json.dumps(labels)
        provenance = json.loads(text["provenance"])
        provenance.update(
            {"license": evil, "source": evil, "metrics": {evil: evil, "list": [{"name": evil, "iou": 1}] * 2}}
        )
        text["provenance"] = json.dumps(provenance)
        path = self.folder / "evil\x1b[31m\u009b.safetensors"
        write_safetensors(path, header, body)
        photo = self.photo()
        outputs = []
        for arguments in (
            ["info", path],
            ["info", path, "--json"],
            ["bench", "-m", path, "--runs", "1"],
            ["info", str(path) + "x"],
            ["run", "-m", path, photo, "-o", self.folder / "o", "--only", "x"],
            ["run", "-m", path, photo, "-o", self.folder / "o", "--legend", "--json"],
            ["compare", "-m", path, "--reference", path],
            ["compare", "-m", path, "--reference", DUMP],
            ["embed", path, "-o", self.folder / "m.h"],
            [evil],
            ["run", "--" + evil],
            ["info", path, evil],
            ["help", evil],
        ):
            result = lemore(*arguments)
            outputs.append(result.out.decode() + result.err)
        outputs.append((self.folder / "o.json").read_text() if (self.folder / "o.json").exists() else "")
        outputs.append((self.folder / "m.h").read_text()[:4000])
        for output in outputs:
            self.assertNotRegex(output, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
        self.assertIn("class 0", outputs[0])

    def test_info_reads_well(self):
        text = self.ok("info", SOURCE / "weights/lemore-camvid.safetensors").text
        self.assertNotIn("{", text)
        self.assertRegex(text, r"(?m)^metrics\n  split +val\n  miou +0\.6")
        self.assertRegex(text, r"(?m)^ +name +iou +accuracy\n +sky +0\.9")
        self.assertRegex(text, r"(?m)^configuration\n  input size +384, 512\n")


class Pictures(Case):
    def test_palettes_and_outlines(self):
        photo = self.photo(width=90, height=60)
        run = ["run", "-m", THREE_STAGES, photo, "-o", "-", "--emit"]
        color = Png(self.ok(*run, "color").out).rows()
        own = Png(self.ok(*run, "overlay", "--opacity", "1", "--palette", "dataset").out).rows()
        distinct = Png(self.ok(*run, "overlay", "--opacity", "1").out).rows()
        self.assertEqual(own, color)
        self.assertNotEqual(distinct, color)
        labels = Png(self.ok(*run, "labels").out).rows()
        plain = Png(self.ok(*run, "overlay", "--opacity", "0.5").out).rows()
        lined = Png(self.ok(*run, "overlay", "--opacity", "0.5", "--outlines").out).rows()
        seen = 0
        for y in range(60):
            for x in range(90):
                near = [
                    labels[v][u]
                    for u, v in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1))
                    if 0 <= u < 90 and 0 <= v < 60
                ]
                is_border = any(label != labels[y][x] for label in near)
                at = slice(3 * x, 3 * x + 3)
                self.assertEqual(lined[y][at], distinct[y][at] if is_border else plain[y][at], (x, y))
                seen += is_border
        self.assertGreater(seen, 10)

    def test_uncertain_pixels(self):
        photo = self.photo(width=90, height=60)
        self.ok("run", "-m", THREE_STAGES, photo, "-o", self.folder / "a", "--emit", "labels,confidence,json")
        confidence = b"".join(Png(self.folder / "a.confidence.png").rows())
        middle = sorted(confidence)[len(confidence) // 2] / 255
        arguments = [
            "run",
            "-m",
            THREE_STAGES,
            photo,
            "--min-confidence",
            str(middle),
            "--emit",
            "labels,color,overlay,json",
            "--opacity",
            "1",
            "--palette",
            "dataset",
        ]
        self.ok(*arguments, "-o", self.folder / "b")
        self.ok(*arguments, "-o", self.folder / "c", "--ignore-uncertain")
        labels = b"".join(Png(self.folder / "a.labels.png").rows())
        self.assertEqual(b"".join(Png(self.folder / "b.labels.png").rows()), labels)
        ignored = b"".join(Png(self.folder / "c.labels.png").rows())
        source = b"".join(Png(photo).rows())
        for name in ("b", "c"):
            color, overlay = (
                b"".join(Png(self.folder / (name + kind)).rows()) for kind in (".color.png", ".overlay.png")
            )
            for i, c in enumerate(confidence):
                at = slice(3 * i, 3 * i + 3)
                if c / 255 < middle - 0.003:
                    self.assertEqual((color[at], overlay[at]), (b"\0\0\0", source[at]))
                elif c / 255 > middle + 0.003:
                    self.assertEqual(overlay[at], color[at])
        info, uncertain = (json.loads((self.folder / (n + ".json")).read_text())["uncertain"] for n in ("c", "b"))
        self.assertEqual(info["pixels"], sum(l == info["label"] for l in ignored))
        self.assertIsNone(uncertain["label"])
        self.assertEqual(info["pixels"], uncertain["pixels"])
        self.assertTrue(0.2 < info["share"] < 0.8, info)
        self.assertEqual({l for l, o in zip(ignored, labels) if l != o}, {info["label"]})
        self.assertNotIn(info["label"], labels)
        self.refused(2, "run", "-m", MODEL, "--frames", "y4m", "-", "--min-confidence", "0.5", says="--min-confidence")

    def test_fonts(self):
        photo, out = self.photo(), self.folder / "o.png"
        bad = self.folder / "bad.ttf"
        for content in (b"", b"not a font", b"\0\1\0\0" + bytes(range(256)) * 9):
            bad.write_bytes(content)
            self.refused(
                1, "run", "-m", MODEL, photo, "-o", out, "--emit", "overlay", "--legend", "--font", bad, says="bad.ttf"
            )
        self.refused(
            1,
            "run",
            "-m",
            MODEL,
            photo,
            "-o",
            out,
            "--emit",
            "overlay",
            "--legend",
            "--font",
            self.folder,
            says=str(self.folder),
        )
        header, body = read_safetensors(MODEL)
        labels = json.loads(header["__metadata__"]["labels"])
        for c, name in zip(labels["classes"], ("Straße", "δρόμος", "дорога", "\U0010fffd")):
            c["name"] = name
        header["__metadata__"]["labels"] = json.dumps(labels)
        path = self.folder / "names.safetensors"
        write_safetensors(path, header, body)
        result = lemore("run", "-m", path, photo, "-o", out, "--emit", "overlay", "--legend")
        self.assertEqual(result.code, 0)
        self.assertIn("no font here has these characters", result.err)  # nobody draws a private character
        self.assertIn("\U0010fffd", result.err)
        self.assertGreater(Png(out).height, 40)


class Keys(Case):
    """docs/json.md names the keys that are printed, and no others."""

    def test_run(self):
        f, photo = self.folder, self.photo("in/a.png")
        (f / "in/b.png").write_bytes(b"no image")
        (f / "in/c.jpg").write_bytes((SOURCE / "tests/fuzz/corpus/image/jpeg_without_end.jpg").read_bytes())
        emit = ["-o", f / "out", "--emit", "json", "--min-confidence", "0.5"]
        result = lemore("run", "-m", MODEL, f / "in", *emit, "--manifest", f / "m.jsonl", "--json", "--keep-going")
        self.assertEqual(result.code, 3, result.err)
        self.assertEqual(json_keys(result.json), documented_keys("run --json"))
        lines = [json.loads(line) for line in (f / "m.jsonl").read_text().splitlines()]
        self.assertEqual([line["status"] for line in lines], ["ok", "failed", "ok"])
        self.assertEqual(set().union(*map(json_keys, lines)), documented_keys("run --manifest"))
        self.ok("run", "-m", CLASSIFIER, photo, "-o", f / "out/top.json", "--emit", "json")
        written = [json.loads(path.read_text()) for path in (f / "out").iterdir()]
        self.assertEqual(len(written), 3)
        self.assertEqual(set().union(*map(json_keys, written)), documented_keys("run --emit json"))

    def test_info(self):
        free = ("config", "provenance.metrics")
        self.assertEqual(
            json_keys(self.ok("info", MODEL, "--json", "--layers").json, free), documented_keys("lemore info")
        )

    def test_bench(self):
        seen = set()
        for more in ([], ["--layers"], ["--output", "labels"], ["--output", "image"]):
            seen |= json_keys(self.ok("bench", "-m", MODEL, "--json", "--runs", "2", *more).json)
        self.assertEqual(seen, documented_keys("lemore bench"))

    def test_compare(self):
        self.assertEqual(
            json_keys(self.ok("compare", "-m", MODEL, "--reference", DUMP, "--json").json),
            documented_keys("lemore compare"),
        )


if __name__ == "__main__":
    main()
