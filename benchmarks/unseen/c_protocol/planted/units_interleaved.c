/* A recurrent network in C, correct, as a target of rnn-conformance by the line protocol:
 *
 *     cc -O1 network.c -lm -o network && rnn-conformance check "cmd: ./network"
 *
 * Five cells, any number of layers, both directions, projections, lengths, empty cases, float32 and float64. Rows are
 * sorted by length, so that the first ones are those that still run; the products of all inputs of a layer are computed
 * before its steps. What each call needs lies in buffers that grow and are never given back. */
#ifndef real
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cell { RNN_TANH, RNN_RELU, GRU, GRU_RESET_BEFORE, LSTM, CELLS };
static const char *const CELL_NAMES[CELLS] = {"RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"};
static const int GATES[CELLS] = {1, 1, 3, 3, 4};

static const char *const START =
    "{\"capabilities\": {\"cells\": [\"RNN_TANH\", \"RNN_RELU\", \"GRU\", \"GRU_RESET_BEFORE\", \"LSTM\"], "
    "\"dtypes\": [\"float32\", \"float64\"], \"bidirectional\": true, \"max_layers\": null, \"no_bias\": true, "
    "\"default_state\": true, \"lengths\": true, \"empty\": true, \"nonfinite\": true, \"batch_first\": true, "
    "\"unbatched\": true, \"projections\": true}}\n";

/* What is asked. R is the width of h: P, or H without a projection. */
struct config {
    enum cell cell;
    int T, N, I, H, L, D, P, R, bias, batch_first, unbatched;
};

/* A row of the batch and the number of its steps. */
struct row {
    int index, length;
};

/* ---- Buffers ---- */

enum slot {
    INPUT, BETWEEN, ABOVE, RESULT, PRODUCTS, PLACES, RECURRENT, HIDDEN, CELL, UNITS, RESET, H_0, C_0, H_N, C_N, ROWS,
    SLOTS
};

/* The buffer of a slot, of at least so many bytes. What is in it is what was. */
static void *buffer(enum slot slot, size_t bytes) {
    static void *at[SLOTS];
    static size_t room[SLOTS];
    if (room[slot] < bytes + 64) {
        room[slot] = 2 * bytes + 64;
        at[slot] = realloc(at[slot], room[slot]);
        if (!at[slot]) abort();
    }
    return at[slot];
}

/* ---- Requests ---- */

/* The next line without its end, or NULL; it is read over by the line after it. */
static char *read_line(void) {
    static char *line;
    static size_t room;
    size_t length = 0;
    for (;;) {
        if (room < length + 4096) line = realloc(line, room = 2 * room + 8192);
        if (!fgets(line + length, (int)(room - length), stdin)) return NULL;
        length += strlen(line + length);
        if (length && line[length - 1] == '\n') return line[length - 1] = 0, line;
    }
}

/* What stands behind a name, or NULL if the name is missing or null stands there. */
static char *value_of(char *line, const char *name) {
    char key[64];
    snprintf(key, sizeof key, "\"%s\"", name);
    char *at = strstr(line, key);
    if (!at) return NULL;
    at += strlen(key);
    at += strspn(at, " :");
    return strncmp(at, "null", 4) ? at : NULL;
}

static int integer_of(char *line, const char *name) { return (int)strtol(value_of(line, name), NULL, 10); }

static int is_true(char *line, const char *name) { return !strncmp(value_of(line, name), "true", 4); }

/* The shape of an array, and how many axes it has. */
static int shape_of(char *array, int *size) {
    char *at = strchr(array, '[') + 1;
    int axes = 0;
    for (at += strspn(at, " "); *at != ']'; at += strspn(at, ", ")) size[axes++] = (int)strtol(at, &at, 10);
    return axes;
}

static struct config config_of(char *line) {
    struct config f;
    char *name = value_of(line, "cell") + 1;
    for (f.cell = 0; f.cell < CELLS; f.cell++) {
        size_t length = strlen(CELL_NAMES[f.cell]);
        if (!strncmp(name, CELL_NAMES[f.cell], length) && name[length] == '"') break;
    }
    f.I = integer_of(line, "input_size");
    f.H = integer_of(line, "hidden_size");
    f.L = integer_of(line, "num_layers");
    f.D = is_true(line, "bidirectional") ? 2 : 1;
    f.P = integer_of(line, "proj_size");
    f.R = f.P ? f.P : f.H;
    f.bias = is_true(line, "bias");
    f.batch_first = is_true(line, "batch_first");
    int size[3] = {0, 0, 0};
    f.unbatched = shape_of(value_of(line, "x"), size) == 2;
    f.T = size[0];
    f.N = f.unbatched ? 1 : size[1];
    if (f.batch_first && !f.unbatched) f.T = size[1], f.N = size[0];
    return f;
}

