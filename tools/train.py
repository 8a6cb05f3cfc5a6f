#!/usr/bin/env python3
"""Train a LeMoRe network on {train,val}/{images,labels}: half size first, full size last. See docs/training.md."""

import argparse
import csv
import datetime
import json
import math
import os
import sys
import time
from pathlib import Path

try:
    import numpy as np
    import torch
except ImportError as error:
    sys.exit(f"train.py: {error}; install it (apt-get install python3-torch python3-pil) and run with /usr/bin/python3")

from lemore_torch.config import Config, ConfigError
from lemore_torch.data import Augmentation, DataError, Labels, SegmentationSet, augment
from lemore_torch.evaluation import evaluate
from lemore_torch.losses import class_weights, segmentation_loss
from lemore_torch.model import LeMoRe, resample_operator


COUNTERS = (  # what a checkpoint holds beside tensors
    "phase", "epoch", "step", "steps_done", "progress", "spent", "best", "plan", "seconds_per_epoch", "losses",
    "history",
)  # fmt: skip


class TrainError(RuntimeError):
    """One line for the user."""


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", required=True, help="folder with {train,val}/{images,labels}")
    add("--labels", required=True, help="labels file: class names, colours, ignore value, annotation offset")
    add("--config", required=True, help="network configuration; input_size is the final size")
    add("--out", required=True, help="run folder: last.pth, best.pth, log.csv, curve.png")
    add("--init", help="checkpoint whose weights to start from (axis operators are resampled)")
    add("--resume", action="store_true", help="go on from last.pth in the run folder, if there is one")
    add("--epochs", type=int, default=120, help="epochs at half size (default %(default)s)")
    add("--full-epochs", type=int, default=20, help="epochs at full size, after those (default %(default)s)")
    add("--deadline", help="ISO date and time (2030-01-31T18:00) to be done by: epochs are left out to keep it")
    add("--batch", type=int, default=8)
    add("--lr", type=float, default=2e-3)
    add("--weight-decay", type=float, default=0.01, help="not on norms, biases and other vectors")
    add("--warmup", type=int, default=200, help="steps of linear warm-up")
    add("--power", type=float, default=0.9, help="of the poly schedule")
    add("--ema", type=float, default=0.998, help="decay of the averaged weights a step")
    add("--scale", type=float, nargs=2, default=(0.5, 2.0), metavar=("LOW", "HIGH"), help="random scale at half size")
    add("--full-scale", type=float, nargs=2, metavar=("LOW", "HIGH"), help="random scale at full size (default: same)")
    add("--color", type=float, default=0.3, help="strength of colour changes, 0 for none")
    add("--sharpness", type=float, default=1.0, help="strength of blur, sharpening and noise, 0 for none")
    add("--weight-power", type=float, default=0.5, help="class weights (median/share)^P; 0 for none")
    add("--lovasz", type=float, default=0.5, help="weight of the Lovasz loss beside cross entropy; 0 for none")
    add("--hard", type=float, default=1.0, help="share of hardest pixels that count in the cross entropy; 1 for all")
    add("--loss-stride", type=int, default=2, help="the loss looks at every n-th pixel each way")
    add("--val-every", type=int, default=8, help="epochs between validations")
    add("--save-every", type=int, default=500, help="steps between checkpoints inside an epoch")
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=0, help="CPU threads (default: as PyTorch chooses)")
    add("--device", default="auto", help="cpu, cuda or auto")
    args = parser.parse_args(argv)
    args.full_scale = args.full_scale or args.scale
    return args


def half_size(size):
    """Half of `size`, a multiple of 32 each way where that is possible."""
    return tuple(max(32, round(n / 64) * 32) for n in size)


