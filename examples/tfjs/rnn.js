// TensorFlow.js as a target of rnn-conformance, by the line protocol: SimpleRNN, GRU (reset before) and LSTM.
//
//     npm install && rnn-conformance check "cmd: node rnn.js"
//
// One layer object for each layer and direction; a reverse one has goBackwards, so its output is turned back.
// A masked step repeats the output before it, as in Keras, so zeroing the padding is done here.
// Source: https://js.tensorflow.org/api/latest/#Layers-Recurrent
"use strict";

console.log = console.info = console.warn = console.error; // standard output belongs to the protocol
const readline = require("node:readline");
const tf = require("@tensorflow/tfjs");

const capabilities = {
  cells: ["RNN_TANH", "RNN_RELU", "GRU_RESET_BEFORE", "LSTM"],
  bidirectional: true,
  max_layers: null,
  no_bias: true,
  default_state: true,
  lengths: true,
  nonfinite: true,
};

const makers = {
  RNN_TANH: (options) => tf.layers.simpleRNN({ ...options, activation: "tanh" }),
  RNN_RELU: (options) => tf.layers.simpleRNN({ ...options, activation: "relu" }),
  GRU_RESET_BEFORE: (options) => tf.layers.gru({ ...options, recurrentActivation: "sigmoid" }),
  LSTM: (options) => tf.layers.lstm({ ...options, recurrentActivation: "sigmoid" }),
};
const gateOrder = { RNN_TANH: [0], RNN_RELU: [0], GRU_RESET_BEFORE: [1, 0, 2], LSTM: [0, 1, 2, 3] };
const words = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

const decoded = ({ shape, data }) =>
  tf.tensor(
    data.map((number) => (typeof number === "string" ? words[number] : number)),
    shape,
    "float32",
  );
const encoded = (tensor) => ({
  shape: tensor.shape,
  data: Array.from(tensor.dataSync(), (number) => (Number.isFinite(number) ? number : String(number))),
});

function forward(request) {
  const { num_layers: L, num_directions: D } = request.config;
  const [T, N] = request.x.shape;
  const steps = tf.range(0, T).reshape([1, T]);
  const alive = request.lengths && steps.less(tf.tensor(request.lengths, [N, 1]));
  const given = [request.h_0, request.c_0].filter(Boolean).map((state) => decoded(state).unstack());
  const finals = [];
  let x = decoded(request.x).transpose([1, 0, 2]); // batch first
  for (let layer = 0; layer < L; layer++) {
    const halves = [];
    for (let direction = 0; direction < D; direction++) {
      const initialState = given.length ? given.map((entries) => entries[finals.length]) : undefined;
      const made = layerOf(request, layer, direction, x.shape);
      const [output, ...states] = made.call(x, { mask: alive || undefined, initialState });
      halves.push(direction ? output.reverse(1) : output);
      finals.push(states);
    }
    x = tf.concat(halves, 2);
    if (alive) x = tf.where(alive.expandDims(2), x, tf.zerosLike(x));
  }
  const [h_n, c_n] = finals[0].map((_, kind) => encoded(tf.stack(finals.map((states) => states[kind]))));
  return { output: encoded(x.transpose([1, 0, 2])), h_n, ...(c_n && { c_n }) };
}

function layerOf(request, layer, direction, shape) {
  const { cell, hidden_size: units, bias } = request.config;
  const options = { units, useBias: bias, returnSequences: true, returnState: true, goBackwards: direction === 1 };
  const made = makers[cell](options);
  made.build(shape);
  const end = `_l${layer}${direction ? "_reverse" : ""}`;
  const [W_ih, W_hh] = ["weight_ih", "weight_hh"].map((name) => packed(request, name + end).transpose());
  const biases = bias ? [packed(request, "bias_ih" + end).add(packed(request, "bias_hh" + end))] : [];
  made.setWeights([W_ih, W_hh, ...biases]);
  return made;
}

function packed(request, name) {
  const order = gateOrder[request.config.cell];
  const gates = decoded(request.parameters[name]).split(order.length);
  return tf.concat(order.map((gate) => gates[gate]));
}

function answer(request) {
  if (request.do === "start") return { capabilities };
  if (request.do === "forward") return tf.tidy(() => forward(request));
  return { error: `unknown request ${request.do}` };
}

async function main() {
  await tf.setBackend("cpu");
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
