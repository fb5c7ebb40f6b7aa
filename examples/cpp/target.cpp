/* A GRU in C++ as a target of rnn-conformance, by the line protocol:
 *
 *     c++ -std=c++17 -O2 target.cpp -o target && rnn-conformance check "cmd: ./target"
 *
 * A request is one line of JSON. What this needs of it are arrays, {"shape": [...], "data": [...]} behind their names. */
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>

#include "gru.hpp"

struct Array {
    std::vector<int> shape;
    Numbers data;
};

// The words between the next brackets behind a place, which moves behind them; quotes are left out.
std::vector<std::string> list(const std::string& line, std::size_t& at) {
    const auto begin = line.find('[', at) + 1;
    at = line.find(']', begin);
    std::string text = line.substr(begin, at - begin);
    std::replace(text.begin(), text.end(), ',', ' ');
    std::replace(text.begin(), text.end(), '"', ' ');
    std::istringstream words(text);
    return {std::istream_iterator<std::string>(words), {}};
}

Array array_of(const std::string& line, const std::string& name) {
    Array array;
    auto at = line.find('"' + name + '"');
    for (const auto& size : list(line, at)) array.shape.push_back(std::atoi(size.c_str()));
    for (const auto& number : list(line, at)) array.data.push_back(std::strtof(number.c_str(), nullptr));
    return array;
}

std::string json(const std::vector<int>& shape, const Numbers& data) {
    std::ostringstream text;
    text.precision(std::numeric_limits<float>::max_digits10);
    text << "{\"shape\": [" << shape[0] << ", " << shape[1] << ", " << shape[2] << "], \"data\": [";
    for (std::size_t k = 0; k < data.size(); ++k) {
        text << (k ? ", " : "");
        if (std::isfinite(data[k])) text << data[k];
        else text << (std::isnan(data[k]) ? "\"NaN\"" : data[k] > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    }
    return text.str() + "]}";
}

std::string forward(const std::string& line) {
    const auto of = [&](const char* name) { return array_of(line, name).data; };
    const Array x = array_of(line, "x"), h_0 = array_of(line, "h_0");
    const Weights p{of("weight_ih_l0"), of("weight_hh_l0"), of("bias_ih_l0"), of("bias_hh_l0")};
    const int T = x.shape[0], N = x.shape[1], H = h_0.shape[2];
    Numbers output;
    const Numbers h_n = gru(p, T, N, x.shape[2], H, x.data, h_0.data, output);
    return "{\"output\": " + json({T, N, H}, output) + ", \"h_n\": " + json({1, N, H}, h_n) + "}";
}

std::string answer(const std::string& line) {
    const auto begin = line.find('"', line.find(':')) + 1;  // the request stands first
    const auto request = line.substr(begin, line.find('"', begin) - begin);
    if (request == "start") return R"({"capabilities": {"cells": ["GRU"], "dtypes": ["float32"]}})";
    return request == "forward" ? forward(line) : R"({"error": "unknown request"})";
}

int main() {
    for (std::string line; std::getline(std::cin, line) && line.find("\"stop\"") == std::string::npos;)
        std::cout << answer(line) << std::endl;
}