/* Longer rows first; rows of one length keep their order. */
static int by_length(const void *a, const void *b) {
    const struct row *one = a, *other = b;
    if (one->length != other->length) return one->length < other->length ? 1 : -1;
    return one->index < other->index ? -1 : 1;
}

/* The rows in the order in which they are computed. */
static struct row *rows_of(char *line, const struct config *f) {
    struct row *rows = buffer(ROWS, f->N * sizeof *rows);
    char *at = value_of(line, "lengths");
    if (at) at++;
    for (int n = 0; n < f->N; n++) {
        rows[n].index = n;
        rows[n].length = f->T;
        if (at) {
            at += strspn(at, ", ");
            rows[n].length = (int)strtol(at, &at, 10);
        }
    }
    if (f->N) qsort(rows, f->N, sizeof *rows, by_length);
    return rows;
}

/* ---- Replies ---- */

/* The name and shape of an array whose last axes are given; an axis below 0 is left out. */
static void print_head(const char *name, int size0, int size1, int size2) {
    printf("\"%s\": {\"shape\": [%d, ", name, size0);
    if (size1 >= 0) printf("%d, ", size1);
    printf("%d], \"data\": [", size2);
}

static void print_word(double z) { fputs(isnan(z) ? "\"NaN\"" : z > 0 ? "\"Infinity\"" : "\"-Infinity\"", stdout); }

/* ---- The network, once for each format ---- */

#define real float
#define IN(name) name##_single
#define EXP expf
#define TANH tanhf
#define PARSE strtof
#define DIGITS "%.9g"
#include __FILE__
#undef real
#undef IN
#undef EXP
#undef TANH
#undef PARSE
#undef DIGITS
#define real double
#define IN(name) name##_double
#define EXP exp
#define TANH tanh
#define PARSE strtod
#define DIGITS "%.17g"
#include __FILE__

static void forward(char *line) {
    struct config f = config_of(line);
    if (f.cell == CELLS) puts("{\"error\": \"unknown cell\"}");
    else if (!strncmp(value_of(line, "dtype"), "\"float64\"", 9)) forward_double(line, &f);
    else forward_single(line, &f);
}

int main(void) {
    for (char *line; (line = read_line()); fflush(stdout)) {
        char *what = value_of(line, "do");
        if (!what) puts("{\"error\": \"nothing is asked\"}");
        else if (!strncmp(what, "\"stop\"", 6)) break;
        else if (!strncmp(what, "\"start\"", 7)) fputs(START, stdout);
        else if (!strncmp(what, "\"forward\"", 9)) forward(line);
        else puts("{\"error\": \"unknown request\"}");
    }
    return 0;
}

#else /* with real, the format, and IN, which names what is made for it */

/* The parameters of one direction of one layer; NULL are biases and a projection that are not there. */
struct IN(weights) {
    real *w_ih, *w_hh, *b_ih, *b_hh, *w_hr;
};

/* The numbers of an array of so many, in memory of their own or in what is given. */
static real *IN(numbers)(char *array, size_t count, real *to) {
    if (!array) return NULL;
    if (!to) to = malloc((count + 1) * sizeof *to);
    char *at = strchr(strstr(array, "\"data\""), '[') + 1;
    for (size_t k = 0; k < count; k++) {
        at += strspn(at, ", \"");
        to[k] = PARSE(at, &at); /* NaN, Infinity and -Infinity too, which stand in quotes */
    }
    return to;
}

static real *IN(parameter)(char *line, const char *kind, int layer, int direction, size_t count) {
    char name[64];
    snprintf(name, sizeof name, "%s_l%d%s", kind, layer, direction ? "_reverse" : "");
    return IN(numbers)(value_of(line, name), count, NULL);
}

