#include "lstm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float sigmoid(float z) { return 1 / (1 + expf(-z)); }

static float dot(const float *a, const float *b, int n) {
    float sum = 0;
    for (int k = 0; k < n; k++) sum += a[k] * b[k];
    return sum;
}

void lstm(const struct lstm *net) {
    const int N = net->N, I = net->I, H = net->H;
    float *z = malloc(sizeof *z * 4 * H);
    memcpy(net->h_n, net->h_0, sizeof(float) * N * H);
    memcpy(net->c_n, net->c_0, sizeof(float) * N * H);
    for (int t = 0; t < net->T; t++) {
        for (int n = 0; n < N; n++) {
            const float *x = net->x + (t * N + n) * I;
            float *h = net->h_n + n * H, *c = net->c_n + n * H;
            for (int k = 0; k < 4 * H; k++)
                z[k] = dot(net->w_ih + k * I, x, I) + net->b_ih[k] + dot(net->w_hh + k * H, h, H) + net->b_hh[k];
            for (int u = 0; u < H; u++) {
                c[u] = sigmoid(z[H + u]) * c[u] + sigmoid(z[u]) * tanhf(z[2 * H + u]);
                h[u] = sigmoid(z[3 * H + u]) * tanhf(c[u]);
            }
            memcpy(net->output + (t * N + n) * H, h, sizeof(float) * H);
        }
    }
    free(z);
}
