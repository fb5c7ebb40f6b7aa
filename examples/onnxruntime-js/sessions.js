// Makes sessions of models and runs them, with the package that is named: onnxruntime-node or onnxruntime-web.
// Each line of standard input is {model} or {session, inputs}, each line of standard output the answer; the bytes of
// models and arrays are in base64.
"use strict";

console.log = console.info = console.warn = console.error;
const readline = require("node:readline");
const ort = require(process.argv[2]);

const arrays = { float32: Float32Array, int32: Int32Array };
const sessions = [];
const bytes = (text) => Uint8Array.from(Buffer.from(text, "base64"));

async function answer({ model, session, inputs }) {
  if (model) return sessions.push(await ort.InferenceSession.create(bytes(model))) - 1;
  const made = Object.entries(inputs).map(([name, { type, shape, data }]) => {
    return [name, new ort.Tensor(type, new arrays[type](bytes(data).buffer), shape)];
  });
  const results = await sessions[session].run(Object.fromEntries(made));
  const read = Object.entries(results).map(([name, { dims, data }]) => {
    return [name, { shape: dims, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") }];
  });
  return Object.fromEntries(read);
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const reply = await answer(JSON.parse(line)).catch((error) => ({ error: String(error) }));
    process.stdout.write(JSON.stringify(reply) + "\n");
  }
}

main();
