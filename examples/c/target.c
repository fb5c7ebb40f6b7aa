/* An LSTM in C as a target of rnn-conformance, by the line protocol:
 *
 *     cc -std=c99 -O2 target.c lstm.c -lm -o target && rnn-conformance check "cmd: ./target"
 *
 * A request is one line of JSON. What this needs of it are arrays, {"shape": [...], "data": [...]} behind their names. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lstm.h"

struct array { int size[3], count; float *data; };

static const char *const START = "{\"capabilities\": {\"cells\": [\"LSTM\"], \"dtypes\": [\"float32\"]}}\n";

/* The next line without its end, or NULL; it is read over by the line after it. */
static char *read_line(void) {
    static char *line;
    static size_t room;
    for (size_t length = 0;; length += strlen(line + length)) {
        if (length && line[length - 1] == '\n') return line[length - 1] = 0, line;
        if (room < length + 2) line = realloc(line, room = 2 * room + 4096);
        line[length] = 0;
        if (!fgets(line + length, (int)(room - length), stdin)) return NULL;
    }
}

static struct array array_of(const char *line, const char *name) {
    struct array a = {{1, 1, 1}, 1, NULL};
    char key[40];
    snprintf(key, sizeof key, "\"%s\"", name);
    char *at = strchr(strstr(line, key), '[') + 1;
    for (int k = 0; k < 3 && *at != ']'; k++) {
        a.count *= a.size[k] = (int)strtol(at, &at, 10);
        at += strspn(at, ", ");
    }
    at = strchr(at + 1, '[') + 1;
    a.data = malloc(sizeof(float) * (a.count + 1));
    for (int k = 0; k < a.count; k++) {
        at += strspn(at, ", \"");
        a.data[k] = strtof(at, &at); /* NaN, Infinity and -Infinity too, which stand in quotes */
    }
    return a;
}

static void print_array(const char *name, int size0, int size1, int size2, const float *data) {
    printf("\"%s\": {\"shape\": [%d, %d, %d], \"data\": [", name, size0, size1, size2);
    for (int k = 0; k < size0 * size1 * size2; k++) {
        const char *word = isnan(data[k]) ? "\"NaN\"" : data[k] > 0 ? "\"Infinity\"" : "\"-Infinity\"";
        fputs(k ? ", " : "", stdout);
        isfinite(data[k]) ? printf("%.9g", data[k]) : printf("%s", word);
    }
    printf("]}");
}

static void forward(const char *line) {
    struct array x = array_of(line, "x"), h_0 = array_of(line, "h_0"), c_0 = array_of(line, "c_0"),
                 w_ih = array_of(line, "weight_ih_l0"), w_hh = array_of(line, "weight_hh_l0"),
                 b_ih = array_of(line, "bias_ih_l0"), b_hh = array_of(line, "bias_hh_l0");
    const int T = x.size[0], N = x.size[1], H = h_0.size[2];
    float *output = malloc(sizeof(float) * T * N * H), *h_n = malloc(sizeof(float) * N * H),
          *c_n = malloc(sizeof(float) * N * H);
    lstm(&(struct lstm){T, N, x.size[2], H, x.data, h_0.data, c_0.data, w_ih.data, w_hh.data, b_ih.data, b_hh.data,
                        output, h_n, c_n});
    printf("{");
    print_array("output", T, N, H, output);
    printf(", ");
    print_array("h_n", 1, N, H, h_n);
    printf(", ");
    print_array("c_n", 1, N, H, c_n);
    printf("}\n");
    float *const arrays[] = {x.data, h_0.data, c_0.data, w_ih.data, w_hh.data, b_ih.data, b_hh.data, output, h_n, c_n};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) free(arrays[k]);
}

static int asks(const char *line, const char *what) {
    const char *value = strstr(line, "\"do\"");
    value = value ? strchr(value, ':') : NULL;
    return value && !strncmp(value + 1 + strspn(value + 1, " \""), what, strlen(what));
}

int main(void) {
    for (char *line; (line = read_line()) && !asks(line, "stop"); fflush(stdout)) {
        if (asks(line, "start")) fputs(START, stdout);
        else if (asks(line, "forward")) forward(line);
        else puts("{\"error\": \"unknown request\"}");
    }
    return 0;
}
