#!/usr/bin/env python3
"""Write tests/golden: small random networks with odd shapes, each converted (NAME.model) and evaluated (NAME.dump)."""

import sys
import tempfile
from pathlib import Path

try:
    import torch
except ImportError as error:
    sys.exit(f"make_test_goldens.py: {error}; install it (apt-get install python3-torch) and run with /usr/bin/python3")

import json

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import convert
from dump_reference import write_dump
from lemore_torch import networks, safetensors
from lemore_torch.networks import segformer


def stages(*rows):
    """Rows of (channels, (expansion, kernel) of the down-sampling block, then of each inner block)."""
    return [
        {
            "channels": c,
            "down": {"expansion": d[0], "kernel": d[1]},
            "blocks": [{"expansion": t, "kernel": k} for t, k in b],
        }
        for c, d, *b in rows
    ]


def nested(layers=2, branches=2, heads=1, key_dim=6, value_dim=10, enabled=True):
    return {
        "enabled": enabled,
        "layers": layers,
        "branches": branches,
        "heads": heads,
        "key_dim": key_dim,
        "value_dim": value_dim,
    }


TINY = stages((8, (2, 3)), (12, (2, 3)), (20, (1, 3), (2, 3)), (28, (1, 3), (1, 5)))
SMALL = {"stem_channels": 8, "num_classes": 4, "ffn_expansion": 1, "fusion_channels": 20}

# name: (configuration, size of the evaluated input)
GOLDENS = {
    "rect": ({**SMALL, "input_size": [40, 72], "stages": TINY,
              "nested": nested(heads=2, key_dim=8, value_dim=12, branches=3)}, (40, 72)),
    "odd-channel": ({**SMALL, "input_size": [70, 50], "attention": "channel", "dilation": 3, "token_stride": 32,
                     "stages": stages((8, (3, 5)), (12, (1, 3), (1, 5)), (20, (2, 5)), (28, (2, 3), (1, 3))),
                     "nested": nested(layers=1)}, (70, 50)),
    "plain": ({**SMALL, "input_size": [33, 47], "attention": None, "skip": False, "views": ["transverse"],
               "stages": TINY, "token_stride": 16, "nested": nested(branches=1, layers=1, key_dim=5, value_dim=7)},
              (33, 47)),
    "resampled": ({**SMALL, "input_size": [48, 64], "token_stride": 16, "stages": TINY,
                   "nested": nested(heads=2, key_dim=8, value_dim=12, layers=1)}, (65, 40)),
    "classifier": ({**SMALL, "input_size": [48, 40], "token_stride": 32, "classes_only": 7, "stages": TINY,
                    "views": ["transverse", "lateral"], "nested": nested(layers=1)}, (48, 40)),
    "three-stages": ({**SMALL, "input_size": [48, 61], "stem_channels": 5, "num_classes": 19, "ffn_expansion": 2,
                      "fusion_channels": 17, "fusion_stride": 4, "views": ["transverse", "frontal"],
                      "stages": stages((7, (2, 3)), (16, (4, 3)), (33, (1, 5))),
                      "nested": nested(layers=1, enabled=False)}, (48, 61)),
}  # fmt: skip


def mit(
    channels, depths=(1, 1, 1, 1), heads=(1, 2, 2, 3), ratios=(4, 2, 3, 1), reductions=(8, 4, 2, 1), eps=1e-6, **more
):
    return {"type": "mit", "channels": list(channels), "depths": list(depths), "heads": list(heads),
            "reductions": list(reductions), "mlp_ratios": list(ratios), "norm_eps": eps, **more}  # fmt: skip


SEGFORMERS = {
    "segformer/mmseg": ({"input_size": [37, 45], "num_classes": 5,
                         "backbone": mit((6, 8, 12, 15), (1, 1, 1, 2), ratios=(4, 2, 1, 1), reductions=(7, 3, 2, 1)),
                         "head": {"channels": 18}}, (37, 45)),
    "segformer/offset": ({"input_size": [40, 36], "num_classes": 7,
                          "backbone": mit((4, 6, 8, 12), ratios=(2, 2, 2, 2), reductions=(4, 3, 1, 1)),
                          "head": {"channels": 20, "classifier": "offset_learning"}}, (40, 36)),
    "segformer/hf": ({"input_size": [41, 35], "num_classes": 19,
                      "backbone": mit((5, 8, 10, 18), (1, 2, 1, 1), reductions=(4, 4, 2, 1), eps=1e-5,
                                      patch_norm_eps=1e-5,
                                      reduction_norm_eps=1e-5, patch_sizes=[5, 3, 3, 3]),
                      "head": {"channels": 17, "projection": "linear"}}, (41, 35)),
    "segformer/classifier": ({"input_size": [32, 45], "num_classes": 11,
                              "backbone": mit((4, 6, 8, 12), ratios=(1, 2, 1, 1), reductions=(2, 2, 2, 2),
                                              strides=[4, 2, 2, 1]),
                              "head": {"type": "classifier"}}, (32, 45)),
}  # fmt: skip


def config_of(value):
    network = networks.of_json(value)
    return network.Config.from_json(value)


def random_model(config, seed: int):
    """Random weights whose activations stay near 1: norms measure a random batch, then are shaken a little."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low, high, like):
        return low + (high - low) * torch.rand(like.shape, generator=generator, dtype=like.dtype)

    def normal(scale, like):
        return scale * torch.randn(like.shape, generator=generator, dtype=like.dtype)

    model = networks.of_config(config).Model(config).double()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.weight.copy_(normal(module.weight[0].numel() ** -0.5, module.weight))
                if module.bias is not None:
                    module.bias.copy_(normal(0.3, module.bias))
            elif isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm)):
                module.weight.copy_(uniform(0.7, 1.3, module.weight))
                module.bias.copy_(normal(0.3, module.bias))
                module.momentum = 1.0
            elif isinstance(module, segformer.SelfAttention):
                module.in_proj_weight.copy_(normal(module.in_proj_weight.shape[1] ** -0.5, module.in_proj_weight))
                module.in_proj_bias.copy_(normal(0.3, module.in_proj_bias))
        model.train()(torch.randn(4, 3, *config.input_size, generator=generator, dtype=torch.float64))
        for module in norms:
            module.running_mean.add_(normal(0.1, module.running_mean))
            module.running_var.mul_(uniform(0.8, 1.25, module.running_var)).add_(0.05)
    return model.float().eval()


def main(names):
    """Writes all of them, or those named."""
    folder = Path(__file__).resolve().parents[2] / "tests" / "golden"
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (value, size)) in enumerate({**GOLDENS, **SEGFORMERS}.items()):
        if names and name not in names:
            continue
        config = config_of(value)
        model = random_model(config, seed)
        (folder / name).parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            trained = Path(scratch) / f"{name.replace('/', '-')}.safetensors"
            state = {k: v.numpy() for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
            safetensors.write(trained, state, {"config": json.dumps(config.to_json())})
            if convert.main([str(trained), "-o", str(folder / f"{name}.model.safetensors"), "--license", "MIT"]):
                return 1
        image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(100 + seed))
        tensors = write_dump(model, image, folder / f"{name}.dump.safetensors")
        largest = max(float(t.abs().max()) for t in tensors.values())
        print(f"{name}: {size[0]}x{size[1]}, largest value {largest:.2f}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
