/* The LSTM of Arm NN for whole sequences, on its reference backend, as a target of rnn-conformance, by the line protocol:
 *
 *     c++ -std=c++17 -O2 target.cpp -o target -larmnn && rnn-conformance check "cmd: ./target"
 *
 * In Debian it is libarmnn-dev, with libarmnn-cpuref-backend33. A network is made for each case, a layer in it for each
 * layer. A layer gives its final states and the output of every step.
 * Source: https://arm-software.github.io/armnn/latest/classarmnn_1_1_i_network.html and armnn/LstmParams.hpp */
#include <armnn/ArmNN.hpp>
#include <list>

#include "../cpp/protocol.hpp"

using Sizes = std::vector<unsigned>;
using Numbers = std::vector<float>;

armnn::TensorInfo info(const Sizes& sizes, bool constant = false) {
    return {unsigned(sizes.size()), sizes.data(), armnn::DataType::Float32, 0.0f, 0, constant};
}

// Constants of a network, until it is loaded.
struct Constants {
    std::list<Numbers> numbers;
    std::list<armnn::ConstTensor> tensors;

    // The rows of one gate out of several; of nothing where there is no array.
    const armnn::ConstTensor* gate(const Array& array, int gate, int gates) {
        if (array.data.empty()) return nullptr;
        const auto size = array.data.size() / gates;
        const auto begin = array.data.begin() + gate * size;
        numbers.emplace_back(begin, begin + size);
        Sizes sizes(array.shape.begin(), array.shape.end());
        sizes[0] /= gates;
        tensors.emplace_back(info(sizes, true), numbers.back().data());
        return &tensors.back();
    }
};

armnn::LstmInputParams parameters(const std::string& line, int layer, Constants& constants) {
    const auto of = [&](const std::string& kind) { return array_of(line, kind + "_l" + std::to_string(layer)); };
    const Array W = of("weight_ih"), R = of("weight_hh"), peepholes = of("weight_ch"), other = of("bias_hh");
    Array b = of("bias_ih");
    for (std::size_t k = 0; k < b.data.size(); ++k) b.data[k] += other.data[k];
    armnn::LstmInputParams p;
    p.m_InputToInputWeights = constants.gate(W, 0, 4), p.m_InputToForgetWeights = constants.gate(W, 1, 4);
    p.m_InputToCellWeights = constants.gate(W, 2, 4), p.m_InputToOutputWeights = constants.gate(W, 3, 4);
    p.m_RecurrentToInputWeights = constants.gate(R, 0, 4), p.m_RecurrentToForgetWeights = constants.gate(R, 1, 4);
    p.m_RecurrentToCellWeights = constants.gate(R, 2, 4), p.m_RecurrentToOutputWeights = constants.gate(R, 3, 4);
    p.m_InputGateBias = constants.gate(b, 0, 4), p.m_ForgetGateBias = constants.gate(b, 1, 4);
    p.m_CellBias = constants.gate(b, 2, 4), p.m_OutputGateBias = constants.gate(b, 3, 4);
    p.m_CellToInputWeights = constants.gate(peepholes, 0, 3), p.m_CellToForgetWeights = constants.gate(peepholes, 1, 3);
    p.m_CellToOutputWeights = constants.gate(peepholes, 2, 3);
    p.m_ProjectionWeights = constants.gate(of("weight_hr"), 0, 1);
    return p;
}

std::string forward(const std::string& line) {
    static const auto runtime = armnn::IRuntime::Create(armnn::IRuntime::CreationOptions());
    const Array x = array_of(line, "x"), h_0 = array_of(line, "h_0"), c_0 = array_of(line, "c_0");
    const bool time_major = value_of(line, "batch_first") == "false";
    const unsigned N = x.shape[time_major], L = h_0.shape[0], P = h_0.shape[2], H = c_0.shape[2];
    const Sizes of_x(x.shape.begin(), x.shape.end()), of_output = {of_x[0], of_x[1], P}, of_h = {N, P}, of_c = {N, H};
    Numbers input(x.data.begin(), x.data.end()), output(of_x[0] * of_x[1] * P);
    Numbers h(h_0.data.begin(), h_0.data.end()), c(c_0.data.begin(), c_0.data.end()), h_n(h.size()), c_n(c.size());

    armnn::INetworkPtr network = armnn::INetwork::Create();
    armnn::InputTensors inputs;
    armnn::OutputTensors outputs;
    Constants constants;
    const auto read = [&](const Sizes& sizes, const float* data, armnn::IInputSlot& slot) {
        auto* layer = network->AddInputLayer(inputs.size());
        layer->GetOutputSlot(0).SetTensorInfo(info(sizes));
        layer->GetOutputSlot(0).Connect(slot);
        inputs.push_back({int(inputs.size()), {info(sizes, true), data}});
    };
    const auto write = [&](const Sizes& sizes, float* data, armnn::IOutputSlot& slot) {
        slot.Connect(network->AddOutputLayer(outputs.size())->GetInputSlot(0));
        outputs.push_back({int(outputs.size()), {info(sizes), data}});
    };
    armnn::IConnectableLayer* below = nullptr;
    for (unsigned l = 0; l < L; ++l) {
        armnn::UnidirectionalSequenceLstmDescriptor d;
        const auto p = parameters(line, l, constants);
        d.m_ActivationFunc = 4;  // tanh
        d.m_CifgEnabled = false;
        d.m_PeepholeEnabled = p.m_CellToInputWeights != nullptr;
        d.m_ProjectionEnabled = p.m_ProjectionWeights != nullptr;
        d.m_TimeMajor = time_major;
        auto* layer = network->AddUnidirectionalSequenceLstmLayer(d, p);
        if (below) below->GetOutputSlot(2).Connect(layer->GetInputSlot(0));
        else read(of_x, input.data(), layer->GetInputSlot(0));
        read(of_h, &h[l * N * P], layer->GetInputSlot(1));
        read(of_c, &c[l * N * H], layer->GetInputSlot(2));
        layer->GetOutputSlot(0).SetTensorInfo(info(of_h));
        layer->GetOutputSlot(1).SetTensorInfo(info(of_c));
        layer->GetOutputSlot(2).SetTensorInfo(info(of_output));
        write(of_h, &h_n[l * N * P], layer->GetOutputSlot(0));
        write(of_c, &c_n[l * N * H], layer->GetOutputSlot(1));
        below = layer;
    }
    write(of_output, output.data(), below->GetOutputSlot(2));

    armnn::NetworkId id;
    if (runtime->LoadNetwork(id, armnn::Optimize(*network, {"CpuRef"}, runtime->GetDeviceSpec())) !=
        armnn::Status::Success)
        throw std::runtime_error("LoadNetwork failed");
    const auto status = runtime->EnqueueWorkload(id, inputs, outputs);
    runtime->UnloadNetwork(id);
    if (status != armnn::Status::Success) throw std::runtime_error("EnqueueWorkload failed");
    return "{\"output\": " + json({x.shape[0], x.shape[1], int(P)}, output) + ", \"h_n\": " + json(h_0.shape, h_n) +
           ", \"c_n\": " + json(c_0.shape, c_n) + "}";
}

int main() {
    return serve(
        R"({"cells": ["LSTM"], "max_layers": null, "batch_first": true, "projections": true, "options": ["peepholes"]})",
        forward);
}
