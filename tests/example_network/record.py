#!/usr/bin/env python3
"""record.py TOOLS FOLDER [SEED]: random weights of the example network, converted, and what PyTorch makes of them."""

import json
import sys
import tempfile
from pathlib import Path

tools, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
sys.path[:0] = [str(tools), str(tools / "tests")]

import torch  # noqa: E402

import convert  # noqa: E402
from dump_reference import write_dump  # noqa: E402
from lemore_torch import loading, networks, safetensors  # noqa: E402
from make_test_goldens import random_model  # noqa: E402

seed = int(sys.argv[3]) if len(sys.argv) > 3 else 7
config = loading.configuration("tiny")
config.input_size = (37, 50)
model = random_model(config, seed)
with tempfile.TemporaryDirectory() as scratch:
    trained = Path(scratch) / "tiny.safetensors"
    state = {k: v.numpy() for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    safetensors.write(trained, state, {"config": json.dumps(config.to_json())})
    if convert.main([str(trained), "-o", str(folder / "tiny.model.safetensors"), "--license", "MIT"]):
        sys.exit(1)
image = torch.randn(1, 3, *config.input_size, generator=torch.Generator().manual_seed(seed))
write_dump(model, image, folder / "tiny.dump.safetensors")
network = networks.of_model(model)
print(f"{networks.count_parameters(model)} parameters, {network.count_macs(config, *config.input_size)} MACs")
