// Does an implementation give the results of the test vectors? They are written, and checked, by
//
//     rnn-conformance vectors write DIR --cell RNN_TANH --cell RNN_RELU --dtype float64
//     node vectors.js ./rnn.js DIR/*.json
//
// The implementation exports forward(case), which returns {output, h_n}, arrays of {shape, data}.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

function right(file, name, given, must) {
  if (String(given.shape) !== String(must.shape)) {
    console.log(`${file}: ${name} has shape [${given.shape}], must be [${must.shape}]`);
    return false;
  }
  // not "greater than", which no NaN is
  const k = must.data.findIndex((number, at) => !(Math.abs(given.data[at] - number) <= must.rad[at]));
  if (k >= 0) console.log(`${file}: ${name}[${k}] is ${given.data[k]}, must be ${must.data[k]} +/- ${must.rad[k]}`);
  return k < 0;
}

const [implementation, ...files] = process.argv.slice(2);
const { forward } = require(path.resolve(implementation));
const vectors = files.filter((file) => path.basename(file) !== "index.json");
const held = vectors.filter((file) => {
  const vector = JSON.parse(fs.readFileSync(file, "utf8"));
  const given = forward(vector.case);
  return Object.entries(vector.expected).every(([name, must]) => right(file, name, given[name], must));
});
console.log(`${held.length} of ${vectors.length} test vectors hold`);
process.exit(held.length < vectors.length || !vectors.length ? 1 : 0);
