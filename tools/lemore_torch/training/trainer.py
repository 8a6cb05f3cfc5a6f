"""One training run, phase by phase; every random thing is drawn from (seed, epoch, place in the epoch)."""

import datetime
import hashlib
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from .. import checkpoint, loading, networks, starting
from ..data import Labels, load_label_map
from ..evaluation import evaluate
from ..fields import FieldError as ConfigError
from ..losses import class_weights, cross_entropy, distillation_loss, sampled, segmentation_loss
from ..networks.lemore import resample_operator
from . import recipe as recipes
from .augmentation import augment
from .checks import check_classes
from .log import write_log
from .sets import Mixture, PreparedSet, SegmentationSet

COUNTERS = (  # what a checkpoint holds beside tensors
    "phase", "epoch", "step", "steps_done", "progress", "spent", "spent_cpu", "best", "plan", "seconds_per_epoch",
    "losses",
    "history", "asked", "done",
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


class Auxiliary(torch.nn.Module):
    """A classifier on each stage but the first, whose losses teach the stages while training; no part of the
    network."""

    def __init__(self, config):
        super().__init__()
        self.heads = torch.nn.ModuleList(torch.nn.Conv2d(s.channels, config.num_classes, 1) for s in config.stages[1:])
        self.outputs = []

    def watch(self, model):
        """From now on `outputs` holds what the stages of `model` made of the last batch."""

        def keep(_module, _inputs, output):
            self.outputs.append(output)

        model.register_forward_pre_hook(lambda *_: self.outputs.clear())
        for stage in model.stages[1:]:
            stage.register_forward_hook(keep)

    def loss(self, target, weights):
        """The mean of their cross entropies, each at its own stride."""
        losses = []
        for head, features in zip(self.heads, self.outputs):
            stride = target.shape[1] // features.shape[2]
            losses.append(cross_entropy(head(features).float(), sampled(target, stride, features.shape[2:]), weights))
        self.outputs.clear()
        return sum(losses) / len(losses)


class Steps(Dataset):
    """The batches of an epoch's steps, for a DataLoader."""

    def __init__(self, trainer, parts):
        self.trainer, self.parts = trainer, parts

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.trainer.batch(self.parts[index])


class Trainer:
    """One run. What a checkpoint holds is in `state()`; everything random is drawn from (seed, epoch, place in it)."""

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
        given = args.recipe and recipes.from_json(args.recipe, args.config)
        torch.manual_seed(given.seed if given else args.seed)
        if not self.mixed:
            hint_if_slow_blas()
        self.labels = Labels.from_json(args.recipe["labels"]) if given else Labels.load(args.labels)
        self.config, self.config_of = self.configuration(given)
        self.label_map = None if given else load_label_map(args.label_map, self.labels)
        self.check_config(given)
        self.recipe = given or recipes.from_options(args, half_size(self.config.input_size), self.config.input_size)
        self.phases = self.recipe.phases
        self.train_set, self.val_sets = self.read_sets()
        self.notes = check_classes(self.train_set, next(iter(self.val_sets.values())), self.label_map)
        for note in self.notes:
            say(f"warning: {note}")
        frequencies = self.train_set.frequencies(dict.fromkeys(self.train_set.sets, 1.0)).numpy()
        self.rarity = np.where(frequencies > 0, np.sqrt(1 / np.maximum(frequencies, 1e-9)), 0.0)
        self.teacher, self.teacher_key = self.read_teacher()
        self.gains = torch.ones(len(self.labels.names))
        for name, factor in self.recipe.distillation.gains.items():
            self.gains[self.labels.names.index(name)] = factor
        self.steps_per_epoch = len(self.batches(list(range(self.recipe.epoch_images or len(self.train_set)))))
        self.plan = [phase.epochs for phase in self.phases]  # epochs left in each phase, the running one included
        self.done = [0] * len(self.phases)
        self.asked = None  # the epochs of each phase in the command that ran last
        self.seconds_per_epoch = [None] * len(self.phases)
        self.phase, self.epoch, self.step, self.steps_done = -1, 0, 0, 0
        self.progress, self.spent, self.spent_cpu, self.best = 0.0, 0.0, 0.0, -1.0
        self.history, self.losses = [], []  # a row an epoch; the losses of the running epoch
        self.auxiliary = None
        self.enter_phase(next(i for i, epochs in enumerate(self.plan) if epochs))
        if args.init and not resumes:
            self.initialise()

    def read_sets(self):
        """(all that is trained on, the validation sets by name, the one that chooses first)."""
        args, recipe = self.args, self.recipe
        if not args.recipe:
            train, val = (
                SegmentationSet(Path(args.data) / split, self.labels, self.label_map, args.pair, args.recursive)
                for split in ("train", "val")
            )
            return Mixture({"": train}, self.labels), {"": val}
        used = [n for n in recipe.sets if any(p.epochs and p.sets.get(n) for p in self.phases)]

        def prepared(name, split):
            return PreparedSet(name, args.data, recipe.sets[name], self.labels, split, args.cache or self.out / "cache")

        train = Mixture({name: prepared(name, "train") for name in used}, self.labels)
        return train, {name: prepared(name, "val") for name in recipe.validate}

    def read_teacher(self):
        """(the network to learn from, a digest of its file), or nothing."""
        path = self.recipe.distillation.teacher
        if not path or not self.recipe.distillation.weight:
            return None, None
        trained = loading.load(path)
        if trained.labels.names != self.labels.names:
            raise TrainError(f"{path}: its classes are not those of {self.args.config}")
        model = trained.model.to(self.device, memory_format=torch.channels_last).eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        return model, hashlib.sha256(Path(path).read_bytes()).hexdigest()

    def configuration(self, given):
        """(the network's configuration, the file that it comes from), at the size of the end."""
        path = args_path = self.args.config or self.args.init
        if given:
            path = self.args.recipe["network"]
        if self.args.config:
            config = loading.configuration(path, len(self.labels.names))
        else:
            config = loading.configuration_of(path, self.args.key, len(self.labels.names))
        size = given.phases[-1].size if given else self.args.size
        if size:
            config = type(config).from_json({**config.to_json(), "input_size": list(size)})
        return config, args_path

    def check_config(self, given):
        where, size = self.config_of, self.config.input_size
        if self.config.is_classifier:
            raise TrainError(f"{where}: a classifier can't be trained on label maps")
        if self.config.num_classes != len(self.labels.names):
            raise TrainError(f"{where}: {self.config.num_classes} classes, but "
                             f"{self.args.labels or 'its labels'}: {len(self.labels.names)}")  # fmt: skip
        if given:
            if given.loss.deep and not isinstance(getattr(self.config, "stages", None), list):
                raise TrainError(f"{where}: loss.deep is for networks with stages, LeMoRe's")
        elif self.args.epochs and half_size(size) != tuple(n / 2 for n in size):
            near = "x".join(str(max(64, round(n / 64) * 64)) for n in size)
            raise TrainError(
                f"{where}: input_size {size[0]}x{size[1]} has no half in multiples of 32; take multiples of 64 "
                f"(--size {near}), or train at full size only (--epochs 0)"
            )

    # -- phases ------------------------------------------------------------------------------------------------

    def enter_phase(self, phase):
        """Makes model, averaged model and optimiser for the phase's size; carries over what there was."""
        size, recipe = self.phases[phase].size, self.recipe
        config = type(self.config).from_json({**self.config.to_json(), "input_size": list(size)})
        old = (self.model, self.ema, self.optimizer) if self.phase >= 0 else None
        self.phase, self.size = phase, tuple(size)
        frequencies = self.train_set.frequencies(self.phases[phase].sets)
        self.weights = class_weights(frequencies, recipe.loss.weight_power, recipe.loss.weight_cap).to(self.device)

        def make():
            return networks.of_config(config).Model(config).to(self.device, memory_format=torch.channels_last)

        self.model, self.ema = make(), make()
        for parameter in self.ema.parameters():
            parameter.requires_grad_(False)
        self.ema.load_state_dict(self.model.state_dict())
        if old:
            self.model.load_state_dict(resample_state(old[0].state_dict(), self.model))
            self.ema.load_state_dict(resample_state(old[1].state_dict(), self.ema))
        extra = []
        if recipe.loss.deep:
            self.auxiliary = self.auxiliary or Auxiliary(config).to(self.device)
            self.auxiliary.watch(self.model)
            extra = list(self.auxiliary.parameters())
        trained = [*self.model.parameters(), *extra]
        decay = [p for p in trained if p.ndim > 1]
        plain = [p for p in trained if p.ndim <= 1]
        groups = [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
        if old:  # moments go along, except those of resampled operators
            for new, before in zip(trained, [*old[0].parameters(), *extra]):
                if new.shape == before.shape and before in old[2].state:
                    self.optimizer.state[new] = old[2].state[before]
        self.scaler = torch.cuda.amp.GradScaler(enabled=self.mixed)

    def initialise(self):
        """The weights of --init in both models. Those of a converted file have no statistics of their own: they get
        those of a few batches."""
        path, key = self.args.init, self.args.key
        say(starting.initialise(self.model, path, key))
        if loading.read(path, key).folded:
            parts = self.batches(self.epoch_order())[:SETTLING]
            starting.settle_norms(self.model, (batch["images"] for batch in self.batches_of(parts)))
        self.ema.load_state_dict(self.model.state_dict())

    # -- checkpoints -------------------------------------------------------------------------------------------

    def state(self):
        counters = {name: getattr(self, name) for name in COUNTERS}
        return {
            "format": "lemore-train", "config": self.model.config.to_json(), "labels": self.labels.to_json(),
            "state_dict": self.ema.state_dict(), "model_now": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
            "counters": counters,
            "auxiliary": self.auxiliary.state_dict() if self.auxiliary else {},
            "rng": torch.get_rng_state(), "batch": self.recipe.batch, "seed": self.recipe.seed,
            "recipe": self.recipe.source, "teacher": self.teacher_key,
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
            if self.auxiliary:
                self.auxiliary.load_state_dict(value["auxiliary"])
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
        if (value["recipe"] is None) != (self.recipe.source is None):
            how = "without a" if self.recipe.source else "with a"
            raise TrainError(f"{path}: was made {how} recipe; another --out starts anew")
        if value["recipe"] != self.recipe.source:
            text = recipes.differences(value["recipe"], self.recipe.source)
            raise TrainError(f"{path}: was made with another recipe ({text}); another --out starts anew")
        if value["teacher"] != self.teacher_key:
            raise TrainError(f"{self.recipe.distillation.teacher}: is not the teacher that the run began with")
        for name in ("batch", "seed"):
            if value[name] != getattr(self.recipe, name):
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
                where = args.labels or args.config
                raise TrainError(f"{where}: {what} {before} when the run began, now {now}; another --out starts anew")
        if value.get("label_map") != (self.label_map.to_json() if self.label_map else None):
            raise TrainError(f"{path}: was made with another --label-map, or with none; another --out starts anew")
        if value.get("images", len(self.train_set)) != len(self.train_set):
            text = f"{value['images']} training images when the run began, now {len(self.train_set)}"
            if value["counters"]["step"]:  # the order of the running epoch is another one
                raise TrainError(f"{args.data}: {text}; another --out starts anew")
            say(f"warning: {text}")

    def has_work(self):
        """Whether epochs are left; a finished run that is asked for more gets a schedule for them. Says what it
        does."""
        if not self.history or self.step or self.epochs_left():
            return True
        if self.recipe.source:
            say(f"nothing left to do: the run is finished, {sum(self.done)} epochs; another --out starts anew")
            return False
        done, wanted = self.done, [phase.epochs for phase in self.phases]
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
        warm = min(1.0, (self.steps_done + 1) / max(1, self.recipe.warmup))
        return self.recipe.lr * self.phase_lr() * warm * max(0.0, 1 - self.progress) ** self.recipe.power

    def phase_lr(self):
        return self.phases[self.phase].lr

    def batch(self, part):
        """The images of a step and what belongs to them: tensors by name. `part`: [(place in the epoch, set,
        index)]."""
        settings = replace(self.recipe.augmentation, scale=tuple(self.phases[self.phase].scale))
        patches, trust = [], []
        for place, name, index in part:
            generator = np.random.default_rng((self.recipe.seed, self.epoch, place))
            patch = augment(self.train_set.sample(name, index), self.size, settings, generator, self.rarity)
            patches.append(patch)
            trust.append(self.trust_of(name, patch))
        out = {"images": torch.stack([p.image for p in patches]), "targets": torch.stack([p.label for p in patches])}
        if any(t is not None for t in trust):
            out["trust"] = torch.stack([torch.ones(self.size) if t is None else t for t in trust])
        if not self.recipe.distillation.teacher and any(p.soft is not None for p in patches):
            none = torch.zeros_like(next(p.soft for p in patches if p.soft is not None))
            soft = torch.stack([none if p.soft is None else p.soft for p in patches]) * self.gains[:, None, None]
            out["soft"] = soft / soft.sum(1, keepdim=True).clamp(min=1e-6)
        return out

    def batches_of(self, parts):
        """The batch of each part, made ahead by --workers processes where there are any."""
        made = map(self.batch, parts)
        if self.args.workers:
            made = DataLoader(Steps(self, parts), batch_size=None, num_workers=self.args.workers, pin_memory=self.mixed,
                              generator=torch.Generator())  # fmt: skip
        for batch in made:
            batch = {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()}
            yield {**batch, "images": batch["images"].contiguous(memory_format=torch.channels_last)}

    def trust_of(self, name, patch):
        """Weight of each pixel: its trust times its class's factor in that set; none where all count alike."""
        source = self.recipe.sets.get(name)
        if source is None or not (source.class_weights or (source.trust and self.recipe.loss.trust)):
            return None
        out = patch.trust.float() / 255 if self.recipe.loss.trust else torch.ones(patch.label.shape)
        if source.class_weights:
            factors = torch.ones(256)
            for class_name, factor in source.class_weights.items():
                factors[self.labels.names.index(class_name)] = factor
            out = out * factors[patch.label.long()]
        return out

    def loss_of(self, logits, batch):
        loss, distillation = self.recipe.loss, self.recipe.distillation
        out = segmentation_loss(logits, batch["targets"], self.weights, loss.stride, loss.lovasz, loss.hard,
                                batch.get("trust"), loss.boundary)  # fmt: skip
        if self.auxiliary:
            out = out + loss.deep * self.auxiliary.loss(batch["targets"], self.weights)
        soft = batch.get("soft")
        if self.teacher is not None:
            with torch.no_grad():
                soft = self.teacher(batch["images"]).float().softmax(1)
        if distillation.weight and soft is not None:
            out = out + distillation.weight * distillation_loss(logits, soft, batch["targets"], distillation.agreeing)
        return out

    def update(self, batch):
        """One optimiser step; returns the loss."""
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        try:
            with torch.autocast(torch.device(self.device).type, enabled=self.mixed):
                logits = self.model(batch["images"])
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise TrainError(
                f"one image a step at {self.size[0]}x{self.size[1]}: the deepest maps are one pixel, and BatchNorm "
                "needs two values; take --batch 2 (and two images) or more, or a larger input_size"
            ) from None
        loss = self.loss_of(logits.float(), batch)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        decay = min(self.recipe.ema, (1 + self.steps_done) / (10 + self.steps_done))
        with torch.no_grad():
            source = self.model.state_dict()
            for name, value in self.ema.state_dict().items():
                value.lerp_(source[name], 1 - decay) if value.is_floating_point() else value.copy_(source[name])
        return float(loss.detach())

    def epochs_left(self):
        return sum(self.plan[self.phase :])

    def epochs_to_the_end(self):
        """Epochs over which the learning rate falls: those left up to the next phase that restarts it."""
        after = range(self.phase + 1, len(self.phases))
        end = next((i for i in after if self.phases[i].restarts and self.plan[i]), len(self.phases))
        return sum(self.plan[self.phase : end])

    def make_plan(self):
        """Epochs still to do in each phase; fewer in all, in proportion, when the deadline asks for it."""
        now = self.phase
        self.plan = [max(0, phase.epochs - done) for phase, done in zip(self.phases, self.done)]
        self.plan[:now] = [0] * now
        measured = self.seconds_per_epoch[now]
        if self.args.deadline is not None and measured is not None:
            costs = [self.seconds_per_epoch[i] or measured * np.prod(phase.size) / np.prod(self.size) * 1.05
                     for i, phase in enumerate(self.phases)]  # fmt: skip
            costs[now] = measured
            left = self.args.deadline - time.time()
            share = max(0.0, left / max(1e-9, sum(count * cost for count, cost in zip(self.plan, costs))))
            if share < 1:
                later = range(now + 1, len(self.plan))
                for i in later:
                    self.plan[i] = int(self.plan[i] * share)
                self.plan[now] = int(max(0.0, left - sum(self.plan[i] * costs[i] for i in later)) / measured)
        self.plan[now] = max(1, self.plan[now])

    def epoch_order(self):
        """[(place, set, index)] of the running epoch."""
        generator = np.random.default_rng((self.recipe.seed, self.epoch))
        count = self.recipe.epoch_images or len(self.train_set)
        order = self.train_set.order(self.phases[self.phase].sets, count, self.recipe.balance, generator)
        return [(place, *image) for place, image in enumerate(order)]

    def batches(self, order):
        """The images of each step. A last one alone joins those before it: BatchNorm can't do with one of one pixel."""
        size = self.recipe.batch
        parts = [order[i : i + size] for i in range(0, len(order), size)]
        if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [parts[-2] + parts[-1]]
        return parts

    def run_epoch(self):
        parts, began, images = self.batches(self.epoch_order()), time.time(), 0
        losses, shown, first = self.losses, 0.0, self.step
        step_began, cpu_began = time.time(), time.process_time()
        for batch in self.batches_of(parts[first:]):
            losses.append(self.update(batch))
            if not math.isfinite(losses[-1]):
                raise TrainError(f"loss is {losses[-1]} at epoch {self.epoch}, step {self.step}: lower --lr")
            images += len(batch["images"])
            steps_left = self.epochs_to_the_end() * self.steps_per_epoch - self.step
            self.progress += (1 - self.progress) / steps_left
            self.step += 1
            self.steps_done += 1
            self.spent += time.time() - step_began
            self.spent_cpu += time.process_time() - cpu_began
            if time.time() - shown > (0.5 if sys.stderr.isatty() else 30):
                shown = time.time()
                self.show(losses, images / (shown - began))
            if self.step % self.recipe.save_every == 0 and self.step < self.steps_per_epoch:
                self.save()
            step_began, cpu_began = time.time(), time.process_time()
        if first == 0:
            took, before = time.time() - began, self.seconds_per_epoch[self.phase]
            self.seconds_per_epoch[self.phase] = took if before is None else 0.6 * before + 0.4 * took
        return sum(losses) / len(losses), images / max(1e-9, time.time() - began)

    def show(self, losses, speed):
        recent = losses[-20:]
        pace = self.seconds_per_epoch[self.phase] or self.steps_per_epoch * self.recipe.batch / speed
        left = pace * (self.plan[self.phase] - self.step / self.steps_per_epoch)
        for i in range(self.phase + 1, len(self.phases)):
            ratio = np.prod(self.phases[i].size) / np.prod(self.size)
            left += self.plan[i] * (self.seconds_per_epoch[i] or pace * ratio)
        line = (f"epoch {self.epoch + 1}/{self.epoch + self.epochs_left()} step {self.step}/{self.steps_per_epoch} "
                f"{self.size[0]}x{self.size[1]} loss {sum(recent) / len(recent):.4f} lr {self.rate():.2e} "
                f"{speed:.1f} images/s left {datetime.timedelta(seconds=int(left))}")  # fmt: skip
        print(f"\r{line}\033[K" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    # -- the whole run -----------------------------------------------------------------------------------------

    def validate(self):
        """Figures of the averaged weights by validation set; those that are best on the first set are kept."""
        results = {name: evaluate(self.ema, val.items(), self.labels.names, self.size, self.device)
                   for name, val in self.val_sets.items()}  # fmt: skip
        result = next(iter(results.values()))
        if result["miou"] > self.best:
            self.best = result["miou"]
            metrics = {k: result[k] for k in ("miou", "mean_accuracy", "pixel_accuracy", "classes")}
            metrics.update(split="val", epochs=self.epoch, hours=round(self.spent / 3600, 3), device=self.device)
            save_atomically(
                {"state_dict": self.ema.state_dict(), "config": self.ema.config.to_json(),
                 "labels": self.labels.to_json(), "metrics": metrics}, self.out / "best.pth",
            )  # fmt: skip
        return results

    def run(self):
        self.asked = [phase.epochs for phase in self.phases]
        while True:
            self.make_plan()
            loss, speed = self.run_epoch()
            self.losses = []
            size = list(self.size)
            rate = self.rate()
            self.epoch, self.step = self.epoch + 1, 0
            self.plan[self.phase] -= 1
            self.done[self.phase] += 1
            row = {
                "epoch": self.epoch, "phase": self.phases[self.phase].name, "height": size[0], "width": size[1],
                "loss": round(loss, 5), "lr": round(rate, 8), "images_per_s": round(speed, 2),
                "hours": round(self.spent / 3600, 4), "cpu_hours": round(self.spent_cpu / 3600, 4),
                "val_miou": "", "val_accuracy": "",
            }  # fmt: skip
            others = list(self.val_sets)[1:]
            row.update({f"{name}_miou": "" for name in others})
            last = self.plan[self.phase] == 0
            if last or self.epoch % self.recipe.val_every == 0:
                results = self.validate()
                first = next(iter(results.values()))
                row.update(val_miou=round(first["miou"], 5), val_accuracy=round(first["pixel_accuracy"], 5))
                row.update({f"{name}_miou": round(results[name]["miou"], 5) for name in others})
            following = next((i for i in range(self.phase + 1, len(self.phases)) if self.plan[i]), None)
            if last and following is not None:
                if tuple(self.phases[following].size) != self.size:
                    self.best = -1.0  # from here on the best is the best at this size
                self.enter_phase(following)
                if self.phases[following].restarts:
                    self.progress = 0.0
                last = False
            self.history.append(row)
            measured = f" val mIoU {row['val_miou']}" if row["val_miou"] != "" else ""
            say(
                f"{chr(13) + chr(27) + '[K' if sys.stderr.isatty() else ''}epoch {row['epoch']} loss {row['loss']}{measured}"
            )
            self.save()
            write_log(self.out, self.history)
            if last:
                return
