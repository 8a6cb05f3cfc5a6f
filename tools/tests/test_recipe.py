"""Recipes: each ingredient does what it says, a killed run ends as an undisturbed one, wrong ones are refused."""

import copy
import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import toy
from conftest import TOOLS
from PIL import Image

import ablation
import convert
import train
from lemore_torch import fields
from lemore_torch.data import Labels
from lemore_torch.loading import CONFIGS, configuration, named_config
from lemore_torch.losses import cross_entropy, distillation_loss, edges, segmentation_loss
from lemore_torch.networks.lemore import LeMoRe, count_macs
from lemore_torch.training import log, recipe
from lemore_torch.training.augmentation import Augmentation, Sample, augment
from lemore_torch.training.options import arguments
from lemore_torch.training.sets import Mixture, PreparedSet
from lemore_torch.training.trainer import Trainer, load_checkpoint

import torch

PLAIN = Augmentation((1.0, 1.0), color=0.0, sharpness=0.0, flip=False)
HALF, FULL = [32, 32], [64, 64]


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    monkeypatch.setattr(log, "_plot", lambda *_: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two toy data sets: `own` with a teacher's probabilities, `other` in one folder with a split file and trust."""
    root = tmp_path_factory.mktemp("data")
    toy.write(root / "own", train=6, val=2)
    (root / "own-soft").mkdir()
    for path in (root / "own" / "train" / "labels").iterdir():
        label = np.array(Image.open(path))[::8, ::8]
        probability = np.full((4, 8, 8), 30, np.uint8)
        np.put_along_axis(probability, np.minimum(label, 3)[None], 165, 0)
        np.savez(root / "own-soft" / f"{path.stem}.npz", prob=probability)
    generator, lines = np.random.default_rng(5), []
    for kind in ("images", "labels", "confidence"):
        (root / "other" / kind).mkdir(parents=True)
    for i in range(5):
        image, label = toy.draw(generator)
        Image.fromarray(image).resize((48, 64)).save(root / "other" / "images" / f"wide_{i}.png")
        label = np.array(Image.fromarray(label).resize((48, 64), Image.Resampling.NEAREST))
        Image.fromarray(label).save(root / "other" / "labels" / f"wide_{i}.png")
        Image.fromarray(np.where(label == 255, 0, 128).astype(np.uint8)).save(
            root / "other" / "confidence" / f"wide_{i}.png"
        )
        lines.append(f"wide_{i}\t{'val' if i == 4 else 'train'}")
    (root / "other" / "split.txt").write_text("\n".join(lines) + "\n")
    (root / "network.json").write_text(json.dumps(toy.CONFIG))
    return root


@pytest.fixture
def value(data):
    """A recipe with every ingredient."""
    labels = {"classes": [{"name": n, "color": list(c)} for n, c in zip(toy.NAMES, toy.COLORS)]}
    return {
        "recipe": "toy", "network": str(data / "network.json"), "labels": labels,
        "sets": {"own": {"folder": "own", "soft": "own-soft"},
                 "other": {"folder": "other", "split": "split.txt", "trust": "confidence", "aspect": {"wide_": 1.0},
                           "class_weights": {"disc": 0.5}}},
        "validate": ["own", "other"], "epoch_images": 12,
        "phases": [{"name": "a", "size": HALF, "epochs": 2, "sets": {"own": 1, "other": 1}, "restarts": True},
                   {"name": "b", "size": HALF, "epochs": 1, "sets": {"own": 1}, "lr": 0.3, "restarts": True},
                   {"name": "c", "size": FULL, "epochs": 1, "sets": {"own": 1}, "lr": 0.3}],
        "augmentation": {"scale": [0.5, 2.0], "stretch": 0.3, "color": 0.3, "sharpness": 1.0, "blur": 0.5, "jpeg": 0.5,
                         "rare_crop": 0.5, "cutout": 0.5, "antialias": 0.5},
        "loss": {"weight_power": 0.5, "weight_cap": 3, "lovasz": 0.5, "boundary": 1.0, "deep": 0.4},
        "distillation": {"weight": 0.3, "gains": {"disc": 2}}, "balance": 0.5, "batch": 4, "warmup": 2, "val_every": 2,
        "save_every": 1,
    }  # fmt: skip


def command(value, data, out, *more):
    path = out.parent / "recipe.json"
    path.write_text(json.dumps(value))
    return ["--config", str(path), "--data", str(data), "--out", str(out), "--cache", str(data / "cache"), "--threads",
            "1",
            "--device", "cpu", *more]  # fmt: skip


def trainer(value, data, out, *more):
    return Trainer(arguments("", command(value, data, out, *more)))


# -- the run --------------------------------------------------------------------------------------------------------


def test_killed_and_resumed_is_the_same(value, data, tmp_path):
    assert train.main(command(value, data, tmp_path / "whole")) == 0
    broken = tmp_path / "broken"
    for steps in (2, 7, 10):  # inside each phase
        process = subprocess.Popen([sys.executable, str(TOOLS / "train.py"), *command(value, data, broken, "--resume")],
                                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
        until, last = time.time() + 120, broken / "last.pth"
        while time.time() < until and process.poll() is None:
            if last.exists() and load_checkpoint(last)["counters"]["steps_done"] >= steps:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert train.main(command(value, data, broken, "--resume")) == 0
    assert train.main(command(value, data, broken, "--resume")) == 0  # nothing left to do
    one, other = (load_checkpoint(tmp_path / name / "last.pth") for name in ("whole", "broken"))
    for key in ("state_dict", "model_now", "auxiliary"):
        assert one[key] and one[key].keys() == other[key].keys()
        assert all(torch.equal(tensor, other[key][name]) for name, tensor in one[key].items())
    with open(tmp_path / "whole" / "log.csv") as file, open(broken / "log.csv") as again:
        rows, others = list(csv.DictReader(file)), list(csv.DictReader(again))
    assert [r["phase"] for r in rows] == ["a", "a", "b", "c"] and [r["height"] for r in rows] == ["32"] * 3 + ["64"]
    for name in ("loss", "lr", "val_miou", "other_miou"):
        assert [r[name] for r in rows] == [r[name] for r in others], name
    assert rows[1]["other_miou"] and not rows[0]["val_miou"]
    assert convert.main([str(broken / "best.pth"), "-o", str(tmp_path / "m.safetensors"), "--license", "x"]) == 0


def test_workers_change_nothing(value, data, tmp_path):
    value["phases"] = [{**value["phases"][0], "epochs": 1}]
    assert train.main(command(value, data, tmp_path / "none")) == 0
    assert train.main(command(value, data, tmp_path / "two", "--workers", "2")) == 0
    one, other = (load_checkpoint(tmp_path / name / "last.pth")["model_now"] for name in ("none", "two"))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_learning_rate_restarts(value, data, tmp_path):
    value.update(warmup=0, epoch_images=4)
    assert train.main(command(value, data, tmp_path / "run")) == 0
    rates = [row["lr"] for row in load_checkpoint(tmp_path / "run" / "last.pth")["counters"]["history"]]
    assert rates[0] > rates[1] == 0 and rates[3] == 0
    assert rates[2] == pytest.approx(2e-3 * 0.3 * 0.5**0.9, rel=1e-4)  # half of phases b and c is over


def test_a_recipe_that_changed_since(value, data, tmp_path, capsys):
    value["phases"] = value["phases"][:1]
    assert train.main(command(value, data, tmp_path / "run")) == 0
    capsys.readouterr()
    assert train.main(command(value, data, tmp_path / "run", "--resume", "--set", "loss.deep=0")) == 1
    assert "loss.deep: 0.4 then, 0 now" in capsys.readouterr().err


def test_taught_by_another_network(value, data, tmp_path, capsys):
    value["phases"] = value["phases"][:1]
    assert train.main(command(value, data, tmp_path / "teacher")) == 0
    best = tmp_path / "teacher" / "best.pth"
    value["distillation"] = {"weight": 1.0, "teacher": str(best), "agreeing": False}
    pupil = trainer(value, data, tmp_path / "pupil")
    batch = next(pupil.batches_of(pupil.batches(pupil.epoch_order())))
    pupil.auxiliary, logits = None, pupil.teacher(batch["images"])
    others = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
    apart = [float(pupil.loss_of(x, batch)) for x in (logits, others)]
    pupil.recipe.distillation.weight = 0
    without = [float(pupil.loss_of(x, batch)) for x in (logits, others)]
    assert apart[1] - without[1] > apart[0] - without[0] > 0
    assert train.main(command(value, data, tmp_path / "run")) == 0
    best.write_bytes((tmp_path / "run" / "best.pth").read_bytes())
    capsys.readouterr()
    assert train.main(command(value, data, tmp_path / "run", "--resume")) == 1
    assert "is not the teacher that the run began with" in capsys.readouterr().err


# -- the data -------------------------------------------------------------------------------------------------------


def test_prepared_sets(value, data, tmp_path):
    parsed = recipe.from_json(value)
    labels = Labels.from_json(value["labels"])
    sets = {name: PreparedSet(name, data, source, labels, "train", tmp_path) for name, source in parsed.sets.items()}
    assert [len(s) for s in sets.values()] == [6, 4]
    own, other = sets["own"].sample(0), sets["other"].sample(1)
    image = np.array(Image.open(data / "other" / "images" / "wide_1.png"))
    assert np.array_equal(other.image.permute(1, 2, 0).numpy(), image)
    assert set(other.trust.unique().tolist()) == {0, 128} and other.soft is None
    assert other.stretch == pytest.approx(64 / 48) and own.stretch == 1
    assert own.trust is None and own.soft.shape == (4, 8, 8)
    made = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    PreparedSet("own", data, parsed.sets["own"], labels, "train", tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == made and len(made) == 4
    mixture = Mixture(sets, labels)
    order = mixture.order({"own": 1.0, "other": 1.0}, 11, 0.0, np.random.default_rng(0))
    names = [name for name, _ in order]
    assert len(order) == 11 and abs(names.count("own") - names.count("other")) == 1
    assert {i for name, i in order if name == "other"} == {0, 1, 2, 3}  # every image once before any comes twice


def test_balance_draws_rare_classes_more_often(value, data, tmp_path):
    parsed, labels = recipe.from_json(value), Labels.from_json(value["labels"])
    own = PreparedSet("own", data, parsed.sets["own"], labels, "train", tmp_path)
    own.counts = torch.zeros(6, 256, dtype=torch.int64)
    own.counts[:, 0], own.counts[0, 1] = 1000, 1000  # class 1 is in image 0 only
    drawn = Mixture({"own": own}, labels)

    def share(balance):
        order = drawn.order({"own": 1.0}, 6000, balance, np.random.default_rng(0))
        return sum(i == 0 for _, i in order) / 6000

    assert share(0.0) == pytest.approx(1 / 6) and share(1.0) == pytest.approx((1 + 1 / 6) / 2, abs=0.03)


@pytest.mark.parametrize("spoil, named", [
    (lambda f: (f / "other" / "split.txt").write_text("wide_0\ttest\n"), "line 1"),
    (lambda f: (f / "other" / "split.txt").write_text("wide_0\ttrain\n"), "wide_1.png"),
    (lambda f: (f / "other" / "confidence" / "wide_0.png").unlink(), "wide_0.png"),
    (lambda f: Image.new("L", (3, 3)).save(f / "other" / "confidence" / "wide_0.png"), "wide_0.png"),
    (lambda f: (f / "own-soft" / "000.npz").write_bytes(b"junk"), "000.npz"),
    (lambda f: np.savez(f / "own-soft" / "000.npz", prob=np.zeros((3, 8, 8), np.uint8)), "000.npz"),
    (lambda f: np.savez(f / "own-soft" / "000.npz", other=np.zeros(3)), "000.npz"),
])  # fmt: skip
def test_damaged_sets_are_one_line(spoil, named, value, data, tmp_path, capsys):
    copied = shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("cache"))
    spoil(copied)
    assert train.main(command(value, copied, tmp_path / "run")) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("hint:", "warning:"))]
    assert len(lines) == 1 and named in lines[0]


