"""torch.nn.RNN, GRU and LSTM inside a module that torch.jit.script compiles, with the packing of ragged batches.

Source: https://docs.pytorch.org/docs/stable/generated/torch.jit.script.html
"""

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from conformance.adapters.pytorch import as_state, forward_of, gradients_of, load
from conformance.adapters.pytorch import capabilities as PYTORCH

capabilities = replace(PYTORCH, batch_first=False, recompiles=True)


class OneState(torch.nn.Module):
    """RNN or GRU, with the lengths beside the input."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor, lengths: Tensor | None, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """output (T, N, D*H), and h_n."""
        if lengths is None:
            return self.layers(x, state)
        packed, final = self.layers(pack_padded_sequence(x, lengths, enforce_sorted=False), state)
        output, _ = pad_packed_sequence(packed, total_length=x.size(0))
        return output, final


class TwoStates(OneState):
    """LSTM, with the lengths beside the input."""

    def forward(
        self, x: Tensor, lengths: Tensor | None, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """output (T, N, D*H), and (h_n, c_n)."""
        if lengths is None:
            return self.layers(x, state)
        packed, final = self.layers(pack_padded_sequence(x, lengths, enforce_sorted=False), state)
        output, _ = pad_packed_sequence(packed, total_length=x.size(0))
        return output, final


def prepare(case):
    """The compiled module of a case, and the parameters of the layers inside, which it shares."""
    layers = load(case)
    lengths = None if case.lengths is None else torch.as_tensor(case.lengths.astype("int64"))

    def call(x, states):
        output, final = script(layers).train(case.training)(x, lengths, as_state(states))
        return output, final if isinstance(final, tuple) else (final,)

    return call, dict(layers.named_parameters())


@lru_cache(maxsize=256)
def script(layers):
    """The compiled module: a ScriptModule, which has no Python left to fall back to."""
    return torch.jit.script((TwoStates if isinstance(layers, torch.nn.LSTM) else OneState)(layers))


forward = forward_of(prepare)
gradients = gradients_of(prepare)
