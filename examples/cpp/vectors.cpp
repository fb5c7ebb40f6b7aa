/* Does a GRU give the results of the test vectors? They are written, and this is compiled and run, by
 *
 *     rnn-conformance vectors write DIR --format text --cell GRU --layers 1 --directions 1 \
 *         --without lengths,empty,no_bias
 *     c++ -std=c++17 -O2 vectors.cpp -o vectors && ./vectors DIR/gru-*.txt
 *
 * A file has one line about its cell, then two lines for each array: name, number of axes, sizes; and the numbers. */
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

#include "gru.hpp"

struct Array {
    std::vector<int> shape;
    std::vector<double> numbers;
    Numbers single() const { return Numbers(numbers.begin(), numbers.end()); }
};

std::map<std::string, Array> read(const char* name) {
    std::ifstream file(name);
    std::string line, word;
    if (!std::getline(file, line)) throw std::runtime_error(std::string("cannot read ") + name);
    std::map<std::string, Array> arrays;
    for (int axes; file >> word >> axes;) {
        Array& array = arrays[word] = {std::vector<int>(axes), {}};
        std::size_t count = 1;
        for (int& size : array.shape) file >> size, count *= size;
        for (auto& numbers = array.numbers; numbers.size() < count && file >> word;)
            numbers.push_back(std::strtod(word.c_str(), nullptr));
    }
    return arrays;
}

bool right(const char* file, const std::string& name, const Numbers& given, std::map<std::string, Array>& arrays) {
    const auto &must = arrays.at(name).numbers, &rad = arrays.at(name + ".rad").numbers;
    for (std::size_t k = 0; k < must.size(); ++k) {
        if (std::abs(given[k] - must[k]) <= rad[k]) continue;
        std::cout << file << ": " << name << "[" << k << "] is " << given[k] << ", must be " << must[k] << "\n";
        return false;
    }
    return true;
}

int main(int argc, char** argv) {
    int held = 0;
    for (int n = 1; n < argc; ++n) {
        auto arrays = read(argv[n]);
        const auto of = [&](const char* name) { return arrays.at(name).single(); };
        const Weights p{of("weight_ih_l0"), of("weight_hh_l0"), of("bias_ih_l0"), of("bias_hh_l0")};
        const auto &x = arrays.at("x").shape, &h = arrays.at("h_n").shape;
        Numbers output, h_n = gru(p, x[0], x[1], x[2], h[2], of("x"), of("h_0"), output);
        held += right(argv[n], "output", output, arrays) && right(argv[n], "h_n", h_n, arrays);
    }
    std::cout << held << " of " << argc - 1 << " test vectors hold\n";
    return held < argc - 1 || argc < 2;
}
