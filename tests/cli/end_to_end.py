#!/usr/bin/env python3
"""Runs the real command line as a user does: every option, every exit code, bad input.

end_to_end.py LEMORE SOURCE_DIR [unittest options]. Standard library only. Images are drawn here. LEMORE_TEST_DATA may
name a folder with further files, which are not part of the project; without it those tests are skipped.
"""

import json
import os
import struct
from pathlib import Path

from harness import (
    GOLDEN,
    MODEL,
    THREE_STAGES,
    CLASSIFIER,
    SHARED,
    GOLDEN_NAMES,
    png_chunk,
    write_png,
    Png,
    read_npy,
    labels_of_logits,
    read_safetensors,
    write_safetensors,
    lemore,
    supported_isas,
    Case,
    main,
)


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
            ([], "--help"),
            (["frobnicate"], ""),
            (["run"], "run --help"),
            (["run", photo, "-o", out], "--model"),
            (["run", "-m", MODEL, photo], "--out"),
            (["run", "-m", MODEL, "-o", out], "INPUT"),
            (run + ["--nonsense"], "--nonsense"),
            (run + ["--emit", "lables"], "labels, overlay"),
            (run + ["--opacity", "1.5"], "--opacity"),
            (run + ["--opacity", "x"], "--opacity"),
            (run + ["--mode", "stretch"], "whole, native or slide"),
            (run + ["--stride", "8x8"], "--stride"),
            (run + ["--mode", "slide", "--stride", "x"], "--stride"),
            (run + ["--mode", "slide", "--stride", "4000x4000"], ""),
            (run + ["--mode", "slide", "--emit", "npy"], "npy"),
            (run + ["--shard", "5/4"], "--shard"),
            (run + ["--shard", "auto"], "SLURM_ARRAY_TASK_ID"),
            (run + ["-t", "-1"], "--threads"),
            (run + ["--isa", "mmx"], "--isa"),
            (run + ["--only", "class 1,unicorn"], ["unicorn", "class 0, class 1"]),
            (run + ["--progress", "loud"], "--progress"),
            (run + ["--max-pixels", "0"], "--max-pixels"),
            (["run", "-m", MODEL, photo, "-o", "-"], "one kind"),
            (["run", "-m", MODEL, photo, "-o", "-", "--emit", "labels", "--json"], "--json"),
            (["info"], "MODEL"),
            (["info", MODEL, "--size", "0x5"], "--size"),
            (["info", MODEL, "--isa", "mmx"], "--isa"),
            (["compare", "-m", MODEL], "--reference"),
            (["compare", "-m", MODEL, "--reference", MODEL, "--rtol", "-1"], "--rtol"),
        ]:
            with self.subTest(arguments=[str(a) for a in arguments]):
                environment = {"SLURM_ARRAY_TASK_ID": "", "JOB_COMPLETION_INDEX": ""}
                self.refused(2, *arguments, says=says, env=environment)
        self.assertEqual(self.files(), ["photo.png"])

    def test_isa_of_the_environment(self):
        self.refused(
            1, "run", "-m", MODEL, self.photo(), "-o", self.folder / "o", env={"LEMORE_ISA": "mmx"}, says="LEMORE_ISA"
        )
        for isa in supported_isas():
            self.assertEqual(self.ok("info", MODEL, "--json", env={"LEMORE_ISA": isa}).json["isa"], isa)
            self.assertEqual(self.ok("info", MODEL, "--json", "--isa", isa).json["isa"], isa)

    def test_missing_and_damaged_models(self):
        photo, out = self.photo(), self.folder / "o"
        self.refused(1, "run", "-m", self.folder / "none.safetensors", photo, "-o", out, says="none.safetensors")
        cut = self.folder / "cut.safetensors"
        cut.write_bytes(Path(MODEL).read_bytes()[:5000])
        for arguments in (
            ["run", "-m", cut, photo, "-o", out],
            ["info", cut],
            ["compare", "-m", cut, "--reference", cut],
        ):
            self.refused(1, *arguments, says="cut.safetensors")
        self.refused(1, "info", self.folder, says=self.folder.name)

    def test_stdout_that_is_full_or_closed(self):
        for arguments in (
            ["--version"],
            ["--help"],
            ["info", MODEL],
            ["info", MODEL, "--json"],
            ["run", "-m", MODEL, self.photo(), "-o", "-", "--emit", "labels"],
        ):
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

    def test_streams_that_are_closed_from_the_start(self):
        """No file gets the number of a closed stream, and using one is an error."""
        photo, calm, out = self.photo(), self.folder / "calm", self.folder / "out"
        run = ["run", "-m", MODEL, photo, "--emit", "labels,overlay,json", "--manifest", self.folder / "m.jsonl"]
        self.ok(*run, "-o", calm)
        for closed in ([0], [1], [2], [0, 1], [0, 1, 2]):
            result = lemore(*run, "-o", out, "--progress", "plain", prepare=lambda: [os.close(fd) for fd in closed])
            self.assertEqual(result.code, 0, (closed, result.err))
            for kind in (".labels.png", ".overlay.png"):
                self.assertEqual(
                    Path(str(out) + kind).read_bytes(), Path(str(calm) + kind).read_bytes(), (closed, kind)
                )
            json.loads(Path(str(out) + ".json").read_text())
            json.loads((self.folder / "m.jsonl").read_text())
        for closed, arguments in ((1, ["info", MODEL]), (1, ["run", "-m", MODEL, photo, "-o", "-", "--emit", "labels"]),
                                  (0, ["run", "-m", MODEL, "-", "-o", out])):  # fmt: skip
            result = lemore(*arguments, prepare=lambda: os.close(closed))
            self.assertEqual(result.code, 1, arguments)
            self.assertIn("Bad file descriptor", result.err)


