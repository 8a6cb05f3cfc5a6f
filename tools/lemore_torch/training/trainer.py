"""One training run: half size first, full size last; every random thing is drawn from (seed, epoch, image)."""

import datetime
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from .. import checkpoint, loading, networks, starting
from ..data import Augmentation, Labels, SegmentationSet, augment, load_label_map
from ..evaluation import evaluate
from ..fields import FieldError as ConfigError
from ..losses import class_weights, segmentation_loss
from ..networks.lemore import resample_operator
from .checks import check_classes
from .log import write_log

COUNTERS = (  # what a checkpoint holds beside tensors
    "phase", "epoch", "step", "steps_done", "progress", "spent", "best", "plan", "seconds_per_epoch", "losses",
    "history", "asked",
)  # fmt: skip


SETTLING = 16  # batches that give the norms of a converted file their statistics


class TrainError(RuntimeError):
    """One line for the user."""


def say(text):
    print(text, file=sys.stderr, flush=True)


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
    """A checkpoint of train.py (last.pth: plain tensors, numbers and lists). Nothing in the file is executed."""

    def tensors(value):
        if isinstance(value, np.ndarray):
            return torch.tensor(value)
        if isinstance(value, dict):
            return {key: tensors(item) for key, item in value.items()}
        return [tensors(item) for item in value] if isinstance(value, (list, tuple)) else value

    return tensors(checkpoint.read(path))


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

    def __init__(self, args, resumes=False):
        """`resumes`: restore() follows, so that --init need not be read."""
        self.args, self.out, self.device = args, Path(args.out), args.device
        self.mixed = torch.device(self.device).type == "cuda"
        self.out.mkdir(parents=True, exist_ok=True)
        if args.threads:
            torch.set_num_threads(args.threads)
        for kind in (np.float32, np.float64):
            np.finfo(kind).smallest_subnormal  # asked for before they are flushed, or numpy warns later
        torch.set_flush_denormal(True)
        torch.manual_seed(args.seed)
        if not self.mixed:
            hint_if_slow_blas()
        self.labels = Labels.load(args.labels)
        self.config, self.config_of = self.configuration()
        self.label_map = load_label_map(args.label_map, self.labels)
        self.check_config()
        self.train_set, self.val_set = (
            SegmentationSet(Path(args.data) / split, self.labels, self.label_map, args.pair, args.recursive)
            for split in ("train", "val")
        )
        self.notes = check_classes(self.train_set, self.val_set, self.label_map)
        for note in self.notes:
            say(f"warning: {note}")
        self.weights = class_weights(self.train_set.frequencies(), args.weight_power).to(self.device)
        self.steps_per_epoch = len(self.batches(list(range(len(self.train_set)))))
        self.plan = [args.epochs, args.full_epochs]  # epochs left in each phase, the running one included
        self.asked = None  # --epochs and --full-epochs of the command that ran last
        self.seconds_per_epoch = [None, None]
        self.phase, self.epoch, self.step, self.steps_done = -1, 0, 0, 0
        self.progress, self.spent, self.best = 0.0, 0.0, -1.0
        self.history, self.losses = [], []  # a row an epoch; the losses of the running epoch
        self.enter_phase(0 if args.epochs else 1)
        if args.init and not resumes:
            self.initialise()

    def configuration(self):
        """(the network's configuration, the file that it comes from), with --size."""
        path = self.args.config or self.args.init
        if self.args.config:
            config = loading.configuration(path, len(self.labels.names))
        else:
            config = loading.configuration_of(path, self.args.key, len(self.labels.names))
        if self.args.size:
            config = type(config).from_json({**config.to_json(), "input_size": list(self.args.size)})
        return config, path

    def check_config(self):
        where, size = self.config_of, self.config.input_size
        if self.config.is_classifier:
            raise TrainError(f"{where}: a classifier can't be trained on label maps")
        if self.config.num_classes != len(self.labels.names):
            raise TrainError(f"{where}: {self.config.num_classes} classes, but {self.args.labels}: {len(self.labels.names)}")
        if self.args.epochs and half_size(size) != tuple(n / 2 for n in size):
            near = "x".join(str(max(64, round(n / 64) * 64)) for n in size)
            raise TrainError(
                f"{where}: input_size {size[0]}x{size[1]} has no half in multiples of 32; take multiples of 64 "
                f"(--size {near}), or train at full size only (--epochs 0)"
            )

    # -- phases ------------------------------------------------------------------------------------------------

    def enter_phase(self, phase):
        """Makes model, averaged model and optimiser for the phase's size; carries over what there was."""
        size = self.config.input_size if phase == 1 else half_size(self.config.input_size)
        config = type(self.config).from_json({**self.config.to_json(), "input_size": list(size)})
        old = (self.model, self.ema, self.optimizer) if self.phase >= 0 else None
        self.phase, self.size = phase, size

        def make():
            return networks.of_config(config).Model(config).to(self.device, memory_format=torch.channels_last)

        self.model, self.ema = make(), make()
        for parameter in self.ema.parameters():
            parameter.requires_grad_(False)
        self.ema.load_state_dict(self.model.state_dict())
        if old:
            self.model.load_state_dict(resample_state(old[0].state_dict(), self.model))
            self.ema.load_state_dict(resample_state(old[1].state_dict(), self.ema))
        decay = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": decay, "weight_decay": self.args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.args.lr)
        if old:  # moments go along, except those of resampled operators
            for new, before in zip(self.model.parameters(), old[0].parameters()):
                if new.shape == before.shape and before in old[2].state:
                    self.optimizer.state[new] = old[2].state[before]
        self.scaler = torch.cuda.amp.GradScaler(enabled=self.mixed)

    def initialise(self):
        """The weights of --init in both models. Those of a converted file have no statistics of their own: they get
        those of a few batches."""
        path, key = self.args.init, self.args.key
        say(starting.initialise(self.model, path, key))
        if loading.read(path, key).folded:
            order = self.epoch_order()
            starting.settle_norms(self.model, (self.batch(indices)[0] for indices in self.batches(order)[:SETTLING]))
        self.ema.load_state_dict(self.model.state_dict())

    # -- checkpoints -------------------------------------------------------------------------------------------

    def state(self):
        counters = {name: getattr(self, name) for name in COUNTERS}
        return {
            "format": "lemore-train", "config": self.model.config.to_json(), "labels": self.labels.to_json(),
            "state_dict": self.ema.state_dict(), "model_now": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
            "counters": counters,
            "rng": torch.get_rng_state(), "batch": self.args.batch, "seed": self.args.seed,
            "final_size": list(self.config.input_size), "images": len(self.train_set),
            "label_map": self.label_map.to_json() if self.label_map else None,
        }  # fmt: skip

    def save(self):
        save_atomically(self.state(), self.out / "last.pth")

    def restore(self, path):
        value = load_checkpoint(path)
        if not isinstance(value, dict) or value.get("format") != "lemore-train":
            raise TrainError(f"{path}: not a checkpoint of train.py")
        try:
            self.check_same_run(path, value)
            counters = value["counters"]
            if counters["phase"] != self.phase:
                self.enter_phase(counters["phase"])
            self.model.load_state_dict(value["model_now"])
            self.ema.load_state_dict(value["state_dict"])
            self.optimizer.load_state_dict(value["optimizer"])
            self.scaler.load_state_dict(value["scaler"])
            for name, counter in counters.items():
                if name in COUNTERS:
                    setattr(self, name, counter)
            torch.set_rng_state(value["rng"])
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, (TrainError, ConfigError)):
                raise
            text = str(error).strip().split("\n")[0]
            raise TrainError(f"{path}: damaged, or of another version ({type(error).__name__}: {text})") from None

    def check_same_run(self, path, value):
        """What must not change while a run goes on."""
        args, labels = self.args, Labels.from_json(value["labels"])
        for name in ("batch", "seed"):
            if value[name] != getattr(args, name):
                raise TrainError(f"{path}: was made with --{name} {value[name]}, not {getattr(args, name)}")
        final = {**value["config"], "input_size": list(value.get("final_size", self.config.input_size))}
        if final != self.config.to_json():
            raise TrainError(f"{path}: was made with another configuration than {self.config_of}")
        for what, before, now in (
            ("classes", labels.names, self.labels.names),
            ("ignore_label", labels.ignore_label, self.labels.ignore_label),
            ("annotation_offset", labels.annotation_offset, self.labels.annotation_offset),
        ):
            if before != now:
                raise TrainError(f"{args.labels}: {what} {before} when the run began, now {now}; another --out starts anew")
        if value.get("label_map") != (self.label_map.to_json() if self.label_map else None):
            raise TrainError(f"{path}: was made with another --label-map, or with none; another --out starts anew")
        if value.get("images", len(self.train_set)) != len(self.train_set):
            text = f"{value['images']} training images when the run began, now {len(self.train_set)}"
            if value["counters"]["step"]:  # the order of the running epoch is another one
                raise TrainError(f"{args.data}: {text}; another --out starts anew")
            say(f"warning: {text}")

    def has_work(self):
        """Whether epochs are left; a finished run that is asked for more gets a schedule for them. Says what it does."""
        if not self.history or self.step or self.epochs_left():
            return True
        done, wanted = self.epochs_done(), (self.args.epochs, self.args.full_epochs)
        more = [max(0, want - asked) for want, asked in zip(wanted, self.asked or done)]
        anew = f"--init {self.out / 'best.pth'} with another --out starts anew from its weights"
        if not any(more):
            say(f"nothing left to do: the run is finished, {done[0]} epochs at half size and {done[1]} at full size; "
                f"--full-epochs {wanted[1] + 10} would go on for 10 more, {anew}")  # fmt: skip
            return False
        if self.phase == 1 and not more[1]:
            raise TrainError(f"{self.out / 'last.pth'}: the run is finished at full size, so that half-size epochs can't "
                             f"be added: ask for more --full-epochs ({done[1]} are done), or {anew}")  # fmt: skip
        if self.phase == 0 and not more[0]:
            self.best = -1.0
            self.enter_phase(1)
        self.make_plan()
        left = self.epochs_left()
        self.progress = self.epoch / (self.epoch + left)
        dropped = "; half-size epochs can't be added any more" if self.phase == 1 and more[0] else ""
        say(f"the run was finished after {self.epoch} epochs: goes on for {left} more at a learning rate of "
            f"{self.rate():.2e}{dropped}")  # fmt: skip
        return True

    def result(self):
        """What is printed at the end."""
        notes = {"warnings": self.notes} if self.notes else {}
        return {"best_miou": self.best, "epochs": self.epoch, "hours": self.spent / 3600, **notes}

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
        try:
            with torch.autocast(torch.device(self.device).type, enabled=self.mixed):
                logits = self.model(images)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise TrainError(
                f"one image a step at {self.size[0]}x{self.size[1]}: the deepest maps are one pixel, and BatchNorm "
                "needs two values; take --batch 2 (and two images) or more, or a larger input_size"
            ) from None
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

    def epochs_done(self):
        """At half size and at full size."""
        full = sum((row["height"], row["width"]) == tuple(self.config.input_size) for row in self.history)
        return [len(self.history) - full, full]

    def make_plan(self):
        """Epochs still to do in each phase; fewer in both, in proportion, when the deadline asks for it."""
        done = self.epochs_done()
        self.plan = [max(0, want - have) for want, have in zip((self.args.epochs, self.args.full_epochs), done)]
        if self.phase == 1:
            self.plan[0] = 0
        measured = self.seconds_per_epoch[self.phase]
        if self.args.deadline is not None and measured is not None:
            ratio = np.prod(self.config.input_size) / np.prod(half_size(self.config.input_size))
            full_cost = self.seconds_per_epoch[1] or measured * ratio * 1.05
            half_cost = measured if self.phase == 0 else 0
            left = self.args.deadline - time.time()
            share = max(0.0, left / max(1e-9, self.plan[1] * full_cost + self.plan[0] * half_cost))
            if share < 1:
                self.plan[1] = int(self.plan[1] * share)
                if self.phase == 0:
                    self.plan[0] = int(max(0.0, left - self.plan[1] * full_cost) / measured)
        self.plan[self.phase] = max(1, self.plan[self.phase])

    def epoch_order(self):
        return np.random.default_rng((self.args.seed, self.epoch)).permutation(len(self.train_set)).tolist()

    def batches(self, order):
        """The images of each step. A last one alone joins those before it: BatchNorm can't do with one of one pixel."""
        size = self.args.batch
        parts = [order[i : i + size] for i in range(0, len(order), size)]
        if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [parts[-2] + parts[-1]]
        return parts

    def run_epoch(self):
        parts, began, images = self.batches(self.epoch_order()), time.time(), 0
        losses, shown, first = self.losses, 0.0, self.step
        while self.step < self.steps_per_epoch:
            step_began = time.time()
            indices = parts[self.step]
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
        self.asked = [self.args.epochs, self.args.full_epochs]
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
            measured = f" val mIoU {row['val_miou']}" if row["val_miou"] != "" else ""
            say(f"{chr(13) + chr(27) + '[K' if sys.stderr.isatty() else ''}epoch {row['epoch']} loss {row['loss']}{measured}")
            self.save()
            write_log(self.out, self.history, self.config.input_size[0])
            if last:
                return
