// One layer of a GRU in one direction, reset gate after the recurrent product. Arrays are row by row: x (T, N, I),
// h_0 and the result h_n (N, H), output (T, N, H), w_ih (3H, I), w_hh (3H, H), b_ih, b_hh (3H,), gates r, z, n.
#pragma once

#include <cmath>
#include <vector>

using Numbers = std::vector<float>;

struct Weights {
    Numbers w_ih, w_hh, b_ih, b_hh;
};

inline float sigmoid(float z) { return 1 / (1 + std::exp(-z)); }

inline float affine(const Numbers& w, const float* x, const Numbers& b, int row, int columns) {
    float sum = b[row];
    for (int k = 0; k < columns; ++k) sum += w[row * columns + k] * x[k];
    return sum;
}

inline Numbers gru(const Weights& p, int T, int N, int I, int H, const Numbers& x, Numbers h, Numbers& output) {
    output.assign(T * N * H, 0);
    Numbers next(H);
    for (int t = 0; t < T; ++t) {
        for (int n = 0; n < N; ++n) {
            const float *x_t = x.data() + (t * N + n) * I;
            float *state = h.data() + n * H;
            for (int u = 0; u < H; ++u) {
                const float r = sigmoid(affine(p.w_ih, x_t, p.b_ih, u, I) + affine(p.w_hh, state, p.b_hh, u, H));
                const float z = sigmoid(affine(p.w_ih, x_t, p.b_ih, H + u, I) + affine(p.w_hh, state, p.b_hh, H + u, H));
                const float m = r * affine(p.w_hh, state, p.b_hh, 2 * H + u, H);
                next[u] = (1 - z) * std::tanh(affine(p.w_ih, x_t, p.b_ih, 2 * H + u, I) + m) + z * state[u];
            }
            for (int u = 0; u < H; ++u) output[(t * N + n) * H + u] = state[u] = next[u];
        }
    }
    return h;
}
