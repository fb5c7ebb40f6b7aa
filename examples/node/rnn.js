// A plain recurrent network in Node, without dependencies, as a target of rnn-conformance:
//
//     rnn-conformance check "cmd: node examples/node/rnn.js"
//
// It reads one JSON request a line and answers each with one line. Arrays are {shape, data} in C order.
"use strict";

const readline = require("node:readline");

const capabilities = {
  cells: ["RNN_TANH", "RNN_RELU"],
  dtypes: ["float64"],
  bidirectional: true,
  max_layers: null,
  no_bias: true,
  default_state: true,
  lengths: true,
  empty: true,
  nonfinite: true,
};

const activations = { RNN_TANH: Math.tanh, RNN_RELU: (z) => (z > 0 || Number.isNaN(z) ? z : 0) };
const words = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

const decoded = (array) => array.data.map((number) => (typeof number === "string" ? words[number] : number));
const encoded = (shape, data) => ({
  shape,
  data: Array.from(data, (number) => (Number.isFinite(number) ? number : String(number))),
});

function forward(request) {
  const { cell, num_layers: L, num_directions: D, hidden_size: H } = request.config;
  const [T, N, I] = request.x.shape;
  const lengths = request.lengths ?? Array(N).fill(T);
  const h_n = request.h_0 ? decoded(request.h_0) : Array(L * D * N * H).fill(0);
  let x = decoded(request.x);
  let width = I;
  for (let layer = 0; layer < L; layer++) {
    const output = Array(T * N * D * H).fill(0);
    for (let direction = 0; direction < D; direction++) {
      const p = parametersOf(request.parameters, layer, direction);
      const entry = (layer * D + direction) * N;
      for (let row = 0; row < N; row++) {
        let h = h_n.slice((entry + row) * H, (entry + row + 1) * H);
        for (let step = 0; step < lengths[row]; step++) {
          const t = direction ? lengths[row] - 1 - step : step;
          const read = x.slice((t * N + row) * width, (t * N + row + 1) * width);
          h = h.map((_, unit) => activations[cell](preactivation(p, read, h, unit)));
          h.forEach((value, unit) => (output[((t * N + row) * D + direction) * H + unit] = value));
        }
        h.forEach((value, unit) => (h_n[(entry + row) * H + unit] = value));
      }
    }
    x = output;
    width = D * H;
  }
  return { output: encoded([T, N, D * H], x), h_n: encoded([L * D, N, H], h_n) };
}

function parametersOf(parameters, layer, direction) {
  const end = `_l${layer}${direction ? "_reverse" : ""}`;
  const found = {};
  for (const kind of ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]) {
    if (parameters[kind + end]) found[kind] = decoded(parameters[kind + end]);
  }
  return found;
}

function preactivation(p, x, h, unit) {
  let sum = (p.bias_ih?.[unit] ?? 0) + (p.bias_hh?.[unit] ?? 0);
  x.forEach((value, k) => (sum += p.weight_ih[unit * x.length + k] * value));
  h.forEach((value, k) => (sum += p.weight_hh[unit * h.length + k] * value));
  return sum;
}

function answer(request) {
  if (request.do === "start") return { capabilities };
  if (request.do === "forward") return forward(request);
  return { error: `unknown request ${request.do}` };
}

function serve() {
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const request = JSON.parse(line);
    if (request.do === "stop") process.exit(0);
    let reply;
    try {
      reply = answer(request);
    } catch (error) {
      reply = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(reply) + "\n");
  });
}

module.exports = { forward };
if (require.main === module) serve();
