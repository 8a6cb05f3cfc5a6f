"""The page: Markdown of the figures that measure.py collected."""

import math
import re
import statistics

from .roofline import kib, percent, some_reads


def table(head, rows, right=()):
    """A Markdown table; columns whose place is in `right` stand on the right."""
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, rule, *rows]) + "\n"


def mb(x):
    return f"{x / 1e6:.1f} MB"


def size_of(result):
    return "x".join(map(str, result["size"]))


def part(name):
    """The part of the network that a step belongs to."""
    words = name.split(".")
    return ".".join(words[: 3 if words[0] == "stages" else 1])


def parts_of(result):
    parts = {}
    for layer in result["layers"]:
        entry = parts.setdefault(part(layer["name"]), [0.0, 0])
        entry[0] += layer["median_ms"]
        entry[1] += layer["macs"]
    return parts


def page_machine(data):
    m, first = data["machine"], data["results"][0]
    caches = ", ".join(m["caches"])
    lines = [
        f"{m['cpu']}, {m['cores']} cores{' of a virtual machine' if m['virtual'] else ''}, {caches}"
        + (f", {m['memory_gb']:.0f} GB" if m["memory_gb"] else "")
        + f"; {m['system']}.",
        f"{m['version'][0]}; {m['version'][1]}. Computed with {first['isa']}, whose measured peak is "
        f"{first['peak_gflops']:.0f} GFLOP/s a core.",
    ]
    if data["kernels"]:
        rates = ", ".join(f"{rate:.0f} GB/s from {kib(size)}" for size, rate in some_reads(data["kernels"]))
        lines.append(f"One core reads {rates}.")
    model = data["model"]
    lines.append(
        f"Network: `{model['name']}`, {model['num_classes']} classes, {model['parameters'] / 1e6:.2f} M parameters, "
        f"{model['macs'] / 1e6:.0f} M MACs at {size_of(first)}. "
        f"Medians of {data['rounds']} processes of {data['runs']} runs that took turns, {data['date']}."
    )
    if "remark" in data:
        lines.append(f"\n**{data['remark']}**")
    return "\n".join(lines) + "\n"


def page_sizes(data):
    rows = []
    logits = {(size_of(r), r["threads"]): r for r in data["results"] if r["output"] == "logits"}
    labels = {(size_of(r), r["threads"]): r for r in data["results"] if r["output"] == "labels"}
    for (size, threads), r in logits.items():
        with_labels = labels[size, threads]
        rows.append(
            [
                size,
                threads,
                f"{r['median_ms']:.2f}",
                f"{r['min_ms']:.2f}",
                f"{r['p95_ms']:.2f}",
                f"{r['gflops']:.0f}",
                percent(r["peak_fraction"]),
                f"{with_labels['median_ms']:.2f}",
                mb(r["arena_bytes"]),
            ]
        )
    text = table(
        ["size", "threads", "logits, ms", "min", "p95", "GFLOP/s", "of peak", "label map, ms", "arena"],
        rows,
        range(1, 9),
    )
    first = data["results"][0]
    large = logits.get(("1024x1024", first["threads"]))
    small = logits.get(("512x512", first["threads"]))
    if large and small:
        text += (
            f"\n1024x1024 takes {large['median_ms'] / small['median_ms']:.2f} times as long as 512x512, "
            f"for {large['macs'] / small['macs']:.2f} times the MACs.\n"
        )
    several = [r for r in logits.values() if size_of(r) == size_of(first) and r["threads"] > 1]
    for r in several:
        faster = first["median_ms"] / r["median_ms"]
        text += f"{r['threads']} threads are {faster:.2f} times as fast as one at {size_of(first)}.\n"
    return text


def page_isas(data):
    if not data["isas"]:
        return ""
    rows = [
        [
            r["isa"],
            f"{r['median_ms']:.2f}",
            f"{r['gflops']:.1f}",
            f"{r['peak_gflops']:.1f}",
            percent(r["peak_fraction"]),
        ]
        for r in data["isas"]
    ]
    return table(["ISA", "ms", "GFLOP/s", "peak", "of peak"], rows, range(1, 5))


