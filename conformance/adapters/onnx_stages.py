"""Stages of chains that run ONNX models: each takes an onnx.ModelProto and gives something to call with arrays."""


def onnxruntime(model):
    """onnxruntime, on its CPU provider."""
    from conformance.adapters.onnx_runtime import prepare

    return prepare(model)


onnxruntime.capabilities = {"arithmetic": "lenient"}  # type: ignore[attr-defined]  # see onnx_runtime.py


def onnx_reference(model):
    """onnx.reference.ReferenceEvaluator."""
    from conformance.adapters.onnx_reference import prepare

    return prepare(model)


def openvino(model):
    """OpenVINO, on its CPU plugin."""
    from conformance.adapters.onnx_openvino import prepare

    return prepare(model)