# -- ingredients ----------------------------------------------------------------------------------------------------


def checkered(size=64):
    label = torch.zeros(size, size, dtype=torch.uint8)
    label[:, size // 2 :] = 1
    return Sample((label.float() * 200)[None].repeat(3, 1, 1).to(torch.uint8), label)


def made(sample=None, seed=0, size=(64, 64), rarity=None, **changes):
    settings = copy.copy(PLAIN)
    for name, change in changes.items():
        setattr(settings, name, change)
    return augment(sample or checkered(), size, settings, np.random.default_rng(seed), rarity)


def test_rare_crops_hold_the_rare_class():
    sample = checkered(128)
    sample.label[100:107, 20:27] = 2
    found = [sum(bool((made(sample, s, scale=(4.0, 4.0), rarity=np.array([0.0, 0.0, 1.0]),
                            rare_crop=p).label == 2).any())
                 for s in range(30)) for p in (0.0, 1.0)]  # fmt: skip
    assert found[1] == 30 and found[0] < 10


def test_pictures_are_widened_to_their_shape():
    sample = checkered()
    narrow = Sample(sample.image[:, :, ::2], sample.label[:, ::2], stretch=2.0)
    widened = made(narrow)
    assert widened.label.ne(255).all() and (widened.label == sample.label).float().mean() > 0.95
    assert made(Sample(narrow.image, narrow.label)).label.eq(255).float().mean() == 0.5


@pytest.mark.parametrize("change", [
    {"blur": 1.0}, {"jpeg": 1.0}, {"color": 0.3}, {"sharpness": 3.0}, {"cutout": 1.0}, {"flip": True}, {"stretch": 0.5}
])  # fmt: skip
def test_each_change_changes_the_image(change):
    plain = made()
    assert any(not torch.equal(made(seed=s, **change).image, plain.image) for s in range(12))
    if not {"cutout", "flip", "stretch"} & set(change):
        assert torch.equal(made(**change).label, plain.label)


def test_antialias_smooths_a_reduction():
    stripes = torch.zeros(3, 128, 128, dtype=torch.uint8)
    stripes[:, :, ::2] = 255
    sample = Sample(stripes, torch.zeros(128, 128, dtype=torch.uint8))
    sharp, smooth = (made(sample, scale=(0.9, 0.9), antialias=p).image.std() for p in (0.0, 1.0))
    assert smooth < sharp


def test_cutout_counts_nowhere():
    patch = made(cutout=1.0)
    hidden = patch.label == 255
    assert 0.005 < hidden.float().mean() < 0.2 and (patch.image[:, hidden] == 0).all()


def test_probabilities_follow_the_image():
    sample = checkered()
    soft = torch.zeros(2, 16, 16, dtype=torch.uint8)
    soft[0, :, :8], soft[1, :, 8:] = 255, 255
    sample.soft = soft
    for seed in range(8):
        patch = made(sample, seed, scale=(0.5, 2.0), stretch=0.3, flip=True)
        label, total = patch.label[4::8, 4::8], patch.soft.sum(0)
        known = (label != 255) & (total > 0.5)
        sure = known & (patch.soft.max(0).values > 0.9)
        assert patch.soft.shape == (2, 8, 8) and known.any()
        assert (patch.soft.argmax(0)[sure] == label[sure].long()).all()
        assert torch.allclose(total[total > 0], torch.ones(()), atol=1e-5)


def test_trust_and_classes_weigh_pixels(value, data, tmp_path):
    one = trainer(value, data, tmp_path / "run")
    patch = augment(one.train_set.sample("other", 0), (64, 64), PLAIN, np.random.default_rng(0))
    weight, disc = one.trust_of("other", patch), patch.label == 2
    known = patch.label != 255
    assert torch.allclose(weight[disc & known], torch.tensor(128 / 255 / 2)) and disc.any()
    assert torch.allclose(weight[known & ~disc], torch.tensor(128 / 255))
    assert one.trust_of("own", patch) is None
    one.recipe.loss.trust = False
    assert torch.allclose(one.trust_of("other", patch)[known & ~disc], torch.tensor(1.0))
    logits, target = torch.randn(1, 2, 4, 4), torch.tensor([[[0, 1, 0, 1]] * 4])
    trust = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(1, 4, 4)
    weights = torch.tensor([1.0, 3.0])
    left = cross_entropy(logits[:, :, :, :2], target[:, :, :2], weights)
    assert torch.allclose(cross_entropy(logits, target, weights, trust), left)
    assert torch.allclose(
        cross_entropy(logits, target, weights, torch.ones(1, 4, 4)), cross_entropy(logits, target, weights)
    )


def test_boundary_weighs_edges():
    label = torch.zeros(1, 8, 8, dtype=torch.uint8)
    label[:, :, 4:] = 1
    label[:, 0] = 255
    found = edges(label)
    assert found[0, 1:, 3:5].all() and found.sum() == 14
    logits = torch.zeros(1, 2, 8, 8)
    logits[:, 0, :, 3:5] = 5  # wrong at one side of the edge
    losses = [segmentation_loss(logits, label, torch.ones(2), 1, 0.0, 1.0, boundary=b) for b in (0.0, 3.0)]
    assert losses[1] > losses[0]


def test_distillation_where_the_teacher_agrees():
    probabilities = torch.tensor([0.8, 0.2])[None, :, None, None].expand(1, 2, 2, 2).clone()
    target = torch.zeros(1, 16, 16, dtype=torch.uint8)
    target[:, :, 8:] = 1
    logits = torch.zeros(1, 2, 2, 2)
    logits[:, 1, :, 1] = 9.0  # right where the teacher errs
    agreeing, all_of_it = (distillation_loss(logits, probabilities, target, a) for a in (True, False))
    assert agreeing == pytest.approx(np.log(2), rel=1e-5) and all_of_it > 3
    assert distillation_loss(logits, torch.zeros_like(probabilities), target, False) == 0


def test_deep_supervision_teaches_the_stages(value, data, tmp_path):
    one = trainer(value, data, tmp_path / "run")
    batch = next(one.batches_of(one.batches(one.epoch_order())))
    one.model.train()
    one.model(batch["images"])
    one.auxiliary.loss(batch["targets"], one.weights).backward()
    assert one.model.stages[-1].down.expand.conv.weight.grad.abs().sum() > 0
    assert one.model.head.classifier.weight.grad is None
    assert not any("auxiliary" in name for name in one.model.state_dict())


def test_every_ingredient_can_be_left_out(value, data, tmp_path):
    value["phases"] = [{**value["phases"][0], "epochs": 1}]
    value["epoch_images"] = 4
    off = ["loss.deep=0", "loss.lovasz=0", "loss.boundary=0", "loss.trust=false", "loss.weight_power=0", "ema=0",
           "balance=0",
           "distillation.weight=0", "sets.other.class_weights={}", "sets.other.aspect={}",
           'phases.0.sets={"own": 1}']  # fmt: skip
    off += [
        f"augmentation.{name}=0" for name in ("rare_crop", "blur", "jpeg", "cutout", "antialias", "stretch", "color")
    ]
    for i, settings in enumerate([[s] for s in off[:4]] + [off]):
        more = [word for s in settings for word in ("--set", s)]
        assert train.main(command(value, data, tmp_path / str(i), *more)) == 0
    assert load_checkpoint(tmp_path / "4" / "last.pth")["auxiliary"] == {}


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change, named", [
    ("bogus=1", "bogus"), ("loss.bogus=1", "recipe.json.loss: unknown field 'bogus'"), ("lr=true", "lr"),
    ("batch=1", "batch"),
    ("loss.stride=3", "stride"), ("phases.0.size=[33,64]", "phases[0].size"), ("phases.9.size=1", "phases.9"),
    ('phases.0.sets={"none": 1}', "'none'"), ('phases.0.sets={"own": 0}', "phases[0].sets"),
    ('validate=["x"]', "validate[0]"),
    ('sets.own.folder="/etc"', "sets.own.folder"), ('sets.own.folder="../x"', "sets.own.folder"), ("ema=1", "ema"),
    ('distillation.gains={"sky": 1}', "'sky'"), ("augmentation.scale=[2,1]", "augmentation.scale"),
    ("labels={}", "labels"),
    ("phases=[]", "phases"), ("x", "--set"), ("lr=NaN", "lr"), ('network="none-such"', "none-such"),
    ("augmentation.jpeg=2", "augmentation.jpeg"),
])  # fmt: skip
def test_wrong_recipes_are_one_line(change, named, value, data, tmp_path, capsys):
    assert train.main(command(value, data, tmp_path / "run", "--set", change)) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("hint:", "warning:"))]
    assert len(lines) == 1 and named in lines[0], lines


