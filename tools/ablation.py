#!/usr/bin/env python3
"""What each ingredient of a recipe brings: short runs of train.py, each with something changed, one after the other.

The plan (tools/configs/camvid-ablation.json) has "base", fields of the recipe changed in all runs, "seeds" of the
base, and "runs", by name the fields changed in each. A run that was cut off goes on where it was; finished ones are
left alone.
"""

import csv
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

from lemore_torch import fields
from lemore_torch.loading import named_config
from lemore_torch.options import Parser, integer

TRAIN = Path(__file__).resolve().parent / "train.py"
BASE = "as it is"
BEGIN, END = "<!-- ablation: written by tools/ablation.py --page -->", "<!-- end of ablation -->"


def arguments(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--config", required=True, metavar="FILE", help="the recipe")
    add("--plan", required=True, metavar="FILE", help="the runs")
    add("--data", default="data", help="the folder of the recipe's data sets")
    add("--out", default="runs/ablation", help="a folder for each run")
    add("--threads", type=integer(0, 1024), default=1, help="CPU threads")
    add("--table", action="store_true", help="run nothing: print what is measured so far, as Markdown")
    add("--page", metavar="FILE", help="put the table into this Markdown file, between its two ablation comments")
    return parser.parse_args(argv)


def planned(plan, where):
    """{name: (seed, fields that differ from the recipe)}, the first seed of the base first and its others last."""
    fields.check_object(plan, where, ("base", "seeds", "runs"))
    base = fields.check_object(plan.get("base", {}), f"{where}: base", plan.get("base"))
    seeds = [fields.integer(s, f"{where}: seeds[{i}]", 0, 2**63 - 1)
             for i, s in enumerate(fields.items(plan.get("seeds", [0]), f"{where}: seeds", 1, 100))]  # fmt: skip
    runs = fields.check_object(plan.get("runs", {}), f"{where}: runs", plan.get("runs"))
    out = {f"{BASE}, seed {seeds[0]}": (seeds[0], base)}
    for name, changes in runs.items():
        fields.check_object(changes, f"{where}: runs.{name}", changes)
        out[name] = (seeds[0], {**base, **changes})
    for seed in seeds[1:]:
        out[f"{BASE}, seed {seed}"] = (seed, base)
    return out


def folder_of(out, name):
    return Path(out) / re.sub("[^a-z0-9.]+", "-", name.lower()).strip("-")


def run(args, name, seed, changes):
    """Trains, unless that is done; returns whether it is."""
    folder = folder_of(args.out, name)
    if (folder / "result.json").is_file():
        return True
    command = [sys.executable, str(TRAIN), "--config", args.config, "--data", args.data, "--out", str(folder),
               "--resume",
               "--cache", str(Path(args.out) / "cache"), "--threads", str(args.threads), "--device", "cpu"]  # fmt: skip
    for field, value in {"seed": seed, **changes}.items():
        command += ["--set", f"{field}={json.dumps(value)}"]
    print(f"{name}: begins or goes on", file=sys.stderr, flush=True)
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        print(f"{name}: failed", file=sys.stderr, flush=True)
        return False
    with open(folder / "log.csv", newline="", encoding="utf-8") as file:
        row = list(csv.DictReader(file))[-1]
    temporary = folder / ".result.json.tmp"
    temporary.write_text(json.dumps({"name": name, **row}) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "result.json")
    print(f"{name}: val mIoU {row['val_miou']}", file=sys.stderr, flush=True)
    return True


def results(out, names):
    """{name: the last row of its log}, of the runs that are finished."""
    paths = {name: folder_of(out, name) / "result.json" for name in names}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}


def table(found, names):
    """What is measured, in Markdown: a row a run, the seeds of the base first, each beside the mean of those."""
    others = sorted({key[: -len("_miou")] for row in found.values() for key in row if key.endswith("_miou")} - {"val"})
    lines = ["| run | val mIoU | difference | pixel accuracy | " + "".join(f"{o} mIoU | " for o in others) + "CPU minutes |",
             "|---|---|---|---|" + "---|" * len(others) + "---|"]  # fmt: skip
    seeds = [name for name in names if name.startswith(f"{BASE}, seed")]
    base = [float(found[name]["val_miou"]) for name in seeds if name in found]
    for name in [*seeds, *(n for n in names if n not in seeds)]:
        if name not in found:
            lines.append(f"| {name} | not measured yet | | |" + " |" * (len(others) + 1))
            continue
        row = found[name]
        difference = f"{float(row['val_miou']) - statistics.mean(base):+.3f}" if base and name not in seeds else ""
        figures = [f"{float(row['val_miou']):.3f}", difference, f"{float(row['val_accuracy']):.3f}"]
        figures += [f"{float(row[f'{o}_miou']):.3f}" if row.get(f"{o}_miou") else "" for o in others]
        lines.append(f"| {name} | " + " | ".join([*figures, f"{60 * float(row['cpu_hours']):.0f}"]) + " |")
    if len(base) > 1:
        lines += ["",
                  f"{len(base)} seeds: {statistics.mean(base):.3f}, from {min(base):.3f} to {max(base):.3f}, standard "
                  f"deviation {statistics.stdev(base):.3f}."]  # fmt: skip
    return "\n".join(lines)


def into_page(path, text):
    """Puts `text` between the comments of a page."""
    page = Path(path).read_text(encoding="utf-8")
    if not (page.count(BEGIN) == page.count(END) == 1 and page.index(BEGIN) < page.index(END)):
        raise fields.FieldError(f"{path}: expected '{BEGIN}' once and '{END}' once after it")
    before, rest = page.split(BEGIN)
    temporary = Path(path).with_name(f".{Path(path).name}.tmp")
    temporary.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    os.replace(temporary, path)


def main(argv=None):
    args = arguments(argv)
    try:
        runs = planned(named_config(args.plan), args.plan)
    except fields.FieldError as error:
        print(f"ablation.py: {error}", file=sys.stderr)
        return 1
    done = True
    if not args.table:
        done = all([run(args, name, *what) for name, what in runs.items()])
    measured = table(results(args.out, runs), runs)
    print(measured)
    try:
        if args.page:
            into_page(args.page, measured)
    except (fields.FieldError, OSError) as error:
        print(f"ablation.py: {error}", file=sys.stderr)
        return 1
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
