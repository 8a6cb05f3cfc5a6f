// Times ONNX Runtime (npm package onnxruntime-node) on one model, for bench/report/run:
//   NODE_PATH=.../node_modules node onnxruntime.js MODEL.onnx HEIGHTxWIDTH THREADS RUNS
// Prints one JSON line: version, median_ms, min_ms, load_ms; or error.
const [file, size, threads, runs] = process.argv.slice(2);
const [height, width] = size.split('x').map(Number);
const fail = (error) => console.log(JSON.stringify({ name: 'ONNX Runtime', error: String(error.message || error).split('\n')[0] }));
const main = async () => {
  const ort = require('onnxruntime-node');
  const start = performance.now();
  const options = { intraOpNumThreads: Number(threads), interOpNumThreads: 1, graphOptimizationLevel: 'all' };
  const session = await ort.InferenceSession.create(file, options);
  const load_ms = performance.now() - start;
  let state = 1;
  const noise = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 30 - 2;
  const image = new ort.Tensor('float32', Float32Array.from({ length: 3 * height * width }, noise), [1, 3, height, width]);
  const times = [];
  for (let i = 0; i < Number(runs) + 3; i++) {
    const before = performance.now();
    await session.run({ [session.inputNames[0]]: image });
    if (i >= 3) times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  const n = times.length, median_ms = (times[(n - 1) >> 1] + times[n >> 1]) / 2;
  const version = require('onnxruntime-node/package.json').version;
  console.log(JSON.stringify({ name: 'ONNX Runtime', version, median_ms, min_ms: times[0], load_ms }));
};
main().catch(fail);