static struct IN(weights) IN(weights_of)(char *line, const struct config *f, int layer, int direction) {
    const size_t G = GATES[f->cell] * (size_t)f->H, width = layer ? f->D * f->R : f->I;
    struct IN(weights) w;
    w.w_ih = IN(parameter)(line, "weight_ih", layer, direction, G * width);
    w.w_hh = IN(parameter)(line, "weight_hh", layer, direction, G * f->R);
    w.b_ih = f->bias ? IN(parameter)(line, "bias_ih", layer, direction, G) : NULL;
    w.b_hh = f->bias ? IN(parameter)(line, "bias_hh", layer, direction, G) : NULL;
    w.w_hr = f->P ? IN(parameter)(line, "weight_hr", layer, direction, (size_t)f->P * f->H) : NULL;
    return w;
}

static void IN(free_weights)(struct IN(weights) *w) {
    free(w->w_ih);
    free(w->w_hh);
    free(w->b_ih);
    free(w->b_hh);
    free(w->w_hr);
}

static real IN(sigmoid)(real z) { return 1 / (1 + EXP(-z)); }

static real IN(relu)(real z) { return z > 0 || isnan(z) ? z : 0; }

/* The dot product of n numbers, in four sums. */
static real IN(dot)(const real *a, const real *b, int n) {
    real sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    int k = 0;
    for (; k + 4 <= n; k += 4) {
        sum0 += a[k] * b[k];
        sum1 += a[k + 1] * b[k + 1];
        sum2 += a[k + 2] * b[k + 2];
        sum3 += a[k + 3] * b[k + 3];
    }
    for (; k < n; k++) sum0 += a[k] * b[k];
    return (sum0 + sum1) + (sum2 + sum3);
}

/* c (rows, columns) = a (rows, depth) times b (columns, depth), transposed, plus a bias (columns), if there is one.
 * Two rows of b are read at once. */
static void IN(product)(int rows, int columns, int depth, const real *a, const real *b, const real *bias, real *c) {
    for (int n = 0; n < rows; n++) {
        const real *row = a + (size_t)n * depth;
        real *to = c + (size_t)n * columns;
        int m = 0;
        for (; m + 2 <= columns; m += 2) {
            const real *b0 = b + (size_t)m * depth, *b1 = b0 + depth;
            to[m] = IN(dot)(row, b0, depth);
            to[m + 1] = IN(dot)(row, b1, depth);
        }
        if (m < columns) to[m] = IN(dot)(row, b + (size_t)m * depth, depth);
        if (bias)
            for (m = 0; m < columns; m++) to[m] += bias[m];
    }
}

static void IN(rnn_step)(const struct config *f, const real *p, const real *q, real *h) {
    if (f->cell == RNN_TANH)
        for (int u = 0; u < f->H; u++) h[u] = TANH(p[u] + q[u]);
    else
        for (int u = 0; u < f->H; u++) h[u] = IN(relu)(p[u] + q[u]);
}

/* h is read and written unit by unit. */
static void IN(gru_step)(int H, const real *p, const real *q, real *h) {
    for (int u = 0; u < H; u++) {
        const real r = IN(sigmoid)(p[u] + q[u]);
        const real z = IN(sigmoid)(p[H + u] + q[H + u]);
        const real n = TANH(p[2 * H + u] + r * q[2 * H + u]);
        h[u] = (1 - z) * n + z * h[u];
    }
}

/* The gates of one row; rh is what the candidate reads in the place of h, z is left in q. */
static void IN(reset_gates)(int H, const real *p, real *q, const real *h, real *rh) {
    for (int u = 0; u < H; u++) {
        rh[u] = IN(sigmoid)(p[u] + q[u]) * h[u];
        q[H + u] = IN(sigmoid)(p[H + u] + q[H + u]);
    }
}

static void IN(reset_candidate)(int H, const real *p, const real *z, const real *candidate, real *h) {
    for (int u = 0; u < H; u++) {
        const real n = TANH(p[2 * H + u] + candidate[u]);
        h[u] = (1 - z[u]) * n + z[u] * h[u];
    }
}

