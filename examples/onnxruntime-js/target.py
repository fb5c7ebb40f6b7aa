"""onnxruntime for Node and for browsers, the latter in Node too: ONNX' RNN, GRU and LSTM, by the kit's models.

npm install --ignore-scripts && rnn-conformance check target.py:node && rnn-conformance check target.py:web
Source: https://onnxruntime.ai/docs/get-started/with-javascript/
"""

import base64
import json
import subprocess
from functools import cached_property
from pathlib import Path

import numpy as np

from conformance import Capabilities
from conformance.adapters.onnx_model import forward_of


class Sessions:
    """A process of Node that runs models with one of the packages."""

    capabilities = Capabilities(
        cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
        bidirectional=True,
        max_layers=None,
        no_bias=True,
        default_state=True,
        lengths=True,
        nonfinite=True,
        options=("peepholes", "coupled_gates", "clip", "activations"),
        arithmetic="lenient",  # as for Python
    )

    def __init__(self, package):
        self.package = package
        self.forward = forward_of(self.prepare)

    @cached_property
    def process(self):
        """The process, once it is needed."""
        words = ["node", Path(__file__).with_name("sessions.js"), self.package]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question):
        """What the process answers. Raises RuntimeError for an error."""
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        if isinstance(reply, dict) and "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def prepare(self, model):
        """A session, as a function from inputs to outputs, both by name."""
        session = self.ask(model=text_of(model.SerializeToString()))

        def run(inputs):
            written = {
                name: {"type": array.dtype.name, "shape": array.shape, "data": text_of(array.tobytes())}
                for name, array in inputs.items()
            }
            return {name: array_of(result) for name, result in self.ask(session=session, inputs=written).items()}

        return run


def text_of(data):
    """Bytes as text."""
    return base64.b64encode(data).decode()


def array_of(result):
    """A result as an array."""
    return np.frombuffer(base64.b64decode(result["data"]), "float32").reshape(result["shape"])


node, web = Sessions("onnxruntime-node"), Sessions("onnxruntime-web")
