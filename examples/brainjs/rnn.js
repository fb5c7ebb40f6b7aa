// brain.js as a target of rnn-conformance, by the line protocol: RNNTimeStep (relu), GRUTimeStep (reset before) and
// LSTMTimeStep.
//
//     npm install --ignore-scripts && rnn-conformance check "cmd: node rnn.js"
//
// A network starts from zero, and its output layer is here the identity. It shows the last output, so that it is run
// once for each number of steps.
// Source: https://github.com/BrainJS/brain.js/tree/v1.6.1#neural-network-types
"use strict";

console.log = console.info = console.warn = console.error; // standard output belongs to the protocol
const readline = require("node:readline");
const { recurrent } = require("brain.js");

const capabilities = {
  cells: ["RNN_RELU", "GRU_RESET_BEFORE", "LSTM"],
  max_layers: null,
  initial_state: false,
  outputs: ["output"],
};

const makers = { RNN_RELU: recurrent.RNNTimeStep, GRU_RESET_BEFORE: recurrent.GRUTimeStep, LSTM: recurrent.LSTMTimeStep };
// The names of a gate's arrays, for the input, the state and the bias, in the order of the gates.
const named = (gate) => [`${gate}Matrix`, `${gate}Hidden`, `${gate}Bias`];
const namedInGru = (gate) => [`${gate}InputMatrix`, `${gate}HiddenMatrix`, `${gate}Bias`];
const gates = {
  RNN_RELU: [["weight", "transition", "bias"]],
  GRU_RESET_BEFORE: ["resetGate", "updateGate", "cellWrite"].map(namedInGru),
  LSTM: ["input", "forget", "cellActivation", "output"].map(named),
};

function forward(request) {
  const [T, N, I] = request.x.shape;
  const H = request.config.hidden_size;
  const net = networkOf(request);
  const data = [];
  for (let row = 0; row < N; row++) {
    const at = (step) => request.x.data.slice((step * N + row) * I, (step * N + row + 1) * I);
    const steps = Array.from({ length: T }, (_, step) => Float32Array.from(at(step)));
    for (let step = 0; step < T; step++)
      net.runArrays(steps.slice(0, step + 1)).forEach((number, unit) => (data[(step * N + row) * H + unit] = number));
  }
  return { output: { shape: [T, N, H], data: data.map(written) }, h_n: null, c_n: null };
}

function networkOf({ config, parameters }) {
  const { cell, input_size: inputSize, hidden_size: H, num_layers: L } = config;
  const net = new makers[cell]({ inputSize, hiddenLayers: Array(L).fill(H), outputSize: H });
  net.initialize();
  net.bindEquation();
  net.model.hiddenLayers.forEach((layer, index) => {
    const [W_ih, W_hh, b_ih, b_hh] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(
      (name) => parameters[`${name}_l${index}`].data,
    );
    const bias = b_ih.map((number, unit) => number + b_hh[unit]);
    gates[cell].forEach((names, gate) =>
      [W_ih, W_hh, bias].forEach((numbers, kind) => {
        const { weights } = layer[names[kind]];
        weights.set(numbers.slice(gate * weights.length, (gate + 1) * weights.length));
      }),
    );
  });
  net.model.outputConnector.weights.forEach((_, k, weights) => (weights[k] = k % (H + 1) ? 0 : 1));
  net.model.output.weights.fill(0);
  return net;
}

const written = (number) => (Number.isFinite(number) ? number : String(number));

function answer(request) {
  if (request.do === "start") return { capabilities };
  if (request.do === "forward") return forward(request);
  return { error: `unknown request ${request.do}` };
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.do === "stop") process.exit(0);
    let reply;
    try {
      reply = answer(request);
    } catch (error) {
      reply = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(reply) + "\n");
  }
}

main();
