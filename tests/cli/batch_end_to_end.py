#!/usr/bin/env python3
"""Folders, streams and long runs: failures on the way, full disks, kills and --resume, floods, memory.

batch_end_to_end.py LEMORE SOURCE_DIR [unittest options]. Standard library only; draws its own images.
"""

import hashlib
import json
import os
import pty
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness import LEMORE, MODEL, THREE_STAGES, CLASSIFIER, SANITIZED, lemore, write_png, Case, main


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

    def test_equal_names_get_outputs_of_their_own(self):
        f = self.folder
        for name in ("a/x.png", "b/x.png", "c/y.png"):
            self.photo(name)
        shutil.copy(f / "c/y.png", f / "c/y.jpg")
        run = ["run", "-m", MODEL]
        self.ok(*run, f / "c", "-o", f / "endings", "--emit", "labels")
        self.assertEqual(self.files(f / "endings"), ["y.jpg.labels.png", "y.png.labels.png"])
        (f / "list.txt").write_text("\ufeffa/x.png\nb/x.png\nc/y.png\n")
        self.ok(*run, "@list.txt", "-o", "folders", "--emit", "labels", cwd=f)
        self.assertEqual(self.files(f / "folders"), ["a/x.labels.png", "b/x.labels.png", "y.labels.png"])
        # A shard, and a run that goes on, use the same names.
        self.ok(*run, "@list.txt", "-o", "shard", "--emit", "labels", "--shard", "1/3", cwd=f)
        self.assertEqual(self.files(f / "shard"), ["b/x.labels.png"])
        again = self.ok(*run, "@list.txt", "-o", "folders", "--emit", "labels", "--resume", "--json", cwd=f)
        self.assertEqual((again.json["images"], again.json["skipped"]), (0, 3))
        twice = lemore(*run, f / "a/x.png", f / "b/../a/x.png", "-o", f / "once", "--emit", "labels")
        self.assertEqual((twice.code, twice.err.count("\n")), (0, 1))
        self.assertIn("named more than once", twice.err)
        self.assertEqual(self.files(f / "once"), ["x.labels.png"])

    def test_outputs_that_are_inputs_are_refused_before_starting(self):
        f = self.folder
        for name in ("a/x.png", "b/x.png"):
            self.photo(name)
        run = ["run", "-m", MODEL]
        self.refused(2, *run, f / "a/x.png", "-o", f / "a/x.png", "--emit", "labels", says="input and an output")
        os.link(f / "a/x.png", f / "hard.png")
        self.refused(2, *run, f / "a/x.png", "-o", f / "hard.png", "--emit", "labels", says="hard.png")
        os.symlink("a/x.png", f / "soft.png")
        self.refused(2, *run, f / "a/x.png", "-o", f / "soft.png", "--emit", "labels", says="soft.png")
        shutil.copy(MODEL, f / "m.safetensors")
        self.refused(
            2,
            "run",
            "-m",
            f / "m.safetensors",
            f / "a/x.png",
            "-o",
            f / "m.safetensors",
            "--emit",
            "json",
            says="model",
        )
        self.refused(2, *run, f / "a/x.png", "-o", f / "out", "--manifest", f / "a/x.png", says="--manifest")
        self.refused(2, *run, f / "a", f / "b/x.png", "-o", f / "hard.png", says="not a folder")
        self.assertFalse((f / "out").exists())
        self.assertEqual(
            hashlib.sha256((f / "m.safetensors").read_bytes()).digest(),
            hashlib.sha256(Path(MODEL).read_bytes()).digest(),
        )

    def test_failures(self):
        f = self.folder
        for i in range(6):
            self.photo("in/%d.png" % i, seed=i)
        whole = (f / "in/3.png").read_bytes()
        (f / "in/3.png").write_bytes(whole[: len(whole) // 2])
        result = self.refused(
            1,
            "run",
            "-m",
            MODEL,
            f / "in",
            "-o",
            f / "stop",
            "--emit",
            "labels",
            "--manifest",
            f / "stop.jsonl",
            says=["in/3.png", "cut short"],
        )
        lines = [json.loads(l) for l in (f / "stop.jsonl").read_text().splitlines()]
        self.assertEqual([l["status"] for l in lines], ["ok", "ok", "ok", "failed"])
        self.assertNotIn("3.labels.png", self.files(f / "stop"))

        result = lemore(
            "run",
            "-m",
            MODEL,
            f / "in",
            "-o",
            f / "go",
            "--emit",
            "labels",
            "--keep-going",
            "--json",
            "--manifest",
            f / "go.jsonl",
        )
        self.assertEqual(result.code, 3)
        self.assertEqual((result.json["images"], result.json["failed"]), (5, 1))
        self.assertEqual(self.files(f / "go"), ["%d.labels.png" % i for i in (0, 1, 2, 4, 5)])
        lines = [json.loads(l) for l in (f / "go.jsonl").read_text().splitlines()]
        self.assertEqual([Path(l["input"]).stem for l in lines], list("012345"))
        self.assertIn("cut short", lines[3]["error"])
        self.assertEqual(lines[4]["outputs"], [str(f / "go/4.labels.png")])

        (f / "in/3.png").write_bytes(whole)
        before = {n: (f / "go" / n).stat().st_mtime_ns for n in self.files(f / "go")}
        result = self.ok(
            "run",
            "-m",
            MODEL,
            f / "in",
            "-o",
            f / "go",
            "--emit",
            "labels",
            "--resume",
            "--json",
            "--manifest",
            f / "go.jsonl",
        )
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
        clean = {"SLURM_ARRAY_TASK_ID": "", "SLURM_PROCID": "", "JOB_COMPLETION_INDEX": ""}

        def array(task, first, last, count):
            names = ("ID", "MIN", "MAX", "COUNT", "STEP")
            return {"SLURM_ARRAY_TASK_" + n: str(v) for n, v in zip(names, (task, first, last, count, 1))}

        ways = {
            "zero": [(["--shard", "%d/3" % i], {}) for i in range(3)],
            "array": [(["--shard", "auto"], array(i, 1, 3, 3)) for i in (1, 2, 3)],
            "elsewhere": [(["--shard", "auto/3"], array(i, 4, 6, 3)) for i in (4, 5, 6)],
            "again": [
                (["--shard", "auto/3"], array(4, 4, 5, 2)),
                (["--shard", "auto/3"], array(5, 4, 5, 2)),
                (["--shard", "auto/3"], array(6, 6, 6, 1)),
            ],
            "srun": [(["--shard", "auto"], {"SLURM_PROCID": str(i), "SLURM_NTASKS": "3"}) for i in range(3)],
            "kube": [(["--shard", "auto/3"], {"JOB_COMPLETION_INDEX": str(i)}) for i in range(3)],
        }
        for name, parts in ways.items():
            counts = [
                self.ok(*run, "-o", f / name, *arguments, env={**clean, **env}).json["images"]
                for arguments, env in parts
            ]
            self.assertEqual((sorted(counts), self.files(f / name)), ([2, 2, 3], self.files(f / "whole")))
            for file in self.files(f / "whole"):
                self.assertEqual((f / name / file).read_bytes(), (f / "whole" / file).read_bytes())
        self.assertEqual(self.ok(*run, "-o", f / "none", "--shard", "8/9").json["images"], 0)
        self.refused(2, *run, "-o", f / "none", "--shard", "3/3", says="0/3 to 2/3")
        self.refused(2, *run, "-o", f / "none", "--shard", "auto", env={**clean, **array(3, 3, 3, 1)}, says="auto/N")

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
        self.refused(
            1,
            "run",
            "-m",
            MODEL,
            self.folder / "in",
            "-o",
            locked,
            "--emit",
            "labels",
            through=through,
            says=["locked", "Permission denied"],
        )
        self.refused(
            1,
            "run",
            "-m",
            MODEL,
            self.folder / "in/0.png",
            "-o",
            locked / "x.png",
            "--emit",
            "labels",
            through=through,
            says=["locked", "Permission denied"],
        )
        self.assertEqual(self.files(locked), [])

    def test_read_only_file_system(self):
        self.photos(2)
        small = self.small_file_system(64)
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        for out in (small, small / "x.png", small / "new/deep/"):
            self.refused(
                1,
                "run",
                "-m",
                MODEL,
                self.folder / "in/0.png",
                "-o",
                out,
                "--emit",
                "labels",
                says=["small", "Read-only file system"],
            )
        self.assertEqual(self.files(small), [])

    def test_full_disk(self):
        """Until it is full every output is whole; with more room --resume does the rest."""
        self.photos(12)
        f = self.folder
        run = ["run", "-m", MODEL, f / "in", "--emit", "overlay,labels"]
        self.ok(*run, "-o", f / "calm")
        small = self.small_file_system(48)  # twelve pages; each of the 24 files needs one or more
        result = self.refused(
            1, *run, "-o", small, says=["in/", "small/", ".png: cannot write: No space left on device"]
        )
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
        self.refused(
            1,
            *run,
            "-o",
            f / "out",
            prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
            says=["overlay.png", "File too large"],
        )
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

    def wait_until(self, child, condition):
        """Until it is so; a child that ends before that fails the test with what it said."""
        while not condition():
            if child.poll() is not None:
                self.fail("ended with %s: %s" % (child.returncode, child.stderr.read().decode()))
            time.sleep(0.002)

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
                while child.poll() is None and len(self.files(f / "rough") if (f / "rough").exists() else []) < 60 * (
                    attempt + 1
                ):
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
        self.many(2000)
        f = self.folder
        for number in (signal.SIGINT, signal.SIGTERM):
            out = f / ("out%d" % number)
            child = self.start(
                "run", "-m", MODEL, f / "in", "-o", out, "--emit", "labels,overlay", "--manifest", f / "m.jsonl"
            )
            self.wait_until(child, lambda: out.exists() and len(self.files(out)) >= 10)
            child.send_signal(number)
            err = child.communicate()[1].decode()
            self.assertEqual(child.returncode, -number)  # a shell sees 128 + number
            self.assertIn("interrupted after", err)
            names = self.files(out)
            self.assertEqual([n for n in names if ".part" in n], [])
            self.assertEqual(len(names), 2 * len((f / "m.jsonl").read_text().splitlines()))
            self.assertLess(len(names), 4000)

    def test_second_signal_leaves_no_part_file(self):
        self.many(300)
        f = self.folder
        child = self.start("run", "-m", MODEL, f / "in", "-o", f / "out", "--emit", "labels,overlay,npy")
        self.wait_until(child, lambda: (f / "out").exists() and len(self.files(f / "out")) >= 10)
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
        child.communicate()
        self.assertIn(child.returncode, (-signal.SIGTERM, -signal.SIGINT))
        self.assertEqual([n for n in self.files(f / "out") if ".part" in n], [])

    def test_waiting_ends_with_the_first_signal(self):
        """Whatever is waited for: input that never comes, or output that nobody takes."""
        f = self.folder
        photo = self.photo()
        large = self.photo("large.png", width=600, height=400)
        os.mkfifo(f / "in.png")
        os.mkfifo(f / "out.png")
        silent, kept = os.pipe()
        self.addCleanup(os.close, kept)
        self.addCleanup(os.close, silent)
        begun, feed = os.pipe()
        self.addCleanup(os.close, feed)
        self.addCleanup(os.close, begun)
        os.write(feed, photo.read_bytes()[:100])
        run = [LEMORE, "run", "-m", MODEL, "--emit", "overlay"]
        ways = {
            "standard input": (["-", "-o", f / "a.png"], silent, subprocess.DEVNULL),
            "standard input, begun": (["-", "-o", f / "b.png"], begun, subprocess.DEVNULL),
            "a named pipe": ([f / "in.png", photo, "-o", f / "c"], None, subprocess.DEVNULL),
            "a named pipe to write": ([photo, "-o", f / "out.png"], None, subprocess.DEVNULL),
            "standard output": ([large, "-o", "-"], None, subprocess.PIPE),
        }
        for number in (signal.SIGTERM, signal.SIGINT):
            for name, (arguments, stdin, stdout) in ways.items():
                with self.subTest(name, signal=number):
                    child = subprocess.Popen(
                        [*run, *map(str, arguments)],
                        stdin=stdin or subprocess.DEVNULL,
                        stdout=stdout,
                        stderr=subprocess.PIPE,
                    )
                    # It has caught the signals and waits when the kernel says so; a busy machine may take its time.
                    caught = lambda: any(
                        l.startswith("SigCgt:") and int(l.split()[1], 16) >> (number - 1) & 1
                        for l in Path("/proc/%d/status" % child.pid).read_text().splitlines()
                    )
                    self.wait_until(child, caught)
                    time.sleep(0.3)
                    child.send_signal(number)
                    start = time.time()
                    if stdout is subprocess.PIPE:
                        child.wait(timeout=60)
                    err = child.communicate(timeout=60)[1].decode()
                    self.assertEqual(child.returncode, -number, err)
                    self.assertIn("interrupted after 0 of", err)
                    self.assertLess(time.time() - start, 20)
        self.assertEqual([n for n in self.files() if ".part" in n], [])

    def test_pipes_and_devices_in_a_folder_are_passed_over(self):
        f = self.folder
        self.photo("in/a.png")
        os.mkfifo(f / "in/b.png")
        os.symlink("/dev/zero", f / "in/c.png")
        for where in (f / "in", f / "in/*.png"):
            result = lemore("run", "-m", MODEL, where, "-o", f / "out", "--emit", "labels")
            self.assertEqual(result.code, 0, result.err)
            self.assertEqual(result.err.count("passed over"), 2)
            self.assertIn("b.png: a named pipe", result.err)
        self.assertEqual(self.files(f / "out"), ["a.labels.png"])

    def test_part_files_of_live_processes_in_other_containers(self):
        self.many(300)
        f = self.folder
        apart = ("unshare", "--pid", "--fork", "--mount-proc")
        if subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
            self.skipTest("no right to make a PID namespace")
        child = self.start("run", "-m", MODEL, f / "in", "-o", f / "out", "--emit", "labels,overlay,json,confidence")
        x = self.photo("x.png")
        while child.poll() is None:
            result = lemore("run", "-m", MODEL, x, "-o", str(f / "out") + "/", "--emit", "labels", through=apart)
            self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual((child.returncode, child.communicate()[1]), (0, b""))
        self.assertEqual(len(self.files(f / "out")), 4 * 300 + 1)

    def test_goes_on_with_the_threads_there_are(self):
        self.many(20)
        f = self.folder
        f.chmod(0o755)
        (f / "out").mkdir()
        (f / "out").chmod(0o777)
        user = 60000 + os.getpid() % 5000  # with no other processes
        through = ("setpriv", "--reuid=%d" % user, "--clear-groups")
        if os.geteuid() != 0 or lemore("info", MODEL, through=through).code != 0:
            self.skipTest("not root: no way to run as a user without processes")
        calm = self.ok("run", "-m", MODEL, f / "in", "-o", f / "calm", "--emit", "labels")
        # The leak check at exit starts a process of its own, which the limit forbids.
        env = {"ASAN_OPTIONS": ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"]))}
        for most in (1, 2, 3, 4):
            limit = lambda: resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
            self.ok(
                "run",
                "-m",
                MODEL,
                f / "in",
                "-o",
                f / "out",
                "--emit",
                "labels",
                through=through,
                prepare=limit,
                env=env,
            )
            self.assertEqual(self.whole(f / "out", f / "calm"), self.files(f / "calm"))

    def test_memory_is_bounded_by_bytes(self):
        """Large images are not held by the half dozen."""
        f = self.folder
        (f / "in").mkdir()
        width, height = 3000, 2000
        write_png(f / "in/0.png", width, height, [bytes(3 * width)] * height)
        one = self.ok("run", "-m", MODEL, f / "in/0.png", "-o", f / "one.png", "--emit", "labels", "-t", 1)
        for i in range(1, 8):
            os.link(f / "in/0.png", f / ("in/%d.png" % i))
        few = self.ok("run", "-m", MODEL, f / "in", "-o", f / "few", "--emit", "labels", "-t", 1, "--memory", 40)
        self.assertEqual(len(self.files(f / "few")), 8)
        if not SANITIZED:
            image = width * height * 4 // 1024
            self.assertLess(few.peak_kb, one.peak_kb + image // 2, "eight images against one")
        self.refused(2, "run", "-m", MODEL, f / "in", "-o", f / "few", "--memory", 0, says="--memory")

    def test_model_is_replaced_under_a_running_process(self):
        self.many(200)
        f = self.folder
        shutil.copy(MODEL, f / "m.safetensors")
        child = self.start("run", "-m", f / "m.safetensors", f / "in", "-o", f / "out", "--emit", "labels", "--copy")
        self.wait_until(child, lambda: (f / "out").exists() and len(self.files(f / "out")) >= 5)
        (f / "m.safetensors").write_bytes(b"")
        self.assertEqual((child.communicate()[1], child.returncode), (b"", 0))
        self.assertEqual(len(self.files(f / "out")), 200)

    def test_resume_sees_what_is_out_of_date(self):
        f = self.folder
        for i in range(3):
            self.photo("in/%d.png" % i, seed=i)
        shutil.copy(MODEL, f / "m.safetensors")
        run = ["run", "-m", f / "m.safetensors", f / "in", "-o", f / "out", "--emit", "labels,overlay", "--resume"]
        manifest = ["--manifest", f / "m.jsonl"]

        def counts(*arguments, says=""):
            result = lemore(*run, *arguments, "--json")
            self.assertEqual(result.code, 0, result.err)
            self.assertEqual(result.err.count("\n"), 1 if says else 0, result.err)
            self.assertIn(says, result.err)
            return tuple(result.json[k] for k in ("images", "skipped", "again"))

        self.assertEqual(counts(*manifest), (3, 0, 0))
        self.assertEqual(counts(*manifest), (0, 3, 0))
        self.assertEqual(
            counts(*manifest, "--opacity", "0.25", says="3 of 3 images were made with other options"), (3, 0, 0)
        )
        self.assertEqual(counts(*manifest, "--opacity", "0.25"), (0, 3, 0))
        shutil.copy(THREE_STAGES, f / "m.safetensors")
        self.assertEqual(counts(*manifest, "--opacity", "0.25", says="made with another model"), (3, 0, 0))
        # A photograph that was replaced by an older one; without the manifest only a newer one can be told.
        self.photo("in/1.png", seed=9)
        os.utime(f / "in/1.png", (1e9, 1e9))
        self.assertEqual(counts("--opacity", "0.25"), (0, 3, 0))
        self.assertEqual(counts(*manifest, "--opacity", "0.25"), (1, 2, 1))
        os.utime(f / "in/1.png")
        self.assertEqual(counts("--opacity", "0.25"), (1, 2, 1))

    def test_a_run_ends_with_one_line(self):
        f = self.folder
        self.photo("in/a.png")
        self.photo("in/b.png")
        run = ["run", "-m", MODEL]
        folder = self.ok(*run, f / "in", "-o", f / "out")
        self.assertRegex(folder.text, r"^2 images in [0-9.]+ s: %s/\n$" % f.joinpath("out"))
        self.assertIn("(2 skipped, done before)", self.ok(*run, f / "in", "-o", f / "out", "--resume").text)
        single = self.ok(*run, "in/a.png", "-o", "x.png", cwd=f)
        self.assertRegex(single.text, r"^1 image in [0-9.]+ s: x.labels.png, x.overlay.png\n$")
        (f / "in/c.png").write_bytes(b"no image")
        some = lemore(*run, f / "in", "-o", f / "out", "--keep-going")
        self.assertEqual(some.code, 3)
        self.assertIn("(1 failed)", some.text)

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
        self.assertRegex(
            result.err, r"^lemore: 3 frames, 0 dropped; median [0-9.]+ ms a frame, 95 of 100 within [0-9.]+ ms\n$"
        )
        # Opacity 0 changes nothing, one frame or many, and every thread count paints the same.
        self.assertEqual(self.frames(*run, "raw:50x34:rgb24", "-", "-o", "-", "--opacity", "0", stdin=raw).out, raw)
        for t in (1, 3):
            self.assertEqual(self.frames(*run, "raw:50x34:rgb24", "-", "-t", t, stdin=raw).out, result.out)
        self.assertEqual(self.frames(*run, "raw:50x34:rgb24", "-", stdin=raw[:5100]).out, result.out[:5100])

        for color, size in [
            (b" C420jpeg", 51 * 35 + 2 * 26 * 18),
            (b"", 51 * 35 + 2 * 26 * 18),
            (b" C444", 3 * 51 * 35),
        ]:
            head = b"YUV4MPEG2 W51 H35 F25:1 Ip A1:1" + color + b"\n"
            frames = [picture(size) for _ in range(2)]
            stream = head + b"FRAME\n" + frames[0] + b"FRAME Ip\n" + frames[1]
            result = self.frames(*run, "y4m", "-", stdin=stream)
            self.assertEqual(len(result.out), len(stream))
            self.assertTrue(result.out.startswith(head + b"FRAME\n"))
            self.assertEqual(result.out[len(head) + 6 + size :][:9], b"FRAME Ip\n")
            self.assertNotEqual(result.out, stream)
            self.assertEqual(self.frames(*run, "y4m", "-", "--opacity", "0", stdin=stream).out, stream)
            self.assertIn("2 frames, 0 dropped", result.err)

        # A pace that nothing keeps: all frames come out, those after the first with the first one's classes.
        late = self.frames(*run, "raw:50x34:rgb24", "-", "--fps", "1e9", stdin=raw[:5100] * 3)
        self.assertIn("3 frames, 2 dropped", late.err)
        self.assertEqual(late.out, late.out[:5100] * 3)
        # A pace that is easy: three frames take at least two frames' time, however busy the machine is.
        easy = self.frames(*run, "raw:50x34:rgb24", "-", "--fps", "5", stdin=raw)
        self.assertEqual(len(easy.out), len(raw))
        self.assertGreater(easy.seconds, 0.39)
        # Slow enough that no machine drops a frame: the first one may take four seconds.
        slow = self.frames(*run, "raw:50x34:rgb24", "-", "--fps", "0.5", stdin=raw[: 2 * 5100])
        self.assertIn("2 frames, 0 dropped", slow.err)

        header = b"YUV4MPEG2 W51 H35\n"
        for kind, stream, says in [
            ("raw:50x34:rgb24", raw[:-1], "frame 2 has 5099 bytes, expected 5100"),
            ("y4m", b"", "is empty"),
            ("y4m", b"RIFF", "expected 'YUV4MPEG2'"),
            ("y4m", b"\0" * 100000, "expected 'YUV4MPEG2'"),
            ("y4m", b"YUV4MPEG2 W51\n", "expected W and H"),
            ("y4m", b"YUV4MPEG2 W51 H35 C422\n", "'422'"),
            ("y4m", b"YUV4MPEG2 W99999999 H9\n", "W: expected"),
            ("y4m", b"YUV4MPEG2 W16384 H16384\n", "--max-pixels"),
            ("y4m", header + b"FRAME", "frame 0 begins with no complete FRAME"),
            ("y4m", header + b"BLAH\n", "'BLAH'"),
            ("y4m", header + b"FRAME\n123", "frame 0 has 3 bytes, expected 2721"),
            ("y4m", header + b"FRAME" + b" x" * 1000000, "no complete FRAME line"),
        ]:
            with self.subTest(kind=kind, says=says):
                arguments = [*run, kind, "-"] + (["--max-pixels", "1000000"] if "max" in says else [])
                result = lemore(*arguments, stdin=stream)
                self.assertEqual(result.code, 1, result.err)
                self.assertIn(says, result.err)
                self.assertEqual(result.err.count("\n"), 1)
        for arguments, says in [
            (["y5m", "-"], "y4m or raw:WxH:rgb24"),
            (["raw:0x5:rgb24", "-"], "raw:WxH"),
            (["y4m", "a.y4m"], "only input"),
            (["y4m", "-", "-o", "out"], "standard output"),
            (["y4m", "-", "--emit", "labels"], "--emit"),
            (["y4m", "-", "--fps", "0"], "--fps"),
            (["y4m", "-", "--json"], "--json"),
        ]:
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
            child = subprocess.Popen(
                [LEMORE, "run", "-m", MODEL, str(f / "in"), "-o", str(f / "t"), "--emit", "labels"],
                stdout=subprocess.DEVNULL,
                stderr=terminal,
                env={**os.environ, "TERM": "xterm", **env},
            )
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


if __name__ == "__main__":
    main()
