"""Goes back once for each result whose gradient is given, and adds up what comes back, as ``.grad`` does."""

from conformance import Capabilities
from conformance.adapters import pytorch
from conformance.adapters.pytorch import forward  # noqa: F401

capabilities = Capabilities(cells=("GRU", "LSTM"), bidirectional=True, gradients=True)


def gradients(case, *cotangents):
    alone = [[d if at == place else None for at, d in enumerate(cotangents)] for place in range(len(cotangents))]
    passes = [pytorch.gradients(case, *each) for each, d in zip(alone, cotangents) if d is not None]
    names = [name for name, _ in case.arrays()]
    return {name: sum((found[name] for found in passes[1:]), passes[0][name]) for name in names}
