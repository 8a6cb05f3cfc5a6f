#!/usr/bin/env python3
"""Times ONNX Runtime or OpenVINO (their Python packages) on one ONNX model, for bench/report/segformer.

onnx_runtimes.py onnxruntime|openvino MODEL.onnx INPUT.f32 HEIGHTxWIDTH THREADS RUNS. All graph optimisations are
on, and a run writes into memory that it has. Prints one JSON line: name, version, median_ms, min_ms, load_ms; or error.
"""

import json
import statistics
import sys
import time

import numpy as np


def with_onnxruntime(file, image, threads):
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return onnxruntime.__version__, lambda: session.run(None, {name: image})[0]


def with_openvino(file, image, threads):
    import openvino

    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
             "INFERENCE_PRECISION_HINT": "f32"}  # fmt: skip
    request = openvino.Core().compile_model(file, "CPU", hints).create_infer_request()
    request.set_input_tensor(openvino.Tensor(image, shared_memory=True))

    def run():
        request.infer()
        return request.get_output_tensor().data

    return openvino.__version__.split("-")[0], run


RUNTIMES = {"onnxruntime": ("ONNX Runtime", with_onnxruntime), "openvino": ("OpenVINO", with_openvino)}


def main(runtime, file, image, size, threads, runs):
    height, width = map(int, size.split("x"))
    image = np.fromfile(image, np.float32).reshape(1, 3, height, width)
    start = time.perf_counter()
    version, run = RUNTIMES[runtime][1](file, image, int(threads))
    load_ms = (time.perf_counter() - start) * 1e3
    times = []
    for i in range(int(runs) + 2):
        start = time.perf_counter()
        run()
        if i >= 2:
            times.append((time.perf_counter() - start) * 1e3)
    return {"version": version, "median_ms": statistics.median(times), "min_ms": min(times), "load_ms": load_ms}


if __name__ == "__main__":
    try:
        result = main(*sys.argv[1:])
    except Exception as error:  # whatever it says is the result
        result = {"error": " ".join(str(error).split())[:400] or type(error).__name__}
    print(json.dumps({"name": RUNTIMES[sys.argv[1]][0], **result}))
