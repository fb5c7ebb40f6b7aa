"""torch.nn.RNN, GRU and LSTM as exported graphs that are decomposed: matrix products and activations, step by step.

These are the equations that backends get which have no operator for whole layers.
Source: https://docs.pytorch.org/docs/stable/user_guide/torch_compiler/export.html
"""

from dataclasses import replace

from conformance.adapters.pytorch_export import capabilities as EXPORTED
from conformance.adapters.pytorch_export import forms

capabilities = replace(EXPORTED, batch_first=False, unbatched=False, projections=False)
forward, gradients = forms(lambda program: program.run_decompositions())
