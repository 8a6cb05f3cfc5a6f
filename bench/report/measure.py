"""Runs lemore, its benchmarks and its peers, and collects their figures in one JSON object."""

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = Path(__file__).resolve().parent / "peers"


class ReportError(Exception):
    """One line for the user."""


class Done:
    def __init__(self, out, seconds, peak_bytes):
        self.out, self.seconds, self.peak_bytes = out, seconds, peak_bytes

    @property
    def json(self):
        return json.loads(self.out[self.out.index("{") :])


def run(*command, env=None, wait=0):
    """Runs a program to its end, after settle(wait). A failure is a ReportError with what it said last."""
    settle(wait)
    command = [str(c) for c in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(env or {})}
            )
        except OSError as error:
            raise ReportError(f"{command[0]}: {error.strerror}") from None
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        said = err.read().decode(errors="replace").strip().splitlines()
        if child.returncode != 0:
            raise ReportError(f"{' '.join(command)}: exit {child.returncode}: {said[-1] if said else 'no message'}")
        return Done(out.read().decode(), seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def settle(seconds):
    """Waits, at most so long, until what else runs on this machine leaves its cores idle for half a second."""

    def ticks():
        with open("/proc/stat") as file:
            times = [int(word) for word in file.readline().split()[1:9]]
        return sum(times), times[3] + times[4]

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        all_before, idle_before = ticks()
        time.sleep(0.5)
        all_after, idle_after = ticks()
        if idle_after - idle_before >= 0.95 * (all_after - all_before):
            return


def say(text):
    print(text, file=sys.stderr, flush=True)


def middle(results, key="median_ms"):
    """Of several JSON objects the one whose `key` is the median (the lower one of two)."""
    return sorted(results, key=lambda r: r[key])[(len(results) - 1) // 2]


def bench(args, model, *options, runs=None):
    return run(args.lemore, "bench", "-m", model, "--runs", runs or args.runs, "--json", *options, wait=args.wait).json


# ---------------------------------------------------------------- measuring


def machine(args):
    def read(path):
        try:
            return Path(path).read_text().strip()
        except OSError:
            return ""

    cpuinfo = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    family = [re.search(rf"^{key}\s*:\s*(\d+)$", cpuinfo, re.M) for key in ("cpu family", "model")]
    caches = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        if read(index / "type") != "Instruction":
            caches.append(f"L{read(index / 'level')} {read(index / 'size')}")
    memory = re.search(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo"), re.M)
    return {
        "cpu": (model.group(1) if model else platform.processor() or platform.machine())
        + (f" (family {family[0].group(1)}, model {family[1].group(1)})" if all(family) else ""),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "caches": caches,
        "memory_gb": int(memory.group(1)) / 1e6 if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "virtual": "hypervisor" in cpuinfo,
        "version": run(args.lemore, "--version").out.strip().splitlines(),
    }


def measure_runs(args):
    """Every size and thread number, to logits (with layers) and to labels, in turn."""
    cases = [(s, t, o) for s in args.sizes for t in args.threads for o in ("logits", "labels")]
    results = {case: [] for case in cases}
    for turn in range(args.rounds):
        for size, threads, output in cases:
            say(f"round {turn + 1} of {args.rounds}: {size}, {threads} threads, {output}")
            layers = ["--layers"] if output == "logits" else []
            results[size, threads, output].append(
                bench(args, args.model, "--size", size, "-t", threads, "--output", output, *layers)
            )
    return [middle(r) for r in results.values()]


def measure_isas(args):
    for line in run(args.lemore, "--version").out.splitlines():
        if line.startswith("ISAs of this CPU:"):
            isas = line.split(":")[1].split()
    results = {isa: [] for isa in isas}
    for turn in range(args.rounds):
        for isa in isas:
            say(f"round {turn + 1} of {args.rounds}: {isa}")
            results[isa].append(bench(args, args.model, "--size", args.sizes[0], "-t", 1, "--isa", isa))
    return [middle(r) for r in results.values()]


def measure_process(args):
    """The program as a whole: memory, loading, a folder of photographs, slide on growing images."""
    say("the program as a whole")
    result = {}
    loads = [bench(args, args.trained, "-t", 1, runs=1) for _ in range(max(args.rounds, 5))]
    result["load_ms"] = statistics.median(b["load_ms"] for b in loads)
    result["session_ms"] = statistics.median(b["session_ms"] for b in loads)
    result["weight_bytes"] = loads[0]["weight_bytes"]
    trained = [("labels", []), ("image", [args.photo])]
    for output, photo in trained:
        options = ["-t", 1 if output == "labels" else args.threads[-1], "--output", output, *photo]
        result[output] = middle([bench(args, args.trained, *options) for _ in range(args.rounds)])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        one = [
            run(args.lemore, "run", "-m", args.trained, args.photo, "-o", folder / "one", wait=args.wait)
            for _ in range(args.rounds)
        ]
        result["one"] = {
            "peak_bytes": max(d.peak_bytes for d in one),
            "seconds": statistics.median(d.seconds for d in one),
        }
        photos = folder / "photos"
        photos.mkdir()
        for i in range(40):
            shutil.copy(args.photo, photos / f"{i}{Path(args.photo).suffix}")
        many = []
        for _ in range(args.rounds):
            done = run(
                args.lemore,
                "run",
                "-m",
                args.trained,
                photos,
                "-o",
                folder / "many",
                "--progress",
                "none",
                "--json",
                wait=args.wait,
            )
            many.append({**done.json, "peak_bytes": done.peak_bytes})
        result["folder"] = middle(many, "seconds")
        result["slide"] = []
        for side in args.slide:
            picture = folder / "large.ppm"
            with picture.open("wb") as file:
                file.write(b"P6 %d %d 255\n" % (side, side))
                shades = bytes((x * 3 + x * x // 512) % 256 for x in range(3 * side + 3 * 64))
                for y in range(side):
                    file.write(shades[3 * (y % 64) : 3 * (y % 64 + side)])
            done = run(
                args.lemore,
                "run",
                "-m",
                args.trained,
                picture,
                "-o",
                folder / "large.png",
                "--emit",
                "labels",
                "--mode",
                "slide",
                wait=args.wait,
            )
            result["slide"].append(
                {
                    "side": side,
                    "file_bytes": picture.stat().st_size,
                    "image_bytes": 3 * side * side,
                    "label_bytes": side * side,
                    "peak_bytes": done.peak_bytes,
                    "seconds": done.seconds,
                }
            )
    return result


def measure_kernels(args, isa):
    """Google Benchmark's figures of the best ISA and of Eigen, and the limits that it measured; null where it is not
    built."""
    if not os.access(args.kernels, os.X_OK):
        say(f"{args.kernels} is not built: no roofline")
        return None
    say("kernels")
    data = run(
        args.kernels,
        *([args.shapes] if args.shapes else []),
        f"--benchmark_filter=^({isa}|eigen)/",
        "--benchmark_min_time=0.05",
        "--benchmark_format=json",
        wait=args.wait,
    ).json
    limits = data["context"][isa]
    kernels = [
        {
            "name": b["name"],
            "us": b["cpu_time"],
            "calls": b["calls"],
            "gflops": b.get("GFLOP/s", 0.0),
            "gbs": b["GB/s"],
            "of_fma_peak": b.get("of_fma_peak"),
            "of_read_peak": b["of_read_peak"],
        }
        for b in data["benchmarks"]
    ]
    return {
        "isa": isa,
        "peak_gflops": float(re.match(r"[\d.]+", limits).group(0)),
        "reads": [[int(kib) * 1024, float(rate)] for rate, kib in re.findall(r"([\d.]+) \((\d+) KiB\)", limits)],
        "kernels": kernels,
    }


def measure_peers(args):
    """lemore and each peer there is, in turn, on the same weights and size."""
    size, results = args.sizes[0], []
    for output in ("logits", "labels"):
        for threads in args.threads:
            peers = {}
            if output in args.onnx:
                onnx = Path(args.onnx[output]).resolve()
                if shutil.which("node") and args.node_path:
                    peers["ONNX Runtime"] = lambda onnx=onnx: run(
                        "node",
                        PEERS / "onnxruntime.js",
                        onnx,
                        size,
                        threads,
                        args.runs,
                        wait=args.wait,
                        env={"NODE_PATH": str(Path(args.node_path).resolve())},
                    )
                peers["OpenCV DNN"] = lambda onnx=onnx: run(
                    sys.executable, PEERS / "opencv_dnn.py", onnx, size, threads, args.runs, wait=args.wait
                )
            if args.checkpoint:
                peers["libtorch"] = lambda: run(
                    sys.executable,
                    PEERS / "libtorch.py",
                    args.checkpoint,
                    args.config or "-",
                    size,
                    output,
                    threads,
                    args.runs,
                    wait=args.wait,
                )
            if not peers:
                continue
            ours, theirs = [], {name: [] for name in peers}
            for turn in range(args.rounds):
                say(f"round {turn + 1} of {args.rounds}: beside {', '.join(peers)}: {output}, {threads} threads")
                done = run(
                    args.lemore,
                    "bench",
                    "-m",
                    args.model,
                    "--size",
                    size,
                    "--output",
                    output,
                    "-t",
                    threads,
                    "--runs",
                    args.runs,
                    "--json",
                    wait=args.wait,
                )
                ours.append({**done.json, "peak_bytes": done.peak_bytes})
                for name, call in list(peers.items()):
                    try:
                        done = call()
                        theirs[name].append({**done.json, "peak_bytes": done.peak_bytes})
                    except (ReportError, ValueError) as error:  # what it printed is not JSON
                        theirs[name].append({"error": f"round {turn + 1}: {error}"})
                    if "error" in theirs[name][-1]:
                        say(f"{name}: {theirs[name][-1]['error']}")
                        del peers[name]
            results.append({"output": output, "threads": threads, "lemore": ours, "peers": theirs})
    return results


def measure(args):
    data = {"machine": machine(args), "date": time.strftime("%Y-%m-%d"), "rounds": args.rounds, "runs": args.runs}
    data["model"] = run(args.lemore, "info", args.model, "--size", args.sizes[0], "--json").json
    data["model"] = {k: data["model"][k] for k in ("parameters", "num_classes", "macs", "weight_bytes")}
    data["model"]["name"], data["trained_name"] = Path(args.model).name, Path(args.trained).name
    data["photo"] = Path(args.photo).name
    data["results"] = measure_runs(args)
    data["failed"] = []
    parts = {
        "isas": lambda: measure_isas(args),
        "process": lambda: measure_process(args),
        "kernels": lambda: measure_kernels(args, data["results"][0]["isa"]),
        "peers": lambda: measure_peers(args),
    }
    for part, measure_part in parts.items():  # one that fails loses no figure of the others
        try:
            data[part] = measure_part()
        except (ReportError, OSError, ValueError, KeyError) as error:
            data[part] = None
            data["failed"].append(f"{part}: {'no figure ' if isinstance(error, KeyError) else ''}{error}")
            say(data["failed"][-1])
    return data
