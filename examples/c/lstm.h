// One layer of an LSTM in one direction. Arrays are row by row: x (T, N, I), h_0, c_0, h_n, c_n (N, H), output
// (T, N, H), w_ih (4H, I), w_hh (4H, H), b_ih, b_hh (4H,), gates in the order i, f, g, o.
struct lstm {
    int T, N, I, H;
    const float *x, *h_0, *c_0, *w_ih, *w_hh, *b_ih, *b_hh;
    float *output, *h_n, *c_n;
};

void lstm(const struct lstm *net);