class Outputs(Case):
    def test_every_kind(self):
        photo = self.photo(width=60, height=40)
        pixels = Png(photo).rows()
        self.ok(
            "run",
            "-m",
            THREE_STAGES,
            photo,
            "-o",
            self.folder / "x.png",
            "--emit",
            "labels,overlay,color,confidence,json,npy",
            "--opacity",
            "0.25",
            "--palette",
            "dataset",
        )
        self.assertEqual(
            self.files(),
            sorted(
                [
                    "photo.png",
                    "x.labels.png",
                    "x.overlay.png",
                    "x.color.png",
                    "x.confidence.png",
                    "x.json",
                    "x.logits.npy",
                ]
            ),
        )
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
        expected = bytes(
            (p * 192 + palette[l][i % 3] * 64 + 128) >> 8
            for row, label_row in zip(pixels, labels.rows())
            for i, (p, l) in enumerate(zip(row, (l for l in label_row for _ in range(3))))
        )
        self.assertEqual(b"".join(Png(self.folder / "x.overlay.png").rows()), expected)
        confidence = Png(self.folder / "x.confidence.png")
        self.assertEqual((confidence.width, confidence.height, confidence.color_type), (60, 40, 0))
        self.assertGreaterEqual(min(b"".join(confidence.rows())), 13)  # the best of 19 classes has 1/19 or more

        info = json.loads((self.folder / "x.json").read_text())
        self.assertEqual(
            info["image"],
            {"file": str(photo), "format": "PNG", "bytes": photo.stat().st_size, "width": 60, "height": 40},
        )
        self.assertEqual([c["pixels"] for c in info["classes"]], [flat.count(i) for i in range(19)])
        self.assertAlmostEqual(sum(c["share"] for c in info["classes"]), 1)
        self.assertEqual(set(info["times_ms"]), {"decode", "prepare", "network", "labels", "encode"})
        self.assertEqual(
            (info["mode"], info["model"]["file"], info["model"]["bytes"]),
            ("whole", THREE_STAGES, os.path.getsize(THREE_STAGES)),
        )

    def test_names(self):
        photo = self.photo("a.b.png")
        for out, emit, expected in [
            ("exact", "labels", ["exact"]),
            ("exact.bin", "json", ["exact.bin"]),
            ("new/deep/f.png", "color", ["new/deep/f.png"]),
            ("two.png", "labels,json", ["two.json", "two.labels.png"]),
            ("frame.0001", "labels,json", ["frame.0001.json", "frame.0001.labels.png"]),
            ("frame.0002", "labels,json", ["frame.0002.json", "frame.0002.labels.png"]),
            ("j.jpg", "overlay", ["j.jpg"]),
            ("k.jpg", "labels,color", ["k.color.jpg", "k.labels.png"]),
            ("d/", "labels", ["d/a.b.labels.png"]),
            ("e/", "npy", ["e/a.b.logits.npy"]),
        ]:
            before = set(self.files())
            self.ok(
                "run",
                "-m",
                MODEL,
                photo,
                "-o",
                str(self.folder / out) + ("/" if out.endswith("/") else ""),
                "--emit",
                emit,
            )
            self.assertEqual(sorted(set(self.files()) - before), expected)
        for name in ("j.jpg", "k.color.jpg"):
            self.assertEqual((self.folder / name).read_bytes()[:3], b"\xff\xd8\xff", name)
        for out, emit, says in [
            ("l.jpg", "labels", "PNG"),
            ("l.jpg", "confidence", "PNG"),
            ("l.png", "json", "JSON"),
            ("l.webp", "overlay", "PNG or JPEG"),
            ("l.tif", "labels,overlay", "PNG or JPEG"),
            ("l.json", "labels", "PNG"),
            ("l.npy", "json", "JSON"),
        ]:
            self.refused(2, "run", "-m", MODEL, photo, "-o", self.folder / out, "--emit", emit, says=[out, says])
        self.ok("run", "-m", MODEL, photo, "-o", self.folder)  # an existing folder; the default kinds
        self.assertTrue({"a.b.labels.png", "a.b.overlay.png"} <= set(self.files()))

    def test_only_and_legend(self):
        photo = self.photo(width=60, height=40)
        for only in ("class 0,CLASS 2", "class 2,class 0"):
            self.ok(
                "run",
                "-m",
                MODEL,
                photo,
                "-o",
                self.folder / "x",
                "--emit",
                "labels,color,overlay",
                "--only",
                only,
                "--opacity",
                "1",
                "--palette",
                "dataset",
            )
            labels = b"".join(Png(self.folder / "x.labels.png").rows())
            palette = Png(self.folder / "x.labels.png").palette
            self.assertTrue(set(labels) - {0, 2}, "labels keep all classes")
            color = b"".join(Png(self.folder / "x.color.png").rows())
            self.assertEqual(color, b"".join(bytes(palette[l]) if l in (0, 2) else b"\0\0\0" for l in labels))
            overlay, source = b"".join(Png(self.folder / "x.overlay.png").rows()), b"".join(Png(photo).rows())
            for i, label in enumerate(labels):
                self.assertEqual(
                    overlay[3 * i : 3 * i + 3], bytes(palette[label]) if label in (0, 2) else source[3 * i : 3 * i + 3]
                )
        self.ok("run", "-m", MODEL, photo, "-o", self.folder / "l.png", "--emit", "overlay", "--legend")
        legend = Png(self.folder / "l.png")
        self.assertGreater(legend.height, 40)

    def test_pipes(self):
        photo = self.photo()
        self.ok("run", "-m", MODEL, photo, "-o", self.folder / "x", "--emit", "labels,overlay,npy")
        for kind, name in (("labels", "x.labels.png"), ("overlay", "x.overlay.png"), ("npy", "x.logits.npy")):
            expected = (self.folder / name).read_bytes()
            self.assertEqual(
                self.ok("run", "-m", MODEL, "-", "-o", "-", "--emit", kind, stdin=photo.read_bytes()).out, expected
            )
            self.assertEqual(self.ok("run", "-m", MODEL, photo, "-o", "-", "--emit", kind).out, expected)
        self.ok("run", "-m", MODEL, "-", "-o", str(self.folder) + "/", "--emit", "labels", stdin=photo.read_bytes())
        self.assertIn("stdin.labels.png", self.files())
        self.refused(1, "run", "-m", MODEL, "-", "-o", "-", "--emit", "labels", stdin=b"", says="standard input")
        self.refused(
            1, "run", "-m", MODEL, "-", "-o", "-", "--emit", "labels", stdin=photo.read_bytes()[:-30], says="cut short"
        )

    def test_modes_threads_and_isas_agree(self):
        photo = self.photo(width=150, height=90)
        for mode in (
            ["--mode", "whole"],
            ["--mode", "native"],
            ["--mode", "slide"],
            ["--mode", "slide", "--stride", "20x31"],
        ):
            for isa in supported_isas():
                seen = {
                    self.ok(
                        "run", "-m", MODEL, photo, "-o", "-", "--emit", "confidence", *mode, "--isa", isa, "-t", t
                    ).out
                    for t in (1, 2, 3)
                }
                self.assertEqual(len(seen), 1, (mode, isa))
        labels = ["run", "-m", MODEL, photo, "-o", "-", "--emit", "labels", "--mode"]
        self.assertEqual(self.ok(*labels, "keep").out, self.ok(*labels, "native").out, "the old name of native")
        tiny = self.photo("tiny.png", width=5, height=3)
        self.ok("run", "-m", MODEL, tiny, "-o", self.folder / "t.png", "--emit", "labels")
        self.refused(
            1,
            "run",
            "-m",
            MODEL,
            tiny,
            "-o",
            self.folder / "u.png",
            "--emit",
            "labels",
            "--mode",
            "native",
            says="tiny.png",
        )

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
        write_png(f / "bits.png", 8, 1, [b"\xa5"], color_type=0, depth=1)
        write_png(
            f / "pal.png",
            2,
            2,
            [b"\0\1", b"\1\0"],
            color_type=3,
            extra=png_chunk(b"PLTE", bytes((9, 8, 7, 100, 50, 25))),
        )
        write_png(f / "rgba.png", 2, 1, [bytes((1, 2, 3, 0, 200, 100, 50, 255))], color_type=6)
        write_png(f / "la.png", 2, 1, [bytes((7, 0, 90, 255))], color_type=4)
        (f / "p.ppm").write_bytes(b"P6 2 1 255\n" + bytes((1, 2, 3, 4, 5, 6)))
        expected = {
            "gray16": bytes(v for g in (0, 0, 128, 255) for v in (g,) * 3),
            "bits": bytes(255 if b == "1" else 0 for b in "10100101" for _ in range(3)),
            "pal": bytes((9, 8, 7, 100, 50, 25)),
            "rgba": bytes((1, 2, 3, 200, 100, 50)),
            "la": bytes((7, 7, 7, 90, 90, 90)),
            "p": bytes((1, 2, 3, 4, 5, 6)),
        }
        for path in list(f.iterdir()):
            overlay = Png(self.ok("run", "-m", MODEL, path, "-o", "-", "--emit", "overlay", "--opacity", "0").out)
            self.assertEqual(overlay.row(0), expected[path.stem], path.name)