def page_parts(data):
    chosen = [r for r in data["results"] if r["output"] == "logits"]
    first, names = chosen[0], []
    for r in chosen:
        names += [name for name in parts_of(r) if name not in names]
    rows = []
    for name in names:
        ms, macs = parts_of(first).get(name, (0.0, 0))
        row = [f"`{name}`", f"{macs / 1e6:.1f}", f"{ms:.2f}", percent(ms / first["median_ms"], 1)]
        row.append(percent(2e-6 * macs / ms / first["peak_gflops"]) if ms > 0 and macs else "")
        rows.append(row + [f"{parts_of(r).get(name, (0.0, 0))[0]:.2f}" for r in chosen[1:]])
    heads = [f"{size_of(r)}, {r['threads']} thr." for r in chosen]
    return table(["part", "M MACs", heads[0] + ", ms", "share", "of peak", *heads[1:]], rows, range(1, 5 + len(chosen)))


def page_layers(data):
    r = data["results"][0]
    rows = []
    for layer in r["layers"]:
        shape = "x".join(map(str, layer["output"]))
        macs = f"{layer['macs'] / 1e6:.2f}" if layer["macs"] else ""
        rate = [f"{layer['gflops']:.1f}", percent(layer["peak_fraction"])] if layer["macs"] else ["", ""]
        rows.append(
            [
                f"`{layer['name']}`",
                layer["op"],
                shape,
                f"{layer['median_ms']:.3f}",
                percent(layer["share"], 1),
                macs,
                *rate,
            ]
        )
    return table(["step", "op", "output", "ms", "share", "M MACs", "GFLOP/s", "of peak"], rows, range(3, 8))


def page_process(data):
    p = data["process"]
    if not p:
        return ""
    labels, image = p["labels"], p["image"]
    phases = labels["phases_ms"]
    share = phases["label_map"] / (phases["prepare"] + phases["network"])
    folder, times = p["folder"], p["folder"]["times_ms"]
    network = times["prepare"] + times["network"] + times["labels"]
    rows = [
        ["loading the weights (mapped, checked)", f"{p['load_ms']:.2f} ms"],
        ["planning a session", f"{p['session_ms']:.2f} ms"],
        [
            f"`lemore run` on one JPEG (`{data['photo']}`), whole process",
            f"{p['one']['seconds'] * 1e3:.0f} ms, peak memory {mb(p['one']['peak_bytes'])}",
        ],
        [
            f"label map of trained weights at {size_of(labels)}, on top of the logits",
            f"{phases['label_map']:.2f} ms, {percent(share, 1)}",
        ],
        [
            f"from the bytes of a JPEG of {image['image']['height']}x{image['image']['width']} to those of the overlay, "
            f"{image['threads']} threads",
            f"{image['median_ms']:.1f} ms: " + ", ".join(f"{name} {ms:.1f}" for name, ms in image["phases_ms"].items()),
        ],
        [
            f"`lemore run` on a folder of {folder['images']} of them",
            f"{folder['images_per_second']:.0f} images/s, peak memory {mb(folder['peak_bytes'])}; "
            f"the network works {percent(network / 1e3 / folder['seconds'])} of the time",
        ],
    ]
    for s in p["slide"]:
        beside = s["peak_bytes"] - s["file_bytes"] - s["image_bytes"] - s["label_bytes"]
        rows.append(
            [
                f"`--mode slide` on {s['side']}x{s['side']}",
                f"{s['seconds']:.1f} s; {mb(beside)} beside the file, the image and its labels",
            ]
        )
    return f"Weights: `{data['trained_name']}`.\n\n" + table(["", ""], rows)


