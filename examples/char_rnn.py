"""A character-level network, trained twice from the same weights: by the NumPy reference and by PyTorch.

    pip install '.[examples]' && python examples/char_rnn.py

The set-up is that of the classic from-scratch tutorials: one recurrent layer reads a text character by
character, a softmax on top predicts the next one, Adagrad follows the gradient of the mean cross entropy.
Both loss curves go into one plot, where they lie on each other, and a numerical gradient check stands
beside them. Falling losses prove little (a wrong network learns too); two that stay equal prove much.
"""

from __future__ import annotations

import argparse

import numpy as np

from reference_rnn import Case, Config, forward, gradients, parameter_shapes

TEXT = (
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: "
    "once or twice she had peeped into the book her sister was reading, but it had no pictures or conversations "
    "in it, and what is the use of a book, thought Alice, without pictures or conversations? So she was "
    "considering in her own mind, as well as she could, for the hot day made her feel very sleepy and stupid, "
    "whether the pleasure of making a daisy-chain would be worth the trouble of getting up and picking the daisies."
)
HIDDEN, STEPS, RATE = 32, 25, 0.05
CELLS = ("RNN_TANH", "GRU", "LSTM")


def windows(text: str, iterations: int):
    """x (T, 1, V) one-hot and the index (T,) of each next character, window after window, over and over."""
    characters = sorted(set(text))
    indices = np.array([characters.index(character) for character in text])
    for iteration in range(iterations):
        start = iteration * STEPS % (len(text) - STEPS - 1)
        window = indices[start : start + STEPS + 1]
        yield np.eye(len(characters))[window[:-1], None], window[1:]


def initial_weights(cell: str, characters: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Small random weights of the recurrent layer, and of the softmax layer: W_y (V, H) and b_y (V,)."""
    generator = np.random.default_rng(seed)
    shapes = {name: shape.sizes for name, shape in parameter_shapes(config(cell, characters)).items()}
    shapes |= {"W_y": (characters, HIDDEN), "b_y": (characters,)}
    return {name: 0.1 * generator.standard_normal(shape) for name, shape in shapes.items()}


def config(cell: str, characters: int) -> Config:
    """One layer that reads one-hot characters, in double precision."""
    return Config(cell, characters, HIDDEN, dtype="float64")


def loss_and_gradients(cell: str, weights: dict, x: np.ndarray, target: np.ndarray) -> tuple[float, dict]:
    """The mean cross entropy of one window, and its gradient for every weight."""
    recurrent = {name: array for name, array in weights.items() if "_l0" in name}
    case = Case(config(cell, x.shape[-1]), recurrent, x)
    output = forward(case).output[:, 0]
    scores = output @ weights["W_y"].T + weights["b_y"]
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    steps = np.arange(len(target))
    d_scores = (p - np.eye(p.shape[1])[target]) / len(target)
    found = gradients(case, (d_scores @ weights["W_y"])[:, None])
    softmax = {"W_y": d_scores.T @ output, "b_y": d_scores.sum(0)}
    return -np.log(p[steps, target]).mean(), {name: found[name] for name in recurrent} | softmax


def train_reference(cell: str, iterations: int, text: str = TEXT) -> list[float]:
    """The losses of the NumPy reference."""
    weights = initial_weights(cell, len(set(text)))
    squares = {name: np.zeros_like(array) for name, array in weights.items()}
    losses = []
    for x, target in windows(text, iterations):
        loss, slopes = loss_and_gradients(cell, weights, x, target)
        losses.append(loss)
        for name, slope in slopes.items():
            squares[name] += slope**2
            weights[name] -= RATE * slope / (np.sqrt(squares[name]) + 1e-10)
    return losses


def train_pytorch(cell: str, iterations: int, text: str = TEXT) -> list[float]:
    """The losses of PyTorch, from the same weights."""
    import torch

    weights = {name: torch.tensor(array) for name, array in initial_weights(cell, len(set(text))).items()}
    characters = len(set(text))
    rnn = getattr(torch.nn, cell.partition("_")[0])(characters, HIDDEN, dtype=torch.float64)
    softmax = torch.nn.Linear(HIDDEN, characters, dtype=torch.float64)
    rnn.load_state_dict({name: array for name, array in weights.items() if "_l0" in name})
    softmax.load_state_dict({"weight": weights["W_y"], "bias": weights["b_y"]})
    optimizer = torch.optim.Adagrad([*rnn.parameters(), *softmax.parameters()], lr=RATE)
    losses = []
    for x, target in windows(text, iterations):
        output, _ = rnn(torch.tensor(x))
        loss = torch.nn.functional.cross_entropy(softmax(output[:, 0]), torch.tensor(target))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def gradient_check(cell: str, samples: int = 5, text: str = TEXT) -> dict[str, tuple[float, float]]:
    """For every weight: its largest gradient among some entries, and how far central differences are from it."""
    weights = initial_weights(cell, len(set(text)))
    x, target = next(windows(text, 1))
    _, slopes = loss_and_gradients(cell, weights, x, target)
    generator, found = np.random.default_rng(1), {}
    for name, array in weights.items():
        largest, furthest = 0.0, 0.0
        for flat in generator.choice(array.size, samples, replace=False):
            at = np.unravel_index(flat, array.shape)
            change = np.zeros_like(array)
            change[at] = 1e-5
            ahead, behind = (
                loss_and_gradients(cell, weights | {name: array + sign * change}, x, target)[0] for sign in (1, -1)
            )
            largest = max(largest, abs(slopes[name][at]))
            furthest = max(furthest, abs((ahead - behind) / 2e-5 - slopes[name][at]))
        found[name] = (largest, furthest)
    return found


def plot(cell: str, reference: list[float], pytorch: list[float], check: dict, file: str) -> None:
    """Both curves on the left, the gradient check on the right."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    left.plot(reference, linewidth=4, alpha=0.4, label="NumPy reference")
    left.plot(pytorch, linewidth=1, color="black", label="PyTorch")
    left.set(xlabel="iteration", ylabel="mean cross entropy", title=f"{cell}: two trainings from the same weights")
    left.legend()
    names = list(check)
    right.barh(names, [largest for largest, _ in check.values()], alpha=0.4, label="gradient")
    right.barh(names, [distance for _, distance in check.values()], color="black", label="distance to differences")
    right.set(xscale="log", title="numerical gradient check")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    figure.savefig(file, dpi=120)


def main(arguments: list[str] | None = None) -> None:
    """Trains both, prints how far apart the losses ever are, and writes the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", choices=CELLS, default="RNN_TANH")
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--plot", default="char_rnn.png", help="the file that the plot is written to")
    chosen = parser.parse_args(arguments)
    reference = train_reference(chosen.cell, chosen.iterations)
    pytorch = train_pytorch(chosen.cell, chosen.iterations)
    check = gradient_check(chosen.cell)
    apart = max(abs(a - b) for a, b in zip(reference, pytorch))
    furthest = max(distance for _, distance in check.values())
    print(
        f"loss from {reference[0]:.3f} to {reference[-1]:.3f}; the two curves are never further apart than {apart:.1e}"
    )
    print(f"gradients and central differences are never further apart than {furthest:.1e}")
    plot(chosen.cell, reference, pytorch, check, chosen.plot)
    print(f"written: {chosen.plot}")


if __name__ == "__main__":
    main()
