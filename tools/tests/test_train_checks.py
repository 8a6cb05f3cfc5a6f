"""train.py: options and data that make no sense are refused or said, in one line; runs that go on; label maps."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import toy
from cpp import binary
from PIL import Image

import convert
import evaluate
import train
from lemore_torch.networks.lemore import Config
from lemore_torch.data import DataError, Labels, load_label_map, read_label
from lemore_torch.label_map import LabelMap, LabelMapError
from lemore_torch.networks.lemore import LeMoRe
from lemore_torch.training import log
from lemore_torch.training.trainer import load_checkpoint

import torch

SHORT = ["--epochs", "1", "--full-epochs", "1", "--threads", "1", "--device", "cpu", "--warmup", "1"]


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Drawing takes longer than training here; test_train.py draws."""
    monkeypatch.setattr(log, "_plot", lambda *_: None)


def command(data, out, *more):
    return ["--data", str(data), "--labels", str(data / "labels.json"), "--config", str(data / "config.json"), "--out",
            str(out), *SHORT, *map(str, more)]  # fmt: skip


@pytest.fixture
def data(tmp_path):
    toy.write(tmp_path / "data", train=3, val=2)
    return tmp_path / "data"


def labels_file(data, **changes):
    value = {**json.loads((data / "labels.json").read_text()), **changes}
    (data / "labels.json").write_text(json.dumps(value))


def config_file(data, **changes):
    (data / "config.json").write_text(json.dumps({**toy.CONFIG, **changes}))


def change_labels(data, change):
    """Rewrites each label picture with `change` of its array."""
    for path in data.glob("*/labels/*.png"):
        Image.fromarray(change(np.array(Image.open(path)))).save(path)


def one_line(capsys):
    """The last thing said, checked to be one line without a traceback."""
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("hint:", "warning:"))]
    assert len(lines) == 1, lines
    return lines[0]


# -- options --------------------------------------------------------------------------------------------------------

WHOLE = {"--epochs": "0", "--full-epochs": "0", "--batch": "1", "--warmup": "0", "--loss-stride": "1",
         "--val-every": "1",
         "--save-every": "1", "--seed": "0", "--threads": "0", "--workers": "0"}  # fmt: skip
REAL = ["--lr", "--weight-decay", "--power", "--ema", "--color", "--sharpness", "--weight-power", "--lovasz", "--hard"]
WRONG = (
    [(name, (value,)) for name in WHOLE for value in ("-1", "1.5", "nan", "x", "", "1" + "0" * 30)]
    + [(name, (value,)) for name in REAL for value in ("-0.1", "nan", "inf", "-inf", "x", "1e30", "1e999")]
    + [(name, pair) for name in ("--scale", "--full-scale") for pair in
       (("2", "0.5"), ("nan", "1"), ("0", "1"), ("1", "inf"), ("1",), ("-1", "1"))]
    + [(name, ("0",)) for name in ("--batch", "--loss-stride", "--val-every", "--save-every", "--lr", "--hard")]
    + [("--ema", ("1",)), ("--device", ("tpu",)), ("--device", ("cuda:99",)), ("--device", ("cpu:1",)),
       ("--size", ("64",)), ("--size", ("96x128",)), ("--out", ("",)), ("--pair", ("a",)), ("--size", ("64x16",)),
       ("--size", ("0x0",)), ("--size", ("99999x64",)),
       ("--deadline", ("tomorrow",)), ("--deadline", ("2030-13-01",)), ("--bogus", ()), ("--key", ("model",)),
       ("--epochs", ("0", "--full-epochs", "0"))]
)  # fmt: skip


