#!/usr/bin/env python3
"""What lemore reads, as a user sees it: warnings, WebP and TIFF, streams of video that are cut short.

decode_end_to_end.py LEMORE SOURCE_DIR. Standard library only; the small pictures are seeds of the fuzz targets.
"""

import json

from harness import MODEL, SOURCE, Case, Png, lemore, main

SEEDS = SOURCE / "tests/fuzz/corpus/image"


class Images(Case):
    def shown(self, path):
        """The photograph as lemore has read it, and its result."""
        result = lemore("run", "-m", MODEL, path, "-o", "-", "--emit", "overlay", "--opacity", "0")
        self.assertEqual(result.code, 0, result.err)
        return Png(result.out).rows(), result.err

    def test_a_warning_reaches_the_terminal_the_manifest_and_the_json(self):
        path = SEEDS / "jpeg_without_end.jpg"
        text = "the JPEG lacks its end marker; all pixels are there"
        result = lemore("run", "-m", MODEL, path, "-o", self.folder / "out", "--emit", "json,labels",
                        "--manifest", self.folder / "m.jsonl")  # fmt: skip
        self.assertEqual(result.code, 0)
        self.assertIn("lemore: %s: warning: %s\n" % (path, text), result.err)
        self.assertEqual(json.loads((self.folder / "m.jsonl").read_text())["warning"], text)
        image = json.loads(next(self.folder.rglob("*.json")).read_text())["image"]
        self.assertEqual(image["warning"], text)
        # A byte less, and pixels are missing.
        cut = self.folder / "cut.jpg"
        cut.write_bytes(path.read_bytes()[:-1])
        self.refused(1, "run", "-m", MODEL, cut, "-o", self.folder / "x.png", "--emit", "labels", says="damaged JPEG")

    def test_webp_and_tiff(self):
        found = sorted([*SEEDS.glob("*.webp"), *SEEDS.glob("*.tif")])
        self.assertEqual(len(found), 14)
        for path in found:
            probe = lemore("run", "-m", MODEL, path, "-o", self.folder / "x.png", "--emit", "labels")
            with self.subTest(file=path.name):
                if "was built without lib" in probe.err:
                    self.assertEqual(probe.code, 1)
                    continue
                rows, err = self.shown(path)
                self.assertEqual((len(rows), len(rows[0])), (14, 27) if "exif" in path.name else (9, 42))
                warning = {"webp_animation.webp": "animation", "tiff_pages.tif": "more than one page"}.get(path.name)
                self.assertEqual(err.count(": warning: "), 1 if warning else 0, err)
                self.assertIn(warning or "", err)
                if path.name == "webp_lossless.webp":  # the gradient it was made from
                    self.assertEqual(rows[3][:6], bytes([60, 100, 150, 69, 109, 159]))
        cut = self.folder / "cut.tif"
        cut.write_bytes((SEEDS / "tiff_rgb.tif").read_bytes()[:-40])
        self.refused(1, "run", "-m", MODEL, cut, "-o", self.folder / "x.png", "--emit", "labels", says="TIFF")


class Video(Case):
    RUN = ["run", "-m", MODEL, "--frames"]

    def test_streams_cut_short(self):
        head, frame = b"YUV4MPEG2 W4 H2 C444\n", b"FRAME\n" + bytes(range(24))
        for stream in (head + frame, head + frame * 2):
            self.assertEqual(lemore(*self.RUN, "y4m", "-", stdin=stream).code, 0)
        for size in range(len(head + frame)):
            result = lemore(*self.RUN, "y4m", "-", stdin=(head + frame)[:size])
            if size == len(head):
                self.assertEqual(result.code, 0)  # a whole stream of no frames
                continue
            self.assertEqual((result.code, result.err.count("\n")), (1, 1), (size, result.err))
            self.assertIn("standard input", result.err)
        self.refused(1, *self.RUN, "raw:4x2:rgb24", "-", stdin=b"", says="is empty")
        self.refused(1, *self.RUN, "raw:4x2:rgb24", "-", stdin=bytes(23), says="frame 0 has 23 bytes, expected 24")

    def test_colorspace(self):
        """HD is BT.709 unless it is named: the same stream painted with the other matrix differs."""

        def painted(height, *arguments):
            stream = b"YUV4MPEG2 W2 H%d C444\nFRAME\n" % height + bytes([90]) * (6 * height)
            result = lemore(*self.RUN, "y4m", "-", "--opacity", "1", *arguments, stdin=stream)
            self.assertEqual(result.code, 0, result.err)
            return result.out

        self.assertEqual(painted(720), painted(720, "--colorspace", "bt709"))
        self.assertNotEqual(painted(720), painted(720, "--colorspace", "bt601"))
        self.assertEqual(painted(719), painted(719, "--colorspace", "bt601"))
        self.assertNotEqual(painted(719), painted(719, "--colorspace", "bt709"))
        self.refused(2, *self.RUN, "y4m", "-", "--colorspace", "bt2020", stdin=b"", says="--colorspace")
        self.refused(2, *self.RUN, "raw:4x2:rgb24", "-", "--colorspace", "bt709", stdin=b"", says="--colorspace")
        self.refused(
            2, "run", "-m", MODEL, self.photo(), "-o", self.folder / "x", "--colorspace", "bt709", says="--frames"
        )


if __name__ == "__main__":
    main()