/* c is read and written; y is h before the projection. */
static void IN(lstm_step)(int H, const real *p, const real *q, real *c, real *y) {
    for (int u = 0; u < H; u++) {
        const real i = IN(sigmoid)(p[u] + q[u]);
        const real g = TANH(p[2 * H + u] + q[2 * H + u]);
        const real o = IN(sigmoid)(p[3 * H + u] + q[3 * H + u]);
        c[u] = IN(sigmoid)(p[H + u] + q[H + u]) * c[u] + i * g;
        y[u] = o * TANH(c[u]);
    }
}

/* One step of the first rows; p has the place of the products of each row's input, (G H). */
static void IN(step)(const struct config *f, int active, const struct IN(weights) *w, const real *const *p, real *h,
                     real *c) {
    const int H = f->H, R = f->R, G = GATES[f->cell] * H;
    real *q = buffer(RECURRENT, (size_t)f->N * G * sizeof *q);
    if (f->cell == GRU_RESET_BEFORE) {
        real *rh = buffer(RESET, (size_t)f->N * H * sizeof *rh);
        real *candidate = buffer(UNITS, (size_t)f->N * H * sizeof *candidate);
        IN(product)(active, 2 * H, H, h, w->w_hh, w->b_hh, q);
        for (int k = 0; k < active; k++)
            IN(reset_gates)(H, p[k], q + (size_t)k * 2 * H, h + (size_t)k * H, rh + (size_t)k * H);
        IN(product)(active, H, H, rh, w->w_hh + (size_t)2 * H * H, w->b_hh ? w->b_hh + 2 * H : NULL, candidate);
        for (int k = 0; k < active; k++)
            IN(reset_candidate)(H, p[k], q + (size_t)k * 2 * H + H, candidate + (size_t)k * H, h + (size_t)k * H);
        return;
    }
    IN(product)(active, G, R, h, w->w_hh, w->b_hh, q);
    real *y = f->P ? buffer(UNITS, (size_t)f->N * H * sizeof *y) : h;
    for (int k = 0; k < active; k++) {
        const real *recurrent = q + (size_t)k * G;
        if (f->cell == LSTM) IN(lstm_step)(H, p[k], recurrent, c + (size_t)k * H, y + (size_t)k * H);
        else if (f->cell == GRU) IN(gru_step)(H, p[k], recurrent, h + (size_t)k * H);
        else IN(rnn_step)(f, p[k], recurrent, h + (size_t)k * H);
    }
    if (f->P) IN(product)(active, R, H, y, w->w_hr, NULL, h);
}

/* One direction of one layer. x lies step by step: (T, N, width). The output of step t and row n is written to
 * out + t * step + n * pitch; h_0, c_0, h_n and c_n are those of this layer and direction. */
static void IN(direction)(const struct config *f, const struct row *rows, const struct IN(weights) *w, int reverse,
                          int width, const real *x, real *out, size_t step, size_t pitch, const real *h_0,
                          const real *c_0, real *h_n, real *c_n) {
    const int T = f->T, N = f->N, H = f->H, R = f->R, G = GATES[f->cell] * H;
    real *products = buffer(PRODUCTS, (size_t)T * N * G * sizeof *products);
    const real **p = buffer(PLACES, N * sizeof *p);
    real *h = buffer(HIDDEN, (size_t)N * R * sizeof *h), *c = buffer(CELL, (size_t)N * H * sizeof *c);
    for (int k = 0; k < N; k++) {
        memcpy(h + (size_t)k * R, h_0 + (size_t)rows[k].index * R, R * sizeof *h);
        if (f->cell == LSTM) memcpy(c + (size_t)k * H, c_0 + (size_t)rows[k].index * H, H * sizeof *c);
    }
    IN(product)(T * N, G, width, x, w->w_ih, w->b_ih, products);
    int active = N;
    for (int s = 0; s < T; s++) {
        while (active && rows[active - 1].length <= s) active--;
        if (!active) break;
        for (int k = 0; k < active; k++) {
            const int t = reverse ? rows[k].length - 1 - s : s;
            p[k] = products + ((size_t)t * N + rows[k].index) * G;
        }
        IN(step)(f, active, w, p, h, c);
        for (int k = 0; k < active; k++) {
            const int t = reverse ? rows[k].length - 1 - s : s;
            memcpy(out + t * step + rows[k].index * pitch, h + (size_t)k * R, R * sizeof *h);
        }
    }
    for (int k = 0; k < N; k++) {
        memcpy(h_n + (size_t)rows[k].index * R, h + (size_t)k * R, R * sizeof *h);
        if (f->cell == LSTM) memcpy(c_n + (size_t)rows[k].index * H, c + (size_t)k * H, H * sizeof *c);
    }
}