@pytest.mark.parametrize("option, values", WRONG)
def test_wrong_options_are_one_line(option, values, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main([*command(tmp_path, tmp_path / "out"), option, *values])
    line = one_line(capsys)
    assert stopped.value.code == 2 and option in line and len(line) < 200
    assert not (tmp_path / "out").exists()


def test_help_shows_defaults(capsys):
    with pytest.raises(SystemExit):
        train.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for default in ("120", "20", "8", "0.002", "0.01", "200", "0.9", "0.998", "0.5 2.0", "0.3", "500", "auto"):
        assert f"(default: {default})" in text


# -- the data -------------------------------------------------------------------------------------------------------


def test_classes_without_pixels_are_named(data, tmp_path, capsys):
    change_labels(data, lambda a: np.where(a == 2, 0, a).astype(np.uint8))
    assert train.main(command(data, tmp_path / "out", "--full-epochs", "0")) == 0
    out, said = capsys.readouterr()
    for split in ("train", "val"):
        assert f"warning: no pixel in {split} of 'disc'" in said
    assert any("'disc'" in text for text in json.loads(out)["warnings"])
    assert " - " not in said and "mIoU -" not in said


def test_masks_of_0_and_255(data, tmp_path, capsys):
    """Refused with a hint, and the hint works: in training, in evaluate.py and, with the checkpoint, everywhere."""
    change_labels(data, lambda a: np.where((a == 1) | (a == 2), 255, 0).astype(np.uint8))
    labels_file(data, classes=[{"name": n, "color": [i, 0, 0]} for i, n in enumerate(("background", "object"))])
    config_file(data, num_classes=2)
    assert train.main(command(data, tmp_path / "a")) == 1
    line = one_line(capsys)
    assert "'background' is the only class" in line and "--label-map" in line
    hint = tmp_path / "map.json"
    hint.write_text(line[line.index('{"values"') :])
    assert train.main(command(data, tmp_path / "b", "--label-map", hint)) == 0
    val = ["--images", str(data / "val" / "images"), "--labels", str(data / "val" / "labels")]
    assert (
        evaluate.main([str(tmp_path / "b" / "best.pth"), *val, "--label-map", str(hint), "--json", str(tmp_path / "j")])
        == 0
    )
    truth = np.sum(json.loads((tmp_path / "j").read_text())["confusion"], 1)
    masks = np.stack([np.array(Image.open(p)) for p in (data / "val" / "labels").iterdir()])
    assert truth.tolist() == [(masks == 0).sum(), (masks == 255).sum()]
    capsys.readouterr()
    assert evaluate.main([str(tmp_path / "b" / "best.pth"), *val]) == 0  # 255 is ignored here, but 0 counts


@pytest.mark.parametrize("split", ["train", "val"])
def test_labels_that_are_all_ignored(split, data, tmp_path, capsys):
    for path in (data / split / "labels").iterdir():
        Image.fromarray(np.full((64, 64), 255, np.uint8)).save(path)
    assert train.main(command(data, tmp_path / "out")) == 1
    assert f"{split}/labels: every pixel is ignored" in one_line(capsys)


def test_one_picture_that_is_all_ignored(data, tmp_path, capsys):
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(data / "train" / "labels" / "001.png")
    assert train.main(command(data, tmp_path / "out", "--epochs", "0")) == 0
    said = capsys.readouterr().err
    assert "1 of the 3 labels in train are ignored as a whole" in said and "001.png" in said


@pytest.mark.parametrize("change, named", [
    ({"ignore_index": 3}, "'ignore_index'"), ({"ignore_label": "255"}, "ignore_label"), ({"classes": []}, "classes"),
    ({"ignore_label": None}, "ignore_label"), ({"annotation_offset": -1}, "annotation_offset"), ({"name": 3}, "name"),
    ({"classes": [{"name": "a", "color": [0, 0, 0], "id": 7}]}, "'id'"), ({"classes": [{"name": "a"}]}, "color"),
    ({"classes": [{"name": "a", "color": [0, 0, 256]}]}, "color"), ({"classes": "many"}, "classes"),
    ({"classes": [{"color": [0, 0, 0]}]}, "name"), ({"classes": [7]}, "classes[0]"),
])  # fmt: skip
def test_labels_file_is_read_strictly(change, named, data, tmp_path, capsys):
    labels_file(data, **change)
    assert train.main(command(data, tmp_path / "out")) == 1
    line = one_line(capsys)
    assert "labels.json" in line and named in line


def test_byte_order_marks(data, tmp_path):
    for name in ("labels.json", "config.json"):
        path = data / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert train.main(command(data, tmp_path / "out", "--epochs", "0")) == 0


def test_more_classes_than_bytes(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="256 classes"):
        read_label(tmp_path / "a.png", Labels.generated(256))


def test_sizes_without_a_half(data, tmp_path, capsys):
    config_file(data, input_size=[96, 128])
    assert train.main(command(data, tmp_path / "out")) == 1
    assert "96x128" in one_line(capsys)
    assert train.main(command(data, tmp_path / "out", "--epochs", "0")) == 0


@pytest.mark.parametrize("count, batch, steps", [(3, 2, 1), (5, 2, 2), (4, 3, 1), (6, 3, 2), (9, 8, 1), (2, 8, 1)])
def test_a_last_batch_of_one(count, batch, steps, tmp_path):
    """At 32x32 the token grid is one pixel: BatchNorm can't do with one image."""
    toy.write(tmp_path / "data", train=count, val=1)
    assert train.main(command(tmp_path / "data", tmp_path / "out", "--batch", batch)) == 0
    assert load_checkpoint(tmp_path / "out" / "last.pth")["counters"]["steps_done"] == 2 * steps


@pytest.mark.parametrize("count, batch", [(1, 8), (3, 1)])
def test_one_image_a_step(count, batch, tmp_path, capsys):
    toy.write(tmp_path / "data", train=count, val=1)
    assert train.main(command(tmp_path / "data", tmp_path / "out", "--batch", batch)) == 1
    assert "--batch 2" in one_line(capsys)
    full = ["--epochs", "0", "--batch", batch]
    config_file(tmp_path / "data", input_size=[128, 128])
    assert train.main(command(tmp_path / "data", tmp_path / "out", *full)) == 0


# -- runs that go on ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A data set and a run that is finished."""
    folder = tmp_path_factory.mktemp("once")
    toy.write(folder / "data", train=3, val=2)
    assert train.main(command(folder / "data", folder / "run")) == 0
    return folder


@pytest.fixture
def finished(once, data, tmp_path, capsys):
    """A run on `data` (toy.write draws the same again), finished."""
    capsys.readouterr()
    return Path(shutil.copytree(once / "run", tmp_path / "run"))


def test_a_finished_run_says_so(data, finished, capsys):
    assert train.main(command(data, finished, "--resume")) == 0
    line = one_line(capsys)
    assert "finished" in line and "--full-epochs 11" in line and "--init" in line


def test_a_finished_run_goes_on(data, finished, capsys):
    assert train.main(command(data, finished, "--epochs", "4", "--full-epochs", "3", "--resume")) == 0
    said = capsys.readouterr().err
    assert "goes on for 2 more" in said and "half-size epochs can't be added" in said
    counters = load_checkpoint(finished / "last.pth")["counters"]
    assert [row["height"] for row in counters["history"]] == [32, 64, 64, 64]
    assert all(row["lr"] > 0 for row in counters["history"][2:3])
    assert train.main(command(data, finished, "--epochs", "4", "--full-epochs", "3", "--resume")) == 0
    assert "finished" in one_line(capsys)


def test_a_finished_run_takes_no_half_size_epochs(data, finished, capsys):
    assert train.main(command(data, finished, "--epochs", "5", "--resume")) == 1
    assert "--full-epochs" in one_line(capsys)


def test_a_run_at_half_size_goes_on_at_full_size(data, tmp_path):
    assert train.main(command(data, tmp_path / "run", "--full-epochs", "0")) == 0
    assert train.main(command(data, tmp_path / "run", "--epochs", "2", "--full-epochs", "0", "--resume")) == 0
    assert train.main(command(data, tmp_path / "run", "--epochs", "2", "--full-epochs", "1", "--resume")) == 0
    history = load_checkpoint(tmp_path / "run" / "last.pth")["counters"]["history"]
    assert [row["height"] for row in history] == [32, 32, 64]


@pytest.mark.parametrize("change, named", [
    ({"classes": [{"name": n, "color": [0, 0, 0]} for n in reversed(toy.NAMES)]}, "classes"),
    ({"classes": [{"name": n.upper(), "color": [0, 0, 0]} for n in toy.NAMES]}, "classes"),
    ({"ignore_label": 254}, "ignore_label"), ({"annotation_offset": 1}, "annotation_offset"),
])  # fmt: skip
def test_labels_that_changed_since(change, named, data, finished, capsys):
    if "ignore_label" in change:
        change_labels(data, lambda a: np.where(a == 255, 254, a).astype(np.uint8))
    labels_file(data, **change)
    assert train.main(command(data, finished, "--full-epochs", "2", "--resume")) == 1
    line = one_line(capsys)
    assert named in line and "when the run began" in line


def test_a_label_map_that_changed_since(data, finished, tmp_path, capsys):
    same = tmp_path / "map.json"
    same.write_text(json.dumps({"values": {"0": 0, "1": 1, "2": 2, "3": 3, "255": "ignore"}}))
    assert train.main(command(data, finished, "--full-epochs", "2", "--resume", "--label-map", same)) == 1
    assert "--label-map" in one_line(capsys)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_checkpoint_runs(data, finished, tmp_path, capsys):
    torch.save({"state_dict": Evil(tmp_path / "ran")}, tmp_path / "evil.pth")
    assert train.main(command(data, tmp_path / "other", "--init", tmp_path / "evil.pth")) == 1
    one_line(capsys)
    value = torch.load(finished / "last.pth")
    torch.save({**value, "rng": Evil(tmp_path / "ran")}, finished / "last.pth")
    assert train.main(command(data, finished, "--full-epochs", "2", "--resume")) == 1
    one_line(capsys)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("change", [
    {"counters": {}}, {"optimizer": {}}, {"state_dict": {}}, {"labels": 3}, {"config": {"x": 1}}, {"rng": "x"}
])  # fmt: skip
def test_damaged_checkpoints_are_one_line(change, data, finished, capsys):
    torch.save({**torch.load(finished / "last.pth"), **change}, finished / "last.pth")
    assert train.main(command(data, finished, "--full-epochs", "2", "--resume")) == 1
    assert "last.pth" in one_line(capsys)


# -- trained weights ------------------------------------------------------------------------------------------------


def test_other_classes_keep_all_but_the_classifier(data, tmp_path, capsys):
    other = LeMoRe(Config.from_json({**toy.CONFIG, "num_classes": 9})).state_dict()
    torch.save({"model": {f"module.{name}": tensor for name, tensor in other.items()}}, tmp_path / "nine.pth")
    small = ["--init", tmp_path / "nine.pth", "--epochs", "0", "--lr", "1e-9", "--weight-decay", "0"]
    assert train.main(command(data, tmp_path / "out", *small)) == 0
    assert "starts from nine.pth" in capsys.readouterr().err
    state = load_checkpoint(tmp_path / "out" / "last.pth")["model_now"]
    same = [torch.allclose(state[n], t, atol=1e-6) for n, t in other.items() if n.endswith(".weight") and
            state[n].shape == t.shape]  # fmt: skip
    assert len(same) > 40 and all(same)


def test_the_network_of_the_weights(data, tmp_path, capsys):
    """Without --config it is the one that --init carries, with the classes of the labels, at the size of --size."""
    config = {**toy.CONFIG, "num_classes": 9, "fusion_channels": 20}
    torch.save({"state_dict": LeMoRe(Config.from_json(config)).state_dict(), "config": config}, tmp_path / "nine.pth")
    arguments = [word for word in command(data, tmp_path / "out", "--init", tmp_path / "nine.pth", "--size", "64x128")]
    at = arguments.index("--config")
    del arguments[at : at + 2]
    assert train.main(arguments) == 0
    best = load_checkpoint(tmp_path / "out" / "best.pth")["config"]
    assert (best["fusion_channels"], best["num_classes"], best["input_size"]) == (20, 4, [64, 128])
    assert train.main([*arguments, "--resume", "--full-epochs", "2"]) == 0
    assert train.main([*arguments, "--resume", "--full-epochs", "3", "--size", "64x64"]) == 1
    torch.save({"state_dict": LeMoRe(Config.from_json(config)).state_dict()}, tmp_path / "bare.pth")
    capsys.readouterr()
    assert train.main([*arguments, "--out", str(tmp_path / "b"), "--init", str(tmp_path / "bare.pth")]) == 1
    assert "--config" in one_line(capsys)


# -- label maps -----------------------------------------------------------------------------------------------------

NAMES = ["background", "road", "car"]


def of_kind(kind, values, path):
    """A picture of `values` 0..2 in a PNG of some kind, and the label map that reads it."""
    y = values.astype(np.uint16)
    if kind == "rgb":
        colors = np.array([[0, 0, 0], [128, 64, 128], [0, 0, 142]], np.uint8)
        Image.fromarray(colors[values]).save(path)
        return {"colors": {"0,0,0": "background", "#804080": "road", "#00008E": 2}}
    if kind == "palette":
        picture = Image.fromarray(values.astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 128, 64, 128, 0, 0, 142])
        picture.save(path)
        return {"colors": {"#000000": 0, "128, 64,128": "road", "#00008e": "car"}}
    if kind == "palette places":
        of_kind("palette", values, path)
        return {"values": {"0": 0, "1": "road", "2": "car"}}
    if kind == "gray 1":
        Image.fromarray(values > 0).save(path)
        return {"values": {"0": "background", "1": "road"}}
    if kind == "gray 8 colours":
        Image.fromarray((values * 100).astype(np.uint8)).save(path)
        return {"colors": {"#000000": "background", "#646464": "road", "200,200,200": "car"}}
    Image.fromarray(y * 1000).save(path)
    return {"values": {"0": "background", "1000": "road", "2000": "car"}}


