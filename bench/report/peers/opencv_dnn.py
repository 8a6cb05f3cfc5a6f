#!/usr/bin/env python3
"""Times OpenCV's DNN module (Debian: python3-opencv) on one ONNX model, for bench/report/run.

opencv_dnn.py MODEL.onnx HEIGHTxWIDTH THREADS RUNS. Prints one JSON line: version, median_ms, min_ms, load_ms; or error.
"""

import json
import re
import statistics
import sys
import time


def main(file, size, threads, runs):
    import cv2
    import numpy as np

    height, width = map(int, size.split("x"))
    cv2.setNumThreads(int(threads))
    start = time.perf_counter()
    net = cv2.dnn.readNetFromONNX(file)
    load_ms = (time.perf_counter() - start) * 1e3
    image = np.random.default_rng(1).uniform(-2, 2, (1, 3, height, width)).astype(np.float32)
    times = []
    for i in range(int(runs) + 3):
        start = time.perf_counter()
        net.setInput(image)
        net.forward()
        if i >= 3:
            times.append((time.perf_counter() - start) * 1e3)
    return {"version": cv2.__version__, "median_ms": statistics.median(times), "min_ms": min(times), "load_ms": load_ms}


if __name__ == "__main__":
    try:
        result = main(*sys.argv[1:])
    except Exception as error:  # whatever it says is the result
        node = re.search(r"Node \[[^]@]*", str(error))  # of a page of source places
        text = f"does not read this network, it stops at {node.group(0)}]" if node else str(error).splitlines()[0]
        version = getattr(sys.modules.get("cv2"), "__version__", None)
        result = {"error": text, **({"version": version} if version else {})}
    print(json.dumps({"name": "OpenCV DNN", **result}))
