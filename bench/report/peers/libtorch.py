#!/usr/bin/env python3
"""Times libtorch (Debian: python3-torch) on the reference network, for bench/report/run.

libtorch.py CHECKPOINT CONFIG|- HEIGHTxWIDTH logits|labels THREADS RUNS. The network is traced and frozen, so
BatchNorm is folded and no Python runs inside; once more with its tensors channels-last, and the faster of the two
counts. Prints one JSON line: version, median_ms, min_ms, load_ms, memory_format; or error.
"""

import json
import statistics
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))


def main(checkpoint, config, size, output, threads, runs):
    import torch
    import torch.nn.functional as F
    from lemore_torch import loading

    warnings.simplefilter("ignore")
    torch.set_num_threads(int(threads))
    height, width = map(int, size.split("x"))
    start = time.perf_counter()
    network = loading.load(checkpoint, None if config == "-" else config).model.float().eval()

    class Labels(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            logits = self.network(x)
            return F.interpolate(logits, (height, width), mode="bilinear", align_corners=False).argmax(1).byte()

    model = Labels().eval() if output == "labels" else network
    image = torch.empty(1, 3, height, width).uniform_(-2, 2, generator=torch.Generator().manual_seed(1))
    load_ms, best = None, None
    for name, layout in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
        model, image = model.to(memory_format=layout), image.to(memory_format=layout)
        with torch.no_grad():
            frozen = torch.jit.freeze(torch.jit.trace(model, image))
            load_ms = load_ms or (time.perf_counter() - start) * 1e3
            times = []
            for i in range(int(runs) + 3):
                start = time.perf_counter()
                frozen(image)
                if i >= 3:
                    times.append((time.perf_counter() - start) * 1e3)
        if best is None or statistics.median(times) < best["median_ms"]:
            best = {"median_ms": statistics.median(times), "min_ms": min(times), "memory_format": name}
    return {"version": torch.__version__, "load_ms": load_ms, **best}


if __name__ == "__main__":
    try:
        result = main(*sys.argv[1:])
    except Exception as error:  # whatever it says is the result
        result = {"error": " ".join(str(error).split())[:400] or type(error).__name__}
    print(json.dumps({"name": "libtorch", **result}))