KINDS = ["rgb", "palette", "palette places", "gray 1", "gray 8 colours", "gray 16"]


@pytest.mark.parametrize("kind", KINDS)
def test_label_maps_read_every_kind(kind, tmp_path):
    values = np.random.default_rng(0).integers(0, 2 if kind == "gray 1" else 3, (9, 13))
    map_file = tmp_path / "map.json"
    map_file.write_text(json.dumps(of_kind(kind, values, tmp_path / "a.png")))
    labels = Labels("", 255, 0, NAMES, [(0, 0, 0)] * 3)
    got = read_label(tmp_path / "a.png", labels, load_label_map(map_file, labels))
    assert np.array_equal(got.numpy(), values)


def test_unlisted_values(tmp_path):
    labels = Labels("", 255, 0, NAMES, [(0, 0, 0)] * 3)
    Image.fromarray(np.array([[0, 0, 9], [255, 9, 0]], np.uint8)).save(tmp_path / "a.png")

    def read(value):
        return read_label(tmp_path / "a.png", labels, LabelMap(value, NAMES)).tolist()

    with pytest.raises(DataError, match=r"a\.png: value 9 at pixel x 2, y 0"):
        read({"values": {"0": "car", "255": "ignore"}})
    assert read({"values": {"0": "car", "255": "road"}, "default": "ignore"}) == [[2, 2, 255], [1, 255, 2]]
    with pytest.raises(DataError, match="colour #090909 at pixel x 2, y 0"):
        read({"colors": {"#000000": 0}, "default": "error"})


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory):
    """A weight file whose classes are NAMES."""
    binary()
    folder, config = tmp_path_factory.mktemp("three"), {**toy.CONFIG, "num_classes": 3}
    labels = {"classes": [{"name": name, "color": [0, 0, 0]} for name in NAMES]}
    model = LeMoRe(Config.from_json(config))
    torch.save({"state_dict": model.state_dict(), "config": config, "labels": labels}, folder / "m.pth")
    assert convert.main([str(folder / "m.pth"), "-o", str(folder / "m.safetensors")]) == 0
    return folder / "m.safetensors"


