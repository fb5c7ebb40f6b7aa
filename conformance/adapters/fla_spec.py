"""The operators of Flash Linear Attention, by the equations that stand in its files.

Source: https://github.com/fla-org/flash-linear-attention/tree/main/fla/ops
"""

from typing import Any

from reference_rnn import exp, recurrence, vecmat

KEYS = {"q": "K", "k": "K", "v": "V"}
STATE: dict[str, Any] = {"states": {"S": "KV"}, "outputs": {"o": "V"}}
GATES = {"g": (-2.0, 0.0), "beta": (0.0, 1.0), "b": (0.0, 1.0), "w": (0.0, 1.0)}


def ranges(*names):
    """The ranges of some gates: a log-decay is below 0, the others are between 0 and 1."""
    return {name: GATES[name] for name in names}


def read(q, S):
    """What a query finds, divided by the root of the number of channels."""
    return vecmat(q * q.shape[-1] ** -0.5, S)


def written(S, k, v):
    """The state with a value under a key."""
    return S + k[..., None] * v[..., None, :]


@recurrence(inputs=KEYS | {"g": ""}, **STATE, ranges=ranges("g"))
def simple_gla(q, k, v, g, S):
    """Linear attention with one decay for each head."""
    S = written(exp(g)[..., None, None] * S, k, v)
    return read(q, S), S


@recurrence(inputs=KEYS | {"beta": "", "g": ""}, **STATE, ranges=ranges("beta", "g"))
def gated_delta_rule(q, k, v, beta, g, S):
    """What a key has already is subtracted before it is written."""
    S = exp(g)[..., None, None] * S
    S = written(S, k, beta[..., None] * (v - vecmat(k, S)))
    return read(q, S), S


@recurrence(inputs=KEYS | {"p": "K", "beta": "", "g": ""}, **STATE, ranges=ranges("beta", "g"))
def comba(q, k, v, p, beta, g, S):
    """The delta rule with a key of its own for what is subtracted, which is read before the state decays."""
    S = written(exp(g)[..., None, None] * S, k, beta[..., None] * (v - vecmat(p, S)))
    return read(q, S), S


@recurrence(inputs=KEYS | {"g": "K", "b": "K", "w": "V"}, **STATE, ranges=ranges("g", "b", "w"))
def gdn2(q, k, v, g, b, w, S):
    """S_t = (I - k_t (b_t * k_t)^T) Diag(exp(g_t)) S_{t-1} + k_t (w_t * v_t)^T."""
    S = exp(g)[..., None] * S
    S = written(S, k, w * v - vecmat(b * k, S))
    return read(q, S), S


@recurrence(inputs=KEYS | {"g": "K", "beta": ""}, **STATE, ranges=ranges("g", "beta"))
def kda(q, k, v, g, beta, S):
    """Kimi Delta Attention: the delta rule with a decay for each channel of the keys."""
    S = exp(g)[..., None] * S
    S = written(S, beta[..., None] * k, v - vecmat(k, S))
    return read(q, S), S


@recurrence(inputs=KEYS | {"alpha": "K", "beta": "K", "g": "K"}, **STATE, ranges=ranges("g"))
def dplr(q, k, v, alpha, beta, g, S):
    """The state through a diagonal matrix and one of rank one, both of what was before."""
    S = written(written(exp(g)[..., None] * S, beta, vecmat(alpha, S)), k, v)
    return read(q, S), S


@recurrence(inputs=KEYS | {"alpha": "K", "beta": "K"}, **STATE)
def iplr(q, k, v, alpha, beta, S):
    """The state through the identity and a matrix of rank one."""
    S = written(written(S, beta, vecmat(alpha, S)), k, v)
    return read(q, S), S
