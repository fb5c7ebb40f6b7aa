/* The RNN primitives of oneDNN as a target of rnn-conformance, by the line protocol:
 *
 *     c++ -std=c++17 -O2 target.cpp -o target -ldnnl && rnn-conformance check "cmd: ./target"
 *
 * There is one primitive for each layer.
 * It is libdnnl-dev in Debian. ONEDNN_MAX_CPU_ISA=SSE41, AVX2, AVX512_CORE and so on chooses its
 * kernels, OMP_NUM_THREADS=1 is fastest for cases of this size. It computes in float32.
 * Source: https://uxlfoundation.github.io/oneDNN/dev_guide_rnn.html */
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "../cpp/protocol.hpp"

using namespace dnnl;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Floats = std::vector<float>;

const engine cpu(engine::kind::cpu, 0);

struct Problem {
    std::string line, cell;
    memory::dim T, N, H, D;

    memory::dim gates() const { return cell == "LSTM" ? 4 : cell.rfind("GRU", 0) == 0 ? 3 : 1; }
    Floats of(const std::string& name) const {
        const auto array = array_of(line, name).data;
        return Floats(array.begin(), array.end());
    }
};

memory filled(const Dims& dims, Tag tag, const Floats& values) {
    memory made({dims, memory::data_type::f32, tag}, cpu);
    std::copy(values.begin(), values.end(), static_cast<float*>(made.get_data_handle()));
    return made;
}

// The gates of an array, in oneDNN's order: i, f, c, o as they come; u, r, o of r, z, n.
int place(const std::string& cell, int gate) { return cell.rfind("GRU", 0) == 0 && gate < 2 ? 1 - gate : gate; }

// Weights (1, D, width, gates, H) of one layer: oneDNN's "ldigo" of PyTorch's (gates*H, width).
memory weights(const Problem& p, const std::string& kind, int layer, memory::dim width) {
    Floats values(p.D * width * p.gates() * p.H);
    for (int d = 0; d < p.D; ++d) {
        const Floats given = p.of(kind + "_l" + std::to_string(layer) + (d ? "_reverse" : ""));
        for (int w = 0; w < width; ++w)
            for (int g = 0; g < p.gates(); ++g)
                for (int h = 0; h < p.H; ++h)
                    values[((d * width + w) * p.gates() + g) * p.H + h] =
                        given[(place(p.cell, g) * p.H + h) * width + w];
    }
    return filled({1, p.D, width, p.gates(), p.H}, Tag::ldigo, values);
}

// Biases (1, D, gates, H): the sum of both; for GRU a fourth one is that of the candidate's recurrent product.
memory biases(const Problem& p, int layer) {
    const bool apart = p.cell == "GRU";
    const memory::dim count = p.gates() + apart;
    Floats values(p.D * count * p.H);
    for (int d = 0; d < p.D; ++d) {
        const std::string end = "_l" + std::to_string(layer) + (d ? "_reverse" : "");
        const Floats ih = p.of("bias_ih" + end), hh = p.of("bias_hh" + end);
        for (std::size_t k = 0; k < ih.size(); ++k) {
            const int g = place(p.cell, k / p.H), h = k % p.H;
            const bool candidate = apart && g == 2;
            values[(d * count + g) * p.H + h] = candidate ? ih[k] : ih[k] + hh[k];
            if (candidate) values[(d * count + 3) * p.H + h] = hh[k];
        }
    }
    return filled({1, p.D, count, p.H}, Tag::ldgo, values);
}

