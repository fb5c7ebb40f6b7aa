/* Does an LSTM give the results of the test vectors? They are written, and this is compiled and run, by
 *
 *     rnn-conformance vectors write DIR --format text --cell LSTM --layers 1 --directions 1 \
 *         --without lengths,empty,no_bias,projections
 *     cc -std=c99 -O2 vectors.c lstm.c -lm -o vectors && ./vectors DIR/lstm-*.txt
 *
 * A file has one line about its cell, then two lines for each array: name, number of axes, sizes; and the numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lstm.h"

struct array { char name[32]; int size[3], count; double *number; float *single; };
static struct array arrays[32];

static struct array *get(const char *name) {
    for (struct array *a = arrays; a->number; a++)
        if (!strcmp(a->name, name)) return a;
    fprintf(stderr, "there is no %s\n", name);
    exit(2);
}

static int read_array(FILE *file, struct array *a) {
    int axes;
    if (fscanf(file, "%31s %d", a->name, &axes) != 2) return 0;
    a->count = 1;
    for (int k = 0; k < axes && fscanf(file, "%d", &a->size[k]) == 1; k++) a->count *= a->size[k];
    a->number = malloc(sizeof(double) * (a->count + 1));
    a->single = malloc(sizeof(float) * (a->count + 1));
    for (int k = 0; k < a->count && fscanf(file, "%lf", &a->number[k]) == 1; k++) a->single[k] = (float)a->number[k];
    return 1;
}

static int wrong(const char *file, const char *name, const char *radius) {
    struct array *a = get(name), *rad = get(radius);
    for (int k = 0; k < a->count; k++)
        if (!(fabs((double)a->single[k] - a->number[k]) <= rad->number[k]))
            return printf("%s: %s[%d] is %.9g, must be %.9g\n", file, name, k, a->single[k], a->number[k]) > 0;
    return 0;
}

int main(int argc, char **argv) {
    int bad = 0;
    for (int n = 1; n < argc; n++) {
        FILE *file = fopen(argv[n], "r");
        if (!file || fscanf(file, "%*[^\n]") == EOF) return fprintf(stderr, "cannot read %s\n", argv[n]), 2;
        memset(arrays, 0, sizeof arrays);
        for (int k = 0; k < 31 && read_array(file, &arrays[k]); k++) {}
        fclose(file);
        struct array *x = get("x"), *output = get("output"), *h_n = get("h_n"), *c_n = get("c_n");
        lstm(&(struct lstm){x->size[0], x->size[1], x->size[2], h_n->size[2], x->single, get("h_0")->single,
             get("c_0")->single, get("weight_ih_l0")->single, get("weight_hh_l0")->single, get("bias_ih_l0")->single,
             get("bias_hh_l0")->single, output->single, h_n->single, c_n->single});
        bad += wrong(argv[n], "output", "output.rad") || wrong(argv[n], "h_n", "h_n.rad") ||
               wrong(argv[n], "c_n", "c_n.rad");
    }
    return printf("%d of %d test vectors hold\n", argc - 1 - bad, argc - 1), bad > 0 || argc < 2;
}