class Protocol(Case):
    """A model is run as its authors test it: here in windows over an image that is resized before."""

    def setUp(self):
        super().setUp()
        header, body = read_safetensors(GOLDEN / "segformer" / "mmseg.model.safetensors")
        metadata = header["__metadata__"]
        self.height, self.width = json.loads(metadata["config"])["input_size"]
        preprocessing = json.loads(metadata["preprocessing"])
        preprocessing.update(
            resize="opencv",
            size_rule="fit",
            fit=[200, 100],
            mode="slide",
            label_map="two_step",
            window=[self.height, self.width],
            stride=[30, 31],
        )
        metadata["preprocessing"] = json.dumps(preprocessing)
        self.model = self.folder / "windows.safetensors"
        write_safetensors(self.model, header, body)

    def test_info_tells_it(self):
        told = self.ok("info", self.model, "--json").json
        self.assertEqual(told["min_side"], 25)
        for key, value in {
            "resize": "opencv",
            "size_rule": "fit",
            "fit": [200, 100],
            "divisor": 1,
            "mode": "slide",
            "window": [self.height, self.width],
            "stride": [30, 31],
            "label_map": "two_step",
        }.items():
            self.assertEqual(told["preprocessing"][key], value, key)
        text = self.ok("info", self.model).text
        self.assertIn(
            f"opencv to fit 200 x 100, windows of {self.height}x{self.width} every 30x31; label map two_step", text
        )
        plain = self.ok("info", MODEL, "--json").json["preprocessing"]
        self.assertEqual(
            [plain[key] for key in ("size_rule", "fit", "divisor", "mode", "window", "stride")],
            ["exact", None, 1, "whole", None, None],
        )

    def test_run_and_eval_follow_it(self):
        photo = self.photo(width=150, height=90)
        labels = ["run", "-m", self.model, photo, "-o", "-", "--emit", "labels"]
        default = self.ok(*labels).out
        self.assertEqual(default, self.ok(*labels, "--mode", "slide", "--stride", "30x31").out)
        self.assertNotEqual(default, self.ok(*labels, "--mode", "whole").out)
        self.ok("run", "-m", self.model, photo, "-o", self.folder / "photo.json", "--emit", "json")
        self.assertEqual(json.loads((self.folder / "photo.json").read_text())["mode"], "slide")
        self.refused(2, "run", "-m", self.model, photo, "-o", self.folder / "o", "--emit", "npy", says="--mode whole")
        (self.folder / "images").mkdir()
        (self.folder / "labels").mkdir()
        photo.rename(self.folder / "images" / "photo.png")
        # What `run` predicts, as the truth: every pixel is a hit.
        (self.folder / "labels" / "photo.png").write_bytes(default)
        header, body = read_safetensors(self.model)
        names = json.loads(header["__metadata__"]["labels"])
        names["annotation_offset"] = 0
        header["__metadata__"]["labels"] = json.dumps(names)
        write_safetensors(self.model, header, body)
        result = self.ok(
            "eval", "-m", self.model, "--images", self.folder / "images", "--labels", self.folder / "labels", "--json"
        ).json
        self.assertEqual(
            (result["pixel_accuracy"], result["source"]["mode"], result["source"]["stride"]), (1, "slide", [30, 31])
        )