@pytest.mark.parametrize("more", [("--epochs", "3"), ("--lr=0.1",), ("--labels", "x"), ("--init", "x")])
def test_options_that_the_recipe_states(more, value, data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(command(value, data, tmp_path / "run", *more))
    assert f"{more[0].split('=')[0]}: " in capsys.readouterr().err


@pytest.mark.parametrize("more, named", [(("--set", "lr=1"), "--set"), (("--cache", "x"), "--cache"), ((), "--data")])
def test_options_for_recipes_only(more, named, data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(["--config", str(data / "network.json"), "--out", str(tmp_path / "run"), *more])
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("name", ["camvid", "camvid-small"])
def test_recipes_of_this_repository(name):
    value = named_config(name)
    parsed = recipe.from_json(value)
    pre, fine = ([p for p in parsed.phases if ("street" in p.sets) is s] for s in (True, False))
    cost = [sum(p.epochs * np.prod(p.size) for p in phases) for phases in (pre, fine)]
    assert cost[1] >= cost[0] and all(p.lr == 0.3 for p in fine)  # at least half of the budget for CamVid alone
    plan = named_config("camvid-ablation")
    for seed, changes in ablation.planned(plan, "plan").values():
        changed = value
        for field, new in {"seed": seed, **changes}.items():
            changed = recipe.override(changed, field, new)
        assert changed != value and recipe.from_json(changed)
    assert len(plan["runs"]) >= 6 and len(plan["seeds"]) >= 3


def test_the_half_size_network():
    config = configuration(CONFIGS / "lemore-camvid-small.json")
    assert sum(p.numel() for p in LeMoRe(config).parameters()) <= 0.8e6
    assert count_macs(config, 384, 512) <= 0.25e9


# -- the ablation ---------------------------------------------------------------------------------------------------


def test_ablation_goes_on_where_it_was(value, data, tmp_path, capsys):
    value["phases"], value["epoch_images"] = [{**value["phases"][0], "epochs": 1}], 4
    command(value, data, tmp_path / "x")
    plan = {"base": {"val_every": 9}, "seeds": [0, 1], "runs": {"no Lovasz": {"loss.lovasz": 0}}}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    args = ["--config", str(tmp_path / "recipe.json"), "--plan", str(tmp_path / "plan.json"), "--data", str(data),
            "--out",
            str(tmp_path / "runs")]  # fmt: skip
    page = tmp_path / "page.md"
    page.write_text(f"before\n{ablation.BEGIN}\nold\n{ablation.END}\nafter\n")
    assert ablation.main([*args, "--table", "--page", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert text.count("not measured yet") == 3
    page.write_text("no comments")
    assert ablation.main([*args, "--table", "--page", str(page)]) == 1 and page.read_text() == "no comments"
    capsys.readouterr()
    assert ablation.main([*args, "--table"]) == 0
    assert capsys.readouterr().out.count("not measured yet") == 3
    assert ablation.main(args) == 0
    said = capsys.readouterr()
    assert "not measured" not in said.out and said.err.count("begins") == 3 and "2 seeds" in said.out
    assert ablation.main(args) == 0
    assert "begins" not in capsys.readouterr().err
    plan["runs"]["wrong"] = {"loss.bogus": 1}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert ablation.main(args) == 1
    assert "wrong: failed" in capsys.readouterr().err
    with pytest.raises(fields.FieldError, match="'x'"):
        ablation.planned({"x": 1}, "plan")
