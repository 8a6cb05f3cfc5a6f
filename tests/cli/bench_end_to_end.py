#!/usr/bin/env python3
"""lemore bench as a user calls it: bench_end_to_end.py LEMORE SOURCE_DIR [unittest options]. Standard library only."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LEMORE, SOURCE = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
GOLDEN = SOURCE / "tests/golden"
MODEL = str(GOLDEN / "rect.model.safetensors")  # 40x72, 4 classes
CLASSIFIER = str(GOLDEN / "classifier.model.safetensors")
PHOTO = str(SOURCE / "docs/images/leuven-card.jpg")
QUICK = {"--runs": "5", "--warmup": "1", "-t": "1"}


def lemore(*arguments, env=None, stdout=subprocess.PIPE):
    return subprocess.run(
        [LEMORE, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )


def quick(arguments=()):
    """QUICK without what the arguments set themselves."""
    return [word for option, value in QUICK.items() if option not in arguments for word in (option, value)]


class Bench(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="lemore-bench-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def ok(self, *arguments, **how):
        result = lemore("bench", "-m", MODEL, *quick(arguments), *arguments, **how)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def json(self, *arguments, **how):
        return json.loads(self.ok(*arguments, "--json", **how))

    def refused(self, code, *arguments, says, **how):
        result = lemore("bench", *arguments, **how)
        self.assertEqual((result.returncode, result.stdout), (code, ""), arguments)
        self.assertTrue(result.stderr.startswith("lemore: ") and result.stderr.count("\n") == 1, result.stderr)
        self.assertIn(str(says), result.stderr)

    def info(self, *arguments):
        return json.loads(lemore("info", MODEL, "-t", "1", "--layers", "--json", *arguments).stdout)

    def check_totals(self, b):
        self.assertTrue(0 < b["min_ms"] <= b["median_ms"] <= b["p95_ms"], b)
        self.assertAlmostEqual(b["gflops"], 2 * b["macs"] / b["median_ms"] / 1e6, delta=1e-9 * b["gflops"])
        self.assertAlmostEqual(b["peak_fraction"], b["gflops"] / b["peak_gflops"], delta=1e-9)
        self.assertGreater(b["load_ms"], 0)
        self.assertGreater(b["session_ms"], 0)
        # A lone run's parts make up that run; medians of a few runs only about.
        self.assertLess(sum(b["phases_ms"].values()), 2 * b["p95_ms"])

    def test_what_info_says_and_bench_measures(self):
        for size in ([], ["--size", "64x96"]):
            info, b = self.info(*size), self.json(*size)
            self.check_totals(b)
            for key in ("size", "macs", "arena_bytes", "weight_bytes", "isa", "threads"):
                self.assertEqual(b[key], info[key], key)
            self.assertEqual((b["output"], b["runs"], b["warmup"]), ("logits", 5, 1))
            self.assertEqual(list(b["phases_ms"]), ["prepare", "network"])
            self.assertNotIn("layers", b)

    def test_outputs(self):
        labels = self.json("--output", "labels")
        self.check_totals(labels)
        self.assertEqual(list(labels["phases_ms"]), ["prepare", "network", "label_map"])
        steps = ["decode", "prepare", "network", "label_map", "encode"]
        drawn = self.json("--output", "image")
        self.check_totals(drawn)
        self.assertEqual(list(drawn["phases_ms"]), steps)
        self.assertEqual((drawn["image"]["file"], drawn["image"]["height"], drawn["image"]["width"]), (None, 40, 72))
        photo = self.json("--output", "image", PHOTO)
        self.check_totals(photo)
        self.assertEqual(list(photo["phases_ms"]), steps)
        self.assertEqual(photo["image"], {"file": PHOTO, "bytes": os.path.getsize(PHOTO), "height": 281, "width": 1134})
        self.assertGreater(photo["phases_ms"]["decode"], drawn["phases_ms"]["decode"])  # 110 times the pixels

    def test_a_warning_about_the_image(self):
        path = SOURCE / "tests/fuzz/corpus/image/jpeg_without_end.jpg"
        result = lemore("bench", "-m", MODEL, *quick(), "--output", "image", path)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(
            result.stderr, "lemore: %s: warning: the JPEG lacks its end marker; all pixels are there\n" % path
        )

    def test_layers(self):
        info, b = self.info(), self.json("--layers", "--runs", "20")
        self.assertEqual(
            [(s["name"], s["op"], s["output"], s["macs"], s["counted"]) for s in info["layers"]],
            [(s["name"], s["op"], s["output"], s["macs"], s["counted"]) for s in b["layers"]],
        )
        for layer in b["layers"]:
            self.assertGreater(layer["median_ms"], 0, layer)
            self.assertAlmostEqual(layer["share"], layer["median_ms"] / b["median_ms"], delta=1e-9)
            self.assertAlmostEqual(
                layer["gflops"], 2 * layer["macs"] / layer["median_ms"] / 1e6, delta=1e-9 * (1 + layer["gflops"])
            )
        self.assertLess(sum(layer["share"] for layer in b["layers"]), 2)
        table = self.ok("--layers", "--output", "labels").split("\n\n")[1].splitlines()
        self.assertIn("GFLOP/s", table[0])
        names = [line.split()[0] for line in table[1:]]
        self.assertEqual(names, ["prepare"] + [s["name"] for s in info["layers"]] + ["label_map"])

    def test_isa_and_threads(self):
        chosen = [line for line in lemore("--version").stdout.splitlines() if line.startswith("ISAs of this CPU:")][0]
        peaks = {}
        for isa in chosen.split(":")[1].split():
            b = self.json("--isa", isa)
            self.assertEqual(b["isa"], isa)
            self.assertEqual(self.json(env={"LEMORE_ISA": isa})["isa"], isa)
            self.assertIn(", %s, 1 thread\n" % isa, self.ok("--isa", isa))
            peaks[isa] = b["peak_gflops"]
        if "avx2" in peaks:  # twice the width, and fused
            self.assertGreater(peaks["avx2"], 1.2 * peaks["portable"])
        self.assertEqual(self.json("-t", "2")["threads"], 2)

    def test_a_classifier_has_logits_only(self):
        result = lemore("bench", "-m", CLASSIFIER, *quick(), "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.check_totals(json.loads(result.stdout))
        for output in ("labels", "image"):
            self.refused(2, "-m", CLASSIFIER, "--output", output, says="classifier")

    def test_usage_errors(self):
        model = ["-m", MODEL]
        for arguments, says in [
            ([], "--model"),
            (model + ["--nonsense"], "--nonsense"),
            (model + ["--size", "0x5"], "--size"),
            (model + ["--size", "64x"], "--size"),
            (model + ["--output", "masks"], "--output"),
            (model + ["--runs", "0"], "--runs"),
            (model + ["--runs", "many"], "--runs"),
            (model + ["--warmup", "-1"], "--warmup"),
            (model + ["-t", "-1"], "--threads"),
            (model + ["--isa", "mmx"], "--isa"),
            (model + [PHOTO], "--output image"),
            (model + ["--output", "labels", PHOTO], "--output image"),
            (model + ["--output", "image", PHOTO, PHOTO], PHOTO),
        ]:
            with self.subTest(arguments=arguments):
                self.refused(2, *arguments, says=says)
        self.refused(1, *model, says="LEMORE_ISA", env={"LEMORE_ISA": "mmx"})

    def test_files_that_do_not_do(self):
        self.refused(1, "-m", self.folder / "none.safetensors", says="none.safetensors")
        self.refused(1, "-m", MODEL, "--size", "16x16", says="16x16")
        for name, content in (
            ("empty.png", b""),
            ("text.jpg", b"not an image"),
            ("cut.jpg", Path(PHOTO).read_bytes()[:9000]),
        ):
            path = self.folder / name
            path.write_bytes(content)
            self.refused(1, "-m", MODEL, "--output", "image", path, says=path)
        self.refused(1, "-m", MODEL, "--output", "image", self.folder / "none.png", says="none.png")

    def test_help_and_a_full_disk(self):
        text = lemore("bench", "--help").stdout
        self.assertIn("Examples:", text)
        self.assertIn("bench", lemore("--help").stdout)
        with open("/dev/full", "w") as full:
            for arguments in ([], ["--json"]):
                result = lemore("bench", "-m", MODEL, *quick(), *arguments, stdout=full)
                self.assertEqual(result.returncode, 1)
                self.assertIn("No space left", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:], verbosity=1)
