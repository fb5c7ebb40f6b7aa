"""A unit of an echo-state network, which leaks."""

from reference_rnn import cell, tanh

LEAK = 0.3


@cell("h")
def leaky(x, h, p):
    """Jaeger (2001), The echo state approach, GMD report 148, https://www.ai.rug.nl/minds/uploads/EchoStatesTechRep.pdf."""
    return (1 - LEAK) * h + LEAK * tanh(p.h(x, h))
