import numpy as np

from conformance import Capabilities
from reference_rnn.layouts import to_keras


class SimpleLSTM:
    """A layer as Keras has them: batch first, with one kernel, one recurrent kernel and one bias."""

    def set_weights(self, weights):
        self.kernel, self.recurrent_kernel, self.bias = weights

    def __call__(self, x, h, c):
        outputs = []
        for x_t in np.swapaxes(x, 0, 1):
            z = x_t @ self.kernel + h @ self.recurrent_kernel + self.bias
            i, f, g, o = np.split(z, 4, axis=1)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            outputs.append(h)
        return np.stack(outputs, axis=1), h, c


capabilities = Capabilities(cells=("LSTM",), dtypes=("float32", "float64"), batch_first="only")


def forward(case):
    layer = SimpleLSTM()
    layer.set_weights(to_keras(case.parameters, "LSTM"))
    output, h, c = layer(case.x, case.h_0[0], case.c_0[0])  # x (N, T, I)
    return output, (h[None], c[None])  # output (N, T, H), states (1, N, H)