/* x step by step, whatever its layout is. */
static real *IN(input_of)(char *line, const struct config *f) {
    const size_t T = f->T, N = f->N, I = f->I;
    real *x = buffer(INPUT, T * N * I * sizeof *x);
    if (!f->batch_first || f->unbatched) return IN(numbers)(value_of(line, "x"), T * N * I, x);
    real *given = buffer(BETWEEN, T * N * I * sizeof *given);
    IN(numbers)(value_of(line, "x"), T * N * I, given);
    for (size_t n = 0; n < N; n++)
        for (size_t t = 0; t < T; t++) memcpy(x + (t * N + n) * I, given + (n * T + t) * I, I * sizeof *x);
    return x;
}

/* An initial state, of zeros if none is given. */
static real *IN(state_of)(char *line, const char *name, enum slot slot, size_t count) {
    real *state = buffer(slot, count * sizeof *state);
    memset(state, 0, count * sizeof *state);
    IN(numbers)(value_of(line, name), count, state);
    return state;
}

static void IN(print_numbers)(const real *data, size_t count) {
    for (size_t k = 0; k < count; k++) {
        if (k) fputs(", ", stdout);
        if (isfinite(data[k])) printf(DIGITS, data[k]);
        else print_word(data[k]);
    }
    fputs("]}", stdout);
}

static void IN(forward)(char *line, const struct config *f) {
    const size_t T = f->T, N = f->N, H = f->H, R = f->R, L = f->L, D = f->D, width = D * R;
    const struct row *rows = rows_of(line, f);
    real *x = IN(input_of)(line, f);
    real *h_0 = IN(state_of)(line, "h_0", H_0, L * D * N * R);
    real *c_0 = f->cell == LSTM ? IN(state_of)(line, "c_0", C_0, L * D * N * H) : NULL;
    real *h_n = buffer(H_N, L * D * N * R * sizeof *h_n), *c_n = buffer(C_N, L * D * N * H * sizeof *c_n);
    real *result = buffer(RESULT, T * N * width * sizeof *result);
    real *between[2] = {buffer(BETWEEN, T * N * width * sizeof *x), buffer(ABOVE, T * N * width * sizeof *x)};
    for (size_t layer = 0; layer < L; layer++) {
        const int last = layer + 1 == L;
        real *out = last ? result : between[layer % 2];
        size_t step = N * width, pitch = width;
        if (last && f->batch_first) step = width, pitch = T * width;
        memset(out, 0, T * N * width * sizeof *out);
        for (size_t d = 0; d < D; d++) {
            const size_t entry = layer * D + d;
            struct IN(weights) w = IN(weights_of)(line, f, (int)layer, (int)d);
            IN(direction)(f, rows, &w, (int)d, layer ? (int)width : f->I, x, out + d * R, step, pitch,
                          h_0 + entry * N * R, c_0 ? c_0 + entry * N * H : NULL, h_n + entry * N * R,
                          c_n + entry * N * H);
            IN(free_weights)(&w);
        }
        x = out;
    }
    if (D == 2) {
        real *mixed = buffer(INPUT, T * N * width * sizeof *mixed);
        for (size_t k = 0; k < T * N; k++)
            for (size_t u = 0; u < R; u++)
                for (size_t d = 0; d < 2; d++) mixed[k * width + 2 * u + d] = result[k * width + d * R + u];
        result = mixed;
    }
    putchar('{');
    if (f->unbatched) print_head("output", f->T, -1, (int)width);
    else print_head("output", f->batch_first ? f->N : f->T, f->batch_first ? f->T : f->N, (int)width);
    IN(print_numbers)(result, T * N * width);
    fputs(", ", stdout);
    print_head("h_n", (int)(L * D), f->unbatched ? -1 : f->N, f->R);
    IN(print_numbers)(h_n, L * D * N * R);
    if (f->cell == LSTM) {
        fputs(", ", stdout);
        print_head("c_n", (int)(L * D), f->unbatched ? -1 : f->N, f->H);
        IN(print_numbers)(c_n, L * D * N * H);
    }
    puts("}");
}

#endif