def score(model, folder, label_map):
    """lemore eval --label-map on the pictures of a folder: the finished process."""
    (folder / "map.json").write_text(json.dumps(label_map))
    command = [binary(), "eval", "-m", model, "--images", folder / "images", "--labels", folder / "labels", "--json",
               "--label-map", folder / "map.json"]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def pictures(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    Image.new("RGB", (37, 35)).save(tmp_path / "images" / "a.png")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_lemore_reads_label_maps_alike(kind, three_classes, pictures):
    values = np.random.default_rng(0).integers(0, 2 if kind == "gray 1" else 3, (35, 37))
    done = score(three_classes, pictures, of_kind(kind, values, pictures / "labels" / "a.png"))
    assert done.returncode == 0, done.stderr
    assert np.sum(json.loads(done.stdout)["confusion"], 1).tolist() == np.bincount(values.ravel(), minlength=3).tolist()


@pytest.mark.parametrize("value, named", [
    ({}, "values"), ([], "values"), ({"values": {}}, "values"),
    ({"values": {"0": 0}, "colors": {"#000000": 0}}, "values"),
    ({"values": {"a": 0}}, "'a'"), ({"values": {"65536": 0}}, "65536"), ({"values": {"-1": 0}}, "-1"),
    ({"values": {"0": "sky"}}, "'sky'"), ({"values": {"0": 3}}, "0..2"), ({"values": {"0": -1}}, "0..2"),
    ({"values": {"0": True}}, "true"), ({"values": {"0": 1.0}}, "1.0"), ({"values": {"0": 1, "00": 2}}, "'00'"),
    ({"colors": {"#12345": 0}}, "#12345"), ({"colors": {"1,2,256": 0}}, "256"), ({"colors": {"1,2": 0}}, "1,2"),
    ({"colors": {"#0a0b0c": 0, "10,11,12": 1}}, "twice"), ({"values": {"0": 0}, "default": "sky"}, "default"),
    ({"values": {"0": 0}, "ignore": 255}, "'ignore'"),
])  # fmt: skip
def test_label_maps_are_read_strictly(value, named, three_classes, pictures):
    with pytest.raises(LabelMapError, match=named.replace(".", r"\.")):
        LabelMap(value, NAMES)
    of_kind("gray 8 colours", np.zeros((35, 37), int), pictures / "labels" / "a.png")
    done = score(three_classes, pictures, value)
    assert done.returncode in (1, 2) and "map.json" in done.stderr, done.stderr


def test_label_map_files(tmp_path):
    path = tmp_path / "map.json"
    path.write_bytes(b'\xef\xbb\xbf{"values": {"0": 0}}')
    assert LabelMap.load(path, NAMES).classes == {0: 0}
    path.write_text('{"values": {"0": 0, "0": 1}}')
    with pytest.raises(LabelMapError, match="map.json.*twice"):
        LabelMap.load(path, NAMES)
    with pytest.raises(LabelMapError, match="nothing.json"):
        LabelMap.load(tmp_path / "nothing.json", NAMES)