// Runs one layer: x becomes its output, and the states its final ones.
void run(const Problem& p, int layer, Floats& x, memory::dim width, Floats& h, Floats& c) {
    const auto direction = p.D == 2 ? rnn_direction::bidirectional_concat : rnn_direction::unidirectional_left2right;
    const auto kind = prop_kind::forward_inference;
    const auto any = [](const memory& m) { return m.get_desc(); };
    const Dims state{1, p.D, p.N, p.H};
    memory src = filled({p.T, p.N, width}, Tag::tnc, x), dst = filled({p.T, p.N, p.D * p.H}, Tag::tnc, {});
    memory h_0 = filled(state, Tag::ldnc, h), c_0 = filled(state, Tag::ldnc, c);
    memory h_n = filled(state, Tag::ldnc, {}), c_n = filled(state, Tag::ldnc, {});
    memory W = weights(p, "weight_ih", layer, width), R = weights(p, "weight_hh", layer, p.H), b = biases(p, layer);
    std::unordered_map<int, memory> arguments{
        {DNNL_ARG_SRC_LAYER, src},  {DNNL_ARG_SRC_ITER, h_0},     {DNNL_ARG_WEIGHTS_LAYER, W},
        {DNNL_ARG_WEIGHTS_ITER, R}, {DNNL_ARG_BIAS, b},           {DNNL_ARG_DST_LAYER, dst},
        {DNNL_ARG_DST_ITER, h_n},   {DNNL_ARG_SRC_ITER_C, c_0},   {DNNL_ARG_DST_ITER_C, c_n}};
    primitive made;
    if (p.cell == "LSTM") {
        made = lstm_forward({cpu, kind, direction, any(src), any(h_0), any(c_0), any(W), any(R), any(b), any(dst),
                             any(h_n), any(c_n)});
    } else if (p.cell == "GRU") {
        made = lbr_gru_forward({cpu, kind, direction, any(src), any(h_0), any(W), any(R), any(b), any(dst), any(h_n)});
    } else if (p.cell == "GRU_RESET_BEFORE") {
        made = gru_forward({cpu, kind, direction, any(src), any(h_0), any(W), any(R), any(b), any(dst), any(h_n)});
    } else {
        const auto act = p.cell == "RNN_RELU" ? algorithm::eltwise_relu : algorithm::eltwise_tanh;
        made = vanilla_rnn_forward(
            {cpu, kind, act, direction, any(src), any(h_0), any(W), any(R), any(b), any(dst), any(h_n)});
    }
    stream queue(cpu);
    made.execute(queue, arguments);
    queue.wait();
    const auto numbers = [](const memory& m) {
        const auto* first = static_cast<const float*>(m.get_data_handle());
        return Floats(first, first + m.get_desc().get_size() / sizeof(float));
    };
    x = numbers(dst), h = numbers(h_n), c = numbers(c_n);
}

std::string forward(const std::string& line) {
    const Array x = array_of(line, "x");
    const int L = std::stoi(value_of(line, "num_layers")), D = value_of(line, "bidirectional") == "true" ? 2 : 1;
    const Problem p{line, value_of(line, "cell"), x.shape[0], x.shape[1], std::stoi(value_of(line, "hidden_size")), D};
    const auto size = std::size_t(D * p.N * p.H);
    Floats output(x.data.begin(), x.data.end()), h_n, c_n;
    const Floats h_0 = p.of("h_0"), c_0 = p.cell == "LSTM" ? p.of("c_0") : Floats(h_0.size());
    for (int layer = 0; layer < L; ++layer) {
        Floats h(size), c(size);  // zeros where no state is given
        if (!h_0.empty()) h.assign(h_0.begin() + layer * size, h_0.begin() + (layer + 1) * size);
        if (!c_0.empty()) c.assign(c_0.begin() + layer * size, c_0.begin() + (layer + 1) * size);
        run(p, layer, output, layer ? D * p.H : x.shape[2], h, c);
        h_n.insert(h_n.end(), h.begin(), h.end());
        c_n.insert(c_n.end(), c.begin(), c.end());
    }
    const std::vector<int> state{L * D, int(p.N), int(p.H)};
    const std::string cell_state = p.cell == "LSTM" ? ", \"c_n\": " + json(state, c_n) : "";
    return "{\"output\": " + json({int(p.T), int(p.N), int(D * p.H)}, output) + ", \"h_n\": " + json(state, h_n) +
           cell_state + "}";
}

int main() {
    return serve(
        R"({"cells": ["RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"], "bidirectional": true,)"
        R"( "max_layers": null, "no_bias": true, "default_state": true, "nonfinite": true})",
        forward);
}