def page_kernels(data, picture):
    k = data["kernels"]
    if not k:
        return ""
    ours = {x["name"].split("/", 1)[1]: x for x in k["kernels"] if not x["name"].startswith("eigen/")}
    # A network's logits are smooth; those of random numbers are the label map's worst case, no part of a run.
    ours = {name: x for name, x in ours.items() if x["calls"] > 0 and ("label_map" not in name or "smooth=1" in name)}
    eigen = {x["name"].split("/", 1)[1]: x for x in k["kernels"] if x["name"].startswith("eigen/")}
    ratios = []
    for name, x in ours.items():
        numbers = dict(re.findall(r"(\w+)=(\d+)", name))
        plain = f"gemm m={numbers.get('m')} n={numbers.get('n')} k={numbers.get('k')}"
        if name.startswith("gemm ") and plain in eigen:
            ratios.append((x, eigen[plain]))
    rows = []
    total = sum(x["us"] * x["calls"] for x in ours.values())
    for name, x in sorted(ours.items(), key=lambda item: -item[1]["us"] * item[1]["calls"])[:25]:
        rate = [f"{x['gflops']:.1f}", percent(x["of_fma_peak"])] if x["of_fma_peak"] else ["", ""]
        rows.append(
            [
                f"`{name}`",
                int(x["calls"]),
                f"{x['us']:.1f}",
                percent(x["us"] * x["calls"] / total, 1),
                *rate,
                f"{x['gbs']:.1f}",
                percent(x["of_read_peak"]),
            ]
        )
    text = f"![Roofline]({picture})\n\n"
    text += (
        "Each dot is a kernel at one of the network's shapes, alone and with its data where repeated runs leave it (so in "
        "a cache it fits); its area is its share of the kernels' time. "
        "The intensity counts what must move at least once.\n\n"
    )
    text += table(
        ["the 25 that take longest", "calls", "µs each", "share", "GFLOP/s", "of peak", "GB/s", "of read peak"],
        rows,
        range(1, 8),
    )
    if ratios:
        mean = math.exp(statistics.fmean(math.log(e["us"] / x["us"]) for x, e in ratios))
        weight = sum(e["us"] * x["calls"] for x, e in ratios) / sum(x["us"] * x["calls"] for x, e in ratios)
        text += (
            f"\nBeside Eigen's product on {len(ratios)} shapes (which leaves out bias, activation and residual): "
            f"{mean:.2f} times as fast in the geometric mean, "
            f"{weight:.2f} times over one run of the network.\n"
        )
    return text


def page_peers(data):
    if not data["peers"]:
        return ""
    rows, errors = [], []
    for case in data["peers"]:
        ours = [r["median_ms"] for r in case["lemore"]]
        rows.append(
            [
                case["output"],
                case["threads"],
                "**lemore**",
                f"{statistics.median(ours):.2f}",
                "",
                mb(max(r["peak_bytes"] for r in case["lemore"])),
            ]
        )
        for name, theirs in case["peers"].items():
            label = f"{name} {theirs[0].get('version', '')}".strip()
            failed = [r["error"] for r in theirs if "error" in r]
            if failed:
                note = f"{label}: {failed[0]}"
                if note not in errors:
                    errors.append(note)
            theirs = [r for r in theirs if "error" not in r]
            if not theirs:
                continue
            ratio = statistics.median(a / b["median_ms"] for a, b in zip(ours, theirs))
            rows.append(
                [
                    case["output"],
                    case["threads"],
                    label,
                    f"{statistics.median(r['median_ms'] for r in theirs):.2f}",
                    f"{ratio:.3f}",
                    mb(max(r["peak_bytes"] for r in theirs)),
                ]
            )
    text = table(["output", "threads", "", "ms", "lemore's time over it", "peak memory"], rows, (1, 3, 4, 5))
    text += (
        "\nThe same weights, one process after the other in every round; the ratio is the median of the rounds' ratios. "
        "libtorch is traced and frozen. Peak memory is of the whole process, with its language's runtime.\n"
    )
    for error in errors:
        text += f"\n{error}.\n"
    return text


def page(data, picture, notes):
    first = data["results"][0]
    sections = [
        ("", page_machine(data)),
        ("Time", page_sizes(data)),
        ("Beside other runtimes", page_peers(data)),
        ("The program as a whole", page_process(data)),
        (f"By instruction set, {size_of(first)}, logits, 1 thread", page_isas(data)),
        ("By part of the network", page_parts(data)),
        (
            f"By step, {size_of(first)}, {first['threads']} thread",
            "MACs are the trained network's: nested attention's merged projection does fewer, so it can seem to exceed the "
            "peak.\n\n" + page_layers(data),
        ),
        (
            f"The kernels against the machine's limits, {data['kernels']['isa']}, 1 core" if data["kernels"] else "",
            page_kernels(data, picture),
        ),
    ]
    text = "# Performance\n\nWritten by `bench/report/run`; figures are of one machine, ratios carry further.\n\n"
    text += "\n".join((f"## {title}\n\n" if title else "") + body for title, body in sections if body)
    return text + (f"\n{notes.strip()}\n" if notes.strip() else "")
