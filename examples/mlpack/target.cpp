/* The LSTM of mlpack, with its peepholes, as a target of rnn-conformance, by the line protocol:
 *
 *     c++ -std=c++17 -O2 -fopenmp target.cpp -o target -larmadillo && rnn-conformance check "cmd: ./target"
 *
 * In Debian it is libmlpack-dev, with libstb-dev. Layers are those of an RNN network, in one direction.
 * It starts from zero and shows the output of every step.
 * Source: https://www.mlpack.org/doc/user/methods.html and mlpack/methods/ann/layer/lstm.hpp */
#define MLPACK_USE_SYSTEM_STB
#include <mlpack.hpp>

#include "../cpp/protocol.hpp"

using Network = mlpack::RNN<mlpack::MeanSquaredError, mlpack::ConstInitialization>;

// The gates i, f, g, o of an array (4*H, width), column by column, in mlpack's order: block input, i, f, o.
void append(std::vector<double>& weights, const Array& array) {
    const int H = array.shape[0] / 4, width = array.shape.size() > 1 ? array.shape[1] : 1;
    for (const int gate : {2, 0, 1, 3})
        for (int column = 0; column < width; ++column)
            for (int unit = 0; unit < H; ++unit) weights.push_back(array.data[(gate * H + unit) * width + column]);
}

std::string forward(const std::string& line) {
    const Array x = array_of(line, "x");
    const int T = x.shape[0], N = x.shape[1], I = x.shape[2];
    const int L = std::stoi(value_of(line, "num_layers")), H = std::stoi(value_of(line, "hidden_size"));
    Network network(T, false, mlpack::MeanSquaredError(), mlpack::ConstInitialization(0.0));
    std::vector<double> weights;
    for (int layer = 0; layer < L; ++layer) {
        const auto of = [&](const std::string& kind) { return array_of(line, kind + "_l" + std::to_string(layer)); };
        network.Add<mlpack::LSTM>(H);
        Array bias = of("bias_ih");
        const Array other = of("bias_hh"), peepholes = of("weight_ch");
        for (std::size_t k = 0; k < other.data.size(); ++k) bias.data[k] += other.data[k];
        append(weights, of("weight_ih"));
        append(weights, bias);
        append(weights, of("weight_hh"));
        for (int k = 0; k < 3 * H; ++k) weights.push_back(peepholes.data.empty() ? 0.0 : peepholes.data[k]);
    }
    network.InputDimensions() = {std::size_t(I)};
    network.Reset(I);
    network.Parameters() = arma::mat(weights);
    arma::cube input(I, N, T), output;
    std::copy(x.data.begin(), x.data.end(), input.begin());  // (T, N, I) in C order is (I, N, T) in Fortran order
    network.Predict(input, output);
    return "{\"output\": " + json({T, N, H}, std::vector<double>(output.begin(), output.end())) +
           ", \"h_n\": null, \"c_n\": null}";
}

int main() {
    return serve(
        R"({"cells": ["LSTM"], "dtypes": ["float64"], "max_layers": null, "initial_state": false,)"
        R"( "nonfinite": true, "options": ["peepholes"], "outputs": ["output"]})",
        forward);
}
