"""Cells of torchrecurrent, by the equations of their documentation.

W_g and b_g are the weights of x and the bias beside them, of the gate g; U_g and d_g those of h.
Source: https://github.com/MartinuzziFrancesco/torchrecurrent
"""

from reference_rnn import matvec, mix, recurrence, sigmoid, tanh, vecmat

STEP, DAMPING, SHARE = 0.5, 0.25, 0.75  # what the adapter builds them with


def weights(of_x, of_h, of_c=""):
    """Names and shapes of the weights of x, of h and of the second state, by the letters of the gates."""
    shapes = {f"W_{gate}": "HI" for gate in of_x} | {f"b_{gate}": "H" for gate in of_x}
    shapes |= {f"U_{gate}": "HH" for gate in of_h} | {f"d_{gate}": "H" for gate in of_h}
    return shapes | {f"V_{gate}": "HH" for gate in of_c} | {f"e_{gate}": "H" for gate in of_c}


def cell(parameters, *states):
    """A recurrence with an output like its states."""
    shapes = {"inputs": {"x": "I"}, "states": dict.fromkeys(states, "H"), "outputs": {"y": "H"}}
    return recurrence(**shapes, parameters=parameters, heads=False)


def of_x(p, gate, x):
    """The part of a gate that reads x."""
    return matvec(p[f"W_{gate}"], x) + p[f"b_{gate}"]


def of_h(p, gate, h):
    """The part of a gate that reads h."""
    return matvec(p[f"U_{gate}"], h) + p[f"d_{gate}"]


def of_c(p, gate, c):
    """The part of a gate that reads the second state."""
    return matvec(p[f"V_{gate}"], c) + p[f"e_{gate}"]


@cell(weights("fn", "fn"), "h")
def mgu(x, h, p):
    """The minimal gated unit, arXiv:1603.09420."""
    f = sigmoid(of_x(p, "f", x) + of_h(p, "f", h))
    n = tanh(of_x(p, "n", x) + of_h(p, "n", f * h))
    h = mix(f, h, n)
    return h, h


@cell(weights("fin", "fi"), "h")
def cfn(x, h, p):
    """The chaos free network, arXiv:1612.06212."""
    f, i = (sigmoid(of_x(p, gate, x) + of_h(p, gate, h)) for gate in "fi")
    h = f * tanh(h) + i * tanh(of_x(p, "n", x))
    return h, h


@cell(weights("nk", "k"), "h")
def star(x, h, p):
    """The stackable recurrent cell, arXiv:1911.11033."""
    k = sigmoid(of_x(p, "k", x) + of_h(p, "k", h))
    h = tanh(mix(k, h, tanh(of_x(p, "n", x))))
    return h, h


@cell(weights("zn", "r"), "h")
def gatedantisymmetricrnn(x, h, p):
    """An antisymmetric network with a gate, arXiv:1902.09689; both read h and the bias beside it in the same way."""
    r = matvec(p["U_r"], h) - vecmat(h, p["U_r"]) - DAMPING * h + p["d_r"]
    h = h + STEP * sigmoid(of_x(p, "z", x) + r) * tanh(of_x(p, "n", x) + r)
    return h, h


@cell(weights("stcn", "stc", "n"), "h", "c")
def lem(x, h, c, p):
    """Long expressive memory, arXiv:2110.04744: h reads the new c."""
    s, t = (STEP * sigmoid(of_x(p, gate, x) + of_h(p, gate, h)) for gate in "st")
    c = mix(t, c, tanh(of_x(p, "c", x) + of_h(p, "c", h)))
    h = mix(s, h, tanh(of_x(p, "n", x) + of_c(p, "n", c)))
    return h, h, c


@cell(weights("cn", "ny", "ny"), "h", "c")
def scrn(x, h, c, p):
    """A network with a state that changes slowly, arXiv:1412.7753: the output is made of h, which goes on."""
    c = (1 - SHARE) * of_x(p, "c", x) + SHARE * c
    h = sigmoid(of_c(p, "n", c) + of_x(p, "n", x) + of_h(p, "n", h))
    return tanh(of_c(p, "y", c) + of_h(p, "y", h)), h, c


CELLS = (mgu, cfn, star, gatedantisymmetricrnn, lem, scrn)
