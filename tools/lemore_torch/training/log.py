"""The record of a run: log.csv and, where matplotlib is installed, curve.png."""

import csv
import os


def write_log(folder, history):
    """`history`: a row an epoch."""
    temporary = folder / ".log.csv.tmp"
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    os.replace(temporary, folder / "log.csv")
    try:
        _plot(folder, history)
    except ImportError:
        pass  # no matplotlib: the CSV says it all


def _plot(folder, history):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4.5))
    axis.plot([r["epoch"] for r in history], [r["loss"] for r in history], color="tab:gray", label="loss")
    axis.set_xlabel("epoch")
    axis.set_ylabel("training loss")
    other = axis.twinx()
    measured = [r for r in history if r["val_miou"] != ""]
    other.plot(
        [r["epoch"] for r in measured], [r["val_miou"] for r in measured], "o-", color="tab:blue", label="val mIoU"
    )
    other.set_ylabel("val mIoU (averaged weights)")
    for before, row in zip(history, history[1:]):
        if row["phase"] != before["phase"]:
            axis.axvline(row["epoch"] - 0.5, color="tab:orange", linestyle="--", label=f"{row['phase']} from here")
    figure.legend(loc="upper center", ncol=3)
    figure.savefig(folder / ".curve.tmp.png", dpi=100, bbox_inches="tight")
    os.replace(folder / ".curve.tmp.png", folder / "curve.png")
    plt.close(figure)