def resample_state(state, model):
    """`state` with the axis operators resampled to the sizes that `model` has."""
    out = dict(state)
    for name, tensor in model.state_dict().items():
        if name.endswith((".frontal.weight", ".lateral.weight")) and name in out and out[name].shape != tensor.shape:
            out[name] = resample_operator(out[name][:, :, 0, 0].double(), tensor.shape[0])[:, :, None, None].float()
    return out


def load_checkpoint(path):
    """A checkpoint of this script (last.pth: plain tensors, numbers and lists)."""
    try:
        return torch.load(path, map_location="cpu")
    except Exception as error:  # whatever the unpickler meets
        raise TrainError(f"{path}: not a readable checkpoint ({type(error).__name__}: {error})") from None


def save_atomically(value, path):
    temporary = path.with_name(f".{path.name}.tmp")  # one name: what a kill leaves behind is overwritten
    try:
        with open(temporary, "wb") as file:
            torch.save(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def hint_if_slow_blas():
    """Debian's PyTorch multiplies matrices with whatever BLAS is installed; the plain one is many times slower."""
    a = torch.randn(256, 256)
    a @ a
    began = time.perf_counter()
    for _ in range(4):
        a @ a
    rate = 4 * 2 * 256**3 / (time.perf_counter() - began) / 1e9
    if rate < 6:
        print(f"hint: matrix products run at {rate:.1f} GFLOP/s; libopenblas0-pthread makes training several times faster",
              file=sys.stderr)  # fmt: skip


class Trainer:
    """One run. What a checkpoint holds is in `state()`; everything random is drawn from (seed, epoch, image)."""

    def __init__(self, args):
        self.args, self.out = args, Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.device = args.device if args.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        if args.threads:
            torch.set_num_threads(args.threads)
        for kind in (np.float32, np.float64):
            np.finfo(kind).smallest_subnormal  # asked for before they are flushed, or numpy warns later
        torch.set_flush_denormal(True)
        torch.manual_seed(args.seed)
        if self.device == "cpu":
            hint_if_slow_blas()
        self.config = Config.load(args.config)
        self.labels = Labels.load(args.labels)
        if self.config.classes_only is not None:
            raise TrainError(f"{args.config}: a classifier can't be trained on label maps")
        if self.config.num_classes != len(self.labels.names):
            raise TrainError(
                f"{args.config}: {self.config.num_classes} classes, but {args.labels}: {len(self.labels.names)}"
            )
        self.train_set = SegmentationSet(Path(args.data) / "train", self.labels)
        self.val_set = SegmentationSet(Path(args.data) / "val", self.labels)
        self.weights = class_weights(self.train_set.frequencies(), args.weight_power).to(self.device)
        self.steps_per_epoch = math.ceil(len(self.train_set) / args.batch)
        self.deadline = datetime.datetime.fromisoformat(args.deadline).timestamp() if args.deadline else None
        self.plan = [args.epochs, args.full_epochs]  # epochs left in each phase, the running one included
        self.seconds_per_epoch = [None, None]
        self.phase, self.epoch, self.step, self.steps_done = -1, 0, 0, 0
        self.progress, self.spent, self.best = 0.0, 0.0, -1.0
        self.history, self.losses = [], []  # a row an epoch; the losses of the running epoch
        self.enter_phase(0 if args.epochs else 1)

    # -- phases ------------------------------------------------------------------------------------------------

    def enter_phase(self, phase):
        """Makes model, averaged model and optimiser for the phase's size; carries over what there was."""
        size = self.config.input_size if phase == 1 else half_size(self.config.input_size)
        config = Config.from_json({**self.config.to_json(), "input_size": list(size)})
        old = (self.model, self.ema, self.optimizer) if self.phase >= 0 else None
        self.phase, self.size = phase, size

        def make():
            return LeMoRe(config).to(self.device, memory_format=torch.channels_last)

        self.model, self.ema = make(), make()
        for parameter in self.ema.parameters():
            parameter.requires_grad_(False)
        self.ema.load_state_dict(self.model.state_dict())
        if old:
            self.model.load_state_dict(resample_state(old[0].state_dict(), self.model))
            self.ema.load_state_dict(resample_state(old[1].state_dict(), self.ema))
        elif self.args.init:
            value = load_checkpoint(self.args.init)
            state = value.get("state_dict", value) if isinstance(value, dict) else value
            for model in (self.model, self.ema):
                try:
                    model.load_state_dict(resample_state(state, model))
                except (RuntimeError, AttributeError, TypeError) as error:
                    raise TrainError(f"{self.args.init}: does not fit the configuration: {error}") from None
        decay = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": decay, "weight_decay": self.args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.args.lr)
        if old:  # moments go along, except those of resampled operators
            for new, before in zip(self.model.parameters(), old[0].parameters()):
                if new.shape == before.shape and before in old[2].state:
                    self.optimizer.state[new] = old[2].state[before]
        self.scaler = torch.cuda.amp.GradScaler(enabled=self.device == "cuda")

    # -- checkpoints -------------------------------------------------------------------------------------------

    def state(self):
        counters = {name: getattr(self, name) for name in COUNTERS}
        return {
            "format": "lemore-train", "config": self.model.config.to_json(), "labels": self.labels.to_json(),
            "state_dict": self.ema.state_dict(), "model_now": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
            "counters": counters,
            "rng": torch.get_rng_state(), "batch": self.args.batch, "seed": self.args.seed,
        }  # fmt: skip

    def save(self):
        save_atomically(self.state(), self.out / "last.pth")

    def restore(self, path):
        value = load_checkpoint(path)
        if not isinstance(value, dict) or value.get("format") != "lemore-train":
            raise TrainError(f"{path}: not a checkpoint of train.py")
        for name in ("batch", "seed"):
            if value[name] != getattr(self.args, name):
                raise TrainError(f"{path}: was made with --{name} {value[name]}, not {getattr(self.args, name)}")
        final = {**value["config"], "input_size": list(self.config.input_size)}
        if final != self.config.to_json():
            raise TrainError(f"{path}: was made with another configuration than {self.args.config}")
        counters = value["counters"]
        if counters["phase"] != self.phase:
            self.enter_phase(counters["phase"])
        self.model.load_state_dict(value["model_now"])
        self.ema.load_state_dict(value["state_dict"])
        self.optimizer.load_state_dict(value["optimizer"])
        self.scaler.load_state_dict(value["scaler"])
        for name, counter in counters.items():
            setattr(self, name, counter)
        torch.set_rng_state(value["rng"])

    # -- one epoch ---------------------------------------------------------------------------------------------

    def rate(self):
        """Learning rate now: linear warm-up, then poly in `progress` (0 at the start, 1 at the end)."""
        warm = min(1.0, (self.steps_done + 1) / max(1, self.args.warmup))
        return self.args.lr * warm * max(0.0, 1 - self.progress) ** self.args.power

    def batch(self, indices):
        scale = self.args.full_scale if self.phase == 1 else self.args.scale
        settings = Augmentation(tuple(scale), self.args.color, self.args.sharpness)
        pairs = []
        for i in indices:
            generator = np.random.default_rng((self.args.seed, self.epoch, i))
            pairs.append(augment(*self.train_set.items[i], self.size, settings, generator))
        images, targets = zip(*pairs)
        images = torch.stack(images).to(self.device).contiguous(memory_format=torch.channels_last)
        return images, torch.stack(targets).to(self.device)

    def update(self, indices):
        """One optimiser step; returns the loss."""
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        images, targets = self.batch(indices)
        self.model.train()
        with torch.autocast(self.device, enabled=self.device == "cuda"):
            logits = self.model(images)
        loss = segmentation_loss(
            logits.float(), targets, self.weights, self.args.loss_stride, self.args.lovasz, self.args.hard
        )
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        decay = min(self.args.ema, (1 + self.steps_done) / (10 + self.steps_done))
        with torch.no_grad():
            source = self.model.state_dict()
            for name, value in self.ema.state_dict().items():
                value.lerp_(source[name], 1 - decay) if value.is_floating_point() else value.copy_(source[name])
        return float(loss.detach())

    def epochs_left(self):
        return sum(self.plan[self.phase :])

    def make_plan(self):
        """Epochs still to do in each phase; fewer in both, in proportion, when the deadline asks for it."""
        full = sum(row["height"] == self.config.input_size[0] and row["width"] == self.config.input_size[1]
                   for row in self.history)  # fmt: skip
        done = [len(self.history) - full, full]
        self.plan = [max(0, want - have) for want, have in zip((self.args.epochs, self.args.full_epochs), done)]
        if self.phase == 1:
            self.plan[0] = 0
        measured = self.seconds_per_epoch[self.phase]
        if self.deadline is not None and measured is not None:
            ratio = np.prod(self.config.input_size) / np.prod(half_size(self.config.input_size))
            full_cost = self.seconds_per_epoch[1] or measured * ratio * 1.05
            half_cost = measured if self.phase == 0 else 0
            left = self.deadline - time.time()
            share = max(0.0, left / max(1e-9, self.plan[1] * full_cost + self.plan[0] * half_cost))
            if share < 1:
                self.plan[1] = int(self.plan[1] * share)
                if self.phase == 0:
                    self.plan[0] = int(max(0.0, left - self.plan[1] * full_cost) / measured)
        self.plan[self.phase] = max(1, self.plan[self.phase])

    def epoch_order(self):
        return np.random.default_rng((self.args.seed, self.epoch)).permutation(len(self.train_set)).tolist()

    def run_epoch(self):
        order, began, images = self.epoch_order(), time.time(), 0
        losses, shown, first = self.losses, 0.0, self.step
        while self.step < self.steps_per_epoch:
            step_began = time.time()
            indices = order[self.step * self.args.batch : (self.step + 1) * self.args.batch]
            losses.append(self.update(indices))
            if not math.isfinite(losses[-1]):
                raise TrainError(f"loss is {losses[-1]} at epoch {self.epoch}, step {self.step}: lower --lr")
            images += len(indices)
            steps_left = self.epochs_left() * self.steps_per_epoch - self.step
            self.progress += (1 - self.progress) / steps_left
            self.step += 1
            self.steps_done += 1
            self.spent += time.time() - step_began
            if time.time() - shown > (0.5 if sys.stderr.isatty() else 30):
                shown = time.time()
                self.show(losses, images / (shown - began))
            if self.step % self.args.save_every == 0 and self.step < self.steps_per_epoch:
                self.save()
        if first == 0:
            took, before = time.time() - began, self.seconds_per_epoch[self.phase]
            self.seconds_per_epoch[self.phase] = took if before is None else 0.6 * before + 0.4 * took
        return sum(losses) / len(losses), images / max(1e-9, time.time() - began)

    def show(self, losses, speed):
        recent = losses[-20:]
        pace = self.seconds_per_epoch[self.phase] or len(self.train_set) / speed
        left = pace * (self.plan[self.phase] - self.step / self.steps_per_epoch)
        if self.phase == 0:
            ratio = np.prod(self.config.input_size) / np.prod(self.size)
            left += self.plan[1] * (self.seconds_per_epoch[1] or pace * ratio)
        line = (f"epoch {self.epoch + 1}/{self.epoch + self.epochs_left()} step {self.step}/{self.steps_per_epoch} "
                f"{self.size[0]}x{self.size[1]} loss {sum(recent) / len(recent):.4f} lr {self.rate():.2e} "
                f"{speed:.1f} images/s left {datetime.timedelta(seconds=int(left))}")  # fmt: skip
        print(f"\r{line}\033[K" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    # -- the whole run -----------------------------------------------------------------------------------------

    def validate(self):
        result = evaluate(self.ema, self.val_set.items, self.labels.names, self.size, self.device)
        if result["miou"] > self.best:
            self.best = result["miou"]
            metrics = {k: result[k] for k in ("miou", "mean_accuracy", "pixel_accuracy", "classes")}
            metrics.update(split="val", epochs=self.epoch, hours=round(self.spent / 3600, 3), device=self.device)
            save_atomically(
                {"state_dict": self.ema.state_dict(), "config": self.ema.config.to_json(),
                 "labels": self.labels.to_json(), "metrics": metrics}, self.out / "best.pth",
            )  # fmt: skip
        return result

    def run(self):
        while True:
            self.make_plan()
            loss, speed = self.run_epoch()
            self.losses = []
            size = list(self.size)
            rate = self.rate()
            self.epoch, self.step = self.epoch + 1, 0
            self.plan[self.phase] -= 1
            row = {
                "epoch": self.epoch, "height": size[0], "width": size[1], "loss": round(loss, 5), "lr": round(rate, 8),
                "images_per_s": round(speed, 2), "hours": round(self.spent / 3600, 4),
                "val_miou": "", "val_accuracy": "",
            }  # fmt: skip
            last = self.plan[self.phase] == 0
            if last or self.epoch % self.args.val_every == 0:
                result = self.validate()
                row.update(val_miou=round(result["miou"], 5), val_accuracy=round(result["pixel_accuracy"], 5))
            if last and self.phase == 0 and self.plan[1]:
                self.best = -1.0  # from here on the best is the best at full size
                self.enter_phase(1)
                last = False
            self.history.append(row)
            print(
                f"\nepoch {row['epoch']} loss {row['loss']} val mIoU {row['val_miou'] or '-'}",
                file=sys.stderr,
                flush=True,
            )
            self.save()
            self.log()
            if last:
                return

    def log(self):
        temporary = self.out / ".log.csv.tmp"
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.history[0]))
            writer.writeheader()
            writer.writerows(self.history)
        os.replace(temporary, self.out / "log.csv")
        try:
            self.plot()
        except ImportError:
            pass  # no matplotlib: the CSV says it all

    def plot(self):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot as plt

        figure, axis = plt.subplots(figsize=(8, 4.5))
        axis.plot([r["epoch"] for r in self.history], [r["loss"] for r in self.history], color="tab:gray", label="loss")
        axis.set_xlabel("epoch")
        axis.set_ylabel("training loss")
        other = axis.twinx()
        measured = [r for r in self.history if r["val_miou"] != ""]
        other.plot(
            [r["epoch"] for r in measured], [r["val_miou"] for r in measured], "o-", color="tab:blue", label="val mIoU"
        )
        other.set_ylabel("val mIoU (averaged weights)")
        full = [r["epoch"] for r in self.history if r["height"] == self.config.input_size[0]]
        if full and len(full) < len(self.history):
            axis.axvline(full[0] - 0.5, color="tab:orange", linestyle="--", label="full size from here")
        figure.legend(loc="upper center", ncol=3)
        figure.savefig(self.out / ".curve.tmp.png", dpi=100, bbox_inches="tight")
        os.replace(self.out / ".curve.tmp.png", self.out / "curve.png")
        plt.close(figure)


def main(argv=None):
    args = arguments(argv)
    try:
        last = Path(args.out) / "last.pth"
        if last.exists() and not args.resume:
            raise TrainError(f"{last} exists: --resume goes on with it, another --out starts anew")
        trainer = Trainer(args)
        if args.resume and last.exists():
            trainer.restore(last)
            if trainer.history and trainer.plan[trainer.phase] == 0:
                print("nothing left to do", file=sys.stderr)
                return 0
        trainer.run()
    except (TrainError, ConfigError, DataError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"best_miou": trainer.best, "epochs": trainer.epoch, "hours": trainer.spent / 3600}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
