// The line protocol for targets in C++: what a request holds, and the arrays of a reply.
// A request is one line of JSON. What is read of it are numbers and arrays, {"shape": [...], "data": [...]}, by name.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Array {
    std::vector<int> shape;
    std::vector<double> data;
};

// The words between the next brackets behind a place, which moves behind them; quotes are left out.
inline std::vector<std::string> list(const std::string& line, std::size_t& at) {
    const auto begin = line.find('[', at) + 1;
    at = line.find(']', begin);
    std::string text = line.substr(begin, at - begin);
    std::replace(text.begin(), text.end(), ',', ' ');
    std::replace(text.begin(), text.end(), '"', ' ');
    std::istringstream words(text);
    return {std::istream_iterator<std::string>(words), {}};
}

// The array of a name; an empty one where it is null.
inline Array array_of(const std::string& line, const std::string& name) {
    Array array;
    auto at = line.find('"' + name + '"');
    const auto value = at == std::string::npos ? at : line.find_first_not_of(": ", at + name.size() + 2);
    if (value == std::string::npos || line[value] == 'n') return array;
    for (const auto& size : list(line, at)) array.shape.push_back(std::atoi(size.c_str()));
    for (const auto& number : list(line, at)) array.data.push_back(std::strtod(number.c_str(), nullptr));
    return array;
}

// What stands behind a name: a number, a word, or the beginning of more.
inline std::string value_of(const std::string& line, const std::string& name) {
    const auto at = line.find_first_not_of(": ", line.find('"' + name + '"') + name.size() + 2);
    const auto begin = at + (line[at] == '"');
    return line.substr(begin, line.find_first_of("\",}", begin) - begin);
}

// An array as JSON.
template <class Number>
std::string json(const std::vector<int>& shape, const std::vector<Number>& data) {
    std::ostringstream text;
    text.precision(std::numeric_limits<double>::max_digits10);  // of a float too: what is read is a double
    text << "{\"shape\": [";
    for (std::size_t k = 0; k < shape.size(); ++k) text << (k ? ", " : "") << shape[k];
    text << "], \"data\": [";
    for (std::size_t k = 0; k < data.size(); ++k) {
        text << (k ? ", " : "");
        if (std::isfinite(data[k])) text << data[k];
        else text << (std::isnan(data[k]) ? "\"NaN\"" : data[k] > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    }
    return text.str() + "]}";
}

// Answers requests until the last one: what is claimed, and ``forward`` for each case.
template <class Forward>
int serve(const std::string& capabilities, Forward forward) {
    for (std::string line; std::getline(std::cin, line);) {
        const auto request = value_of(line, "do");
        if (request == "stop") break;
        try {
            if (request == "start") std::cout << "{\"capabilities\": " + capabilities + "}" << std::endl;
            else if (request == "forward") std::cout << forward(line) << std::endl;
            else throw std::runtime_error("unknown request");
        } catch (const std::exception& error) {
            std::cout << "{\"error\": \"" << error.what() << "\"}" << std::endl;
        }
    }
    return 0;
}