class InfoAndCompare(Case):
    def test_info(self):
        for name in GOLDEN_NAMES:
            model = GOLDEN / (name + ".model.safetensors")
            info = self.ok("info", model, "--json", "--layers").json
            for key in (
                "parameters",
                "macs",
                "arena_bytes",
                "weight_bytes",
                "classes",
                "preprocessing",
                "provenance",
                "config",
            ):
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
                    result = self.ok(
                        "compare",
                        "-m",
                        GOLDEN / (name + ".model.safetensors"),
                        "--reference",
                        GOLDEN / (name + ".dump.safetensors"),
                        "--isa",
                        isa,
                        "-t",
                        threads,
                        "--rtol",
                        "1e-5",
                        "--json",
                    ).json
                    self.assertTrue(result["passed"])
                    self.assertEqual((result["isa"], result["threads"], result["label_agreement"]), (isa, threads, 1))
                    self.assertEqual(result["stages"][-1]["name"], "output")
            free = self.ok(
                "compare",
                "-m",
                GOLDEN / (name + ".model.safetensors"),
                "--reference",
                GOLDEN / (name + ".dump.safetensors"),
                "--free-running",
                "--json",
            ).json
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
                damaged[place : place + 4] = struct.pack(
                    "<f", struct.unpack("<f", body[place : place + 4])[0] - 0.01 * largest
                )
                path = self.folder / "damaged.safetensors"
                write_safetensors(path, header, damaged)
                damaged[place : place + 4] = body[place : place + 4]
                result = lemore("compare", "-m", MODEL, "--reference", path, "--json")
                self.assertEqual(result.code, 1, name)
                failed = [s["name"] for s in result.json["stages"] if not s["passed"]]
                self.assertIn(name.replace("out.", ""), failed)
                self.assertEqual(result.json["first_failed"], failed[0])
                if name == "out.head.fuse":
                    text = lemore("compare", "-m", MODEL, "--reference", path)
                    self.assertEqual(text.code, 1)
                    self.assertIn("the first tensor that differs: head.fuse", text.text)
        # A wrong value that is not a number must not hide in a maximum.
        first = header["out.stem"]["data_offsets"][0]
        damaged = bytearray(body)
        damaged[first : first + 4] = struct.pack("<f", float("nan"))
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

        refused(rename("out.stem", "out.step"), ["`out.step`", "did you mean stem?"])
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
            self.skipTest("LEMORE_TEST_DATA names no folder with data")

    def test_malformed_files(self):
        for entry in json.loads((SHARED / "bad/manifest.json").read_text()):
            path, expect = SHARED / "bad" / entry["file"], entry["expect"]
            is_image = entry["file"].startswith("images/")
            out = self.folder / "out.png"
            result = (
                lemore("run", "-m", MODEL, path, "-o", out, "--emit", "labels") if is_image else lemore("info", path)
            )
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
                missing = {".webp": "libwebp", ".tif": "libtiff", ".tiff": "libtiff"}.get(path.suffix)
                if path.suffix == ".gif":
                    self.assertEqual((result.code, "GIF is not supported" in result.err), (1, True))
                elif missing and "was built without %s" % missing in result.err:
                    self.assertEqual(result.code, 1)
                else:
                    self.assertEqual((result.code, result.err), (0, ""))

    def test_orientations(self):
        """Opacity 0 gives the photograph itself: upright, it is its twin up to JPEG's noise."""
        for name in ("Landscape", "Portrait"):
            twin = Png(
                self.ok(
                    "run",
                    "-m",
                    MODEL,
                    SHARED / ("photos/exif/%s_1.jpg" % name),
                    "-o",
                    "-",
                    "--emit",
                    "overlay",
                    "--opacity",
                    "0",
                ).out
            )
            for orientation in range(2, 9):
                turned = Png(
                    self.ok(
                        "run",
                        "-m",
                        MODEL,
                        SHARED / ("photos/exif/%s_%d.jpg" % (name, orientation)),
                        "-o",
                        "-",
                        "--emit",
                        "overlay",
                        "--opacity",
                        "0",
                    ).out
                )
                self.assertEqual((turned.width, turned.height), (twin.width, twin.height))
                differences = []
                for y in range(100, twin.height, 300):  # the number written in the middle differs
                    a, b = turned.row(y), twin.row(y)
                    differences += [abs(p - q) for p, q in zip(a[:600], b[:600])]
                self.assertLess(sum(differences) / len(differences), 8, (name, orientation))


if __name__ == "__main__":
    main()
