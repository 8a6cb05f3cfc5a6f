"""SegFormers that OpenMMLab's mmsegmentation builds, saves and runs: converted, and held against `lemore`."""

import sys
import types

import numpy as np
import pytest
from agreement import FLOAT32_ERROR, assert_logits, assert_run, converted, picture, randomise, resized

from lemore_torch import preparing

import torch

pytest.importorskip("mmengine")
pytest.importorskip("mmcv")
TOLERANCE = 4 * FLOAT32_ERROR["mmseg"]
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


@pytest.fixture(scope="module")
def mmseg():
    """mmseg, on mmcv-lite: without the compiled operators, of which SegFormer uses none."""
    try:
        import mmcv.ops  # noqa: F401
    except ImportError:
        sys.modules["mmcv.ops"] = types.ModuleType("mmcv.ops")
        sys.modules["mmcv.ops"].__getattr__ = lambda name: None
    mmseg = pytest.importorskip("mmseg")
    import mmseg.apis  # noqa: F401
    from mmseg.utils import register_all_modules

    register_all_modules()
    return mmseg


def config_of(classes, widths, depths, heads, channels, scale=None, test_cfg=None):
    from mmengine.config import Config

    resize = [{"type": "Resize", "scale": scale, "keep_ratio": True}] if scale else []
    return Config({
        "model": {
            "type": "EncoderDecoder", "pretrained": None, "train_cfg": {}, "test_cfg": test_cfg or {"mode": "whole"},
            "data_preprocessor": {"type": "SegDataPreProcessor", "mean": MEAN, "std": STD, "bgr_to_rgb": True,
                                  "pad_val": 0,
                                  "seg_pad_val": 255},
            "backbone": {"type": "MixVisionTransformer", "in_channels": 3, "embed_dims": widths, "num_stages": 4,
                         "num_layers": depths, "num_heads": heads, "patch_sizes": [7, 3, 3, 3],
                         "sr_ratios": [8, 4, 2, 1],
                         "out_indices": (0, 1, 2, 3), "mlp_ratio": 4, "qkv_bias": True},
            "decode_head": {"type": "SegformerHead", "in_channels": [widths * n for n in heads],
                            "in_index": [0, 1, 2, 3],
                            "channels": channels, "num_classes": classes, "norm_cfg": {"type": "BN"},
                            "align_corners": False, "loss_decode": {"type": "CrossEntropyLoss"}},
        },
        "test_pipeline": [{"type": "LoadImageFromFile"}, *resize, {"type": "PackSegInputs"}],
        "default_scope": "mmseg",
    })  # fmt: skip


def model_of(cfg, seed):
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    init_default_scope("mmseg")
    model = MODELS.build(cfg.model)
    randomise(model, seed, run=lambda x: model.decode_head(model.extract_feat(x)))
    model.cfg = cfg
    return model


def save(model, path, classes):
    """As a training of mmengine leaves it: with optimizer state, schedulers and the message hub's own objects."""
    from mmengine.logging import MessageHub
    from mmengine.runner import save_checkpoint

    optimizer = torch.optim.AdamW(model.parameters(), lr=0)
    sum(p.sum() for p in model.parameters()).backward()
    optimizer.step()
    hub = MessageHub.get_instance(f"{path.parent.name}-{classes}")
    hub.update_scalar("train/loss", 0.5)
    hub.update_scalar("train/loss", 0.25)
    hub.update_info("iter", 7)
    meta = {"epoch": 1, "iter": 7, "mmengine_version": "0.10.7", "cfg": "model = dict()", "seed": 1,
            "experiment_name": "x",
            "dataset_meta": {"classes": tuple(f"c{i}" for i in range(classes)),
                             "palette": [[i, 0, 9] for i in range(classes)]}}  # fmt: skip
    save_checkpoint({"meta": meta, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict(),
                     "message_hub": hub.state_dict(), "param_schedulers": [{"last_step": 3}]}, str(path))  # fmt: skip


@pytest.mark.parametrize("classes, widths, depths, channels, scale, test_cfg, size", [
    (150, 8, [1, 1, 1, 2], 24, (2048, 512), None, (90, 131)),
    (19, 32, [1, 1, 1, 1], 256, None, {"mode": "slide", "crop_size": (1024, 1024), "stride": (768, 768)}, (70, 101)),
    (19, 8, [1, 2, 1, 1], 24, None, {"mode": "slide", "crop_size": (1024, 1024), "stride": (768, 768)}, (80, 1500)),
    (19, 8, [1, 2, 1, 1], 24, None, {"mode": "slide", "crop_size": (1024, 1024), "stride": (768, 768)}, (133, 200)),
])  # fmt: skip
def test_segmentation(classes, widths, depths, channels, scale, test_cfg, size, mmseg, tmp_path):
    heads = [1, 2, 5, 8] if widths == 32 else [1, 2, 3, 4]
    model = model_of(config_of(classes, widths, depths, heads, channels, scale, test_cfg), classes + size[0])
    save(model, tmp_path / "iter_7.pth", classes)
    options = []
    if widths != 32:
        (tmp_path / "heads.json").write_text('{"backbone": {"heads": %s}}' % heads)
        options = ["--config", tmp_path / "heads.json"]
    texts = converted(tmp_path / "iter_7.pth", tmp_path / "out.safetensors", *options)
    assert texts["labels"]["classes"][classes - 1] == {"name": f"c{classes - 1}", "color": [classes - 1, 0, 9]}
    assert texts["labels"]["annotation_offset"] == (1 if classes == 150 else 0)

    pixels = picture(tmp_path / "a.png", *size, seed=classes)
    result = mmseg.apis.inference_model(model, str(tmp_path / "a.png"))
    data, _ = mmseg.apis.utils._preprare_data(str(tmp_path / "a.png"), model)
    x = model.data_preprocessor(data)["inputs"]
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    shape = preparing.target_size(size, texts["config"]["input_size"], texts["preprocessing"])
    assert tuple(x.shape[2:]) == shape
    assert torch.equal(preparing.resize_image(image, shape, "opencv")[0], data["inputs"][0].flip(0).float())
    assert torch.equal(preparing.prepare(image, shape, texts["preprocessing"]), x)

    model = model.double()
    with torch.no_grad():
        whole = model.decode_head(model.extract_feat(x.double()))
        assert_logits(tmp_path / "out.safetensors", x, whole, TOLERANCE, tmp_path)
        if test_cfg:
            metas = [{"img_shape": x.shape[2:], "ori_shape": size}]
            logits = model.slide_inference(x.double(), metas)
            assert_run(
                tmp_path / "out.safetensors",
                tmp_path / "a.png",
                None,
                resized(logits, size)[0],
                TOLERANCE,
                tmp_path,
                False,
            )
        else:
            twice = resized(resized(whole, shape), size)[0]
            assert_run(tmp_path / "out.safetensors", tmp_path / "a.png", whole[0], twice, TOLERANCE, tmp_path)
    labels = np.array(preparing.Image.open(tmp_path / "a.labels.png"))
    assert (labels != result.pred_sem_seg.data[0].numpy()).mean() < 1e-3
