"""From what a user names to a target that can be called."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from conformance.claims.capabilities import Capabilities, CapabilityError

from .child import LoadError, compiler, declared, said
from .command import CommandTarget
from .compiling import named_compiler
from .forbidden import forbidden_import
from .local import LocalTarget
from .process import ChildTarget, Limits
from .source_text import SourceText
from .text import visible

# Names for implementations whose adapter comes with the kit; the extra that installs one is its part before a dash.
SHIPPED = {
    "torch": "conformance.adapters.pytorch",
    "torch-cuda": "conformance.adapters.pytorch_cuda",
    "torch-cuda-tf32": "conformance.adapters.pytorch_cuda_tf32",
    "torch-mps": "conformance.adapters.pytorch_mps",
    "torch-cells": "conformance.adapters.pytorch_cells",
    "torch-script": "conformance.adapters.pytorch_script",
    "torch-export": "conformance.adapters.pytorch_export",
    "torch-decomposed": "conformance.adapters.pytorch_decomposed",
    "torch-compile": "conformance.adapters.pytorch_compile",
    "torch-vmap": "conformance.adapters.pytorch_vmap",
    "torch-quantizable": "conformance.adapters.pytorch_quantizable",
    "onnxruntime": "conformance.adapters.onnx_runtime",
    "onnx-reference": "conformance.adapters.onnx_reference",
    "openvino": "conformance.adapters.onnx_openvino",
    "keras": "conformance.adapters.keras_layers",
    "flax": "conformance.adapters.flax_linen",
    "flax-nnx": "conformance.adapters.flax_nnx",
    "equinox": "conformance.adapters.equinox_cells",
    "haiku": "conformance.adapters.haiku_cores",
    "brainstate": "conformance.adapters.brainstate_cells",
    "mlx": "conformance.adapters.mlx_layers",
    "pydynet": "conformance.adapters.pydynet_layers",
    "opacus": "conformance.adapters.opacus_layers",
    "tract": "conformance.adapters.onnx_tract",
    "opencv": "conformance.adapters.onnx_opencv",
    "onnx2pytorch": "conformance.adapters.onnx_onnx2pytorch",
    "iree": "conformance.adapters.onnx_iree",
    "mnn": "conformance.adapters.onnx_mnn",
    "ncnn": "conformance.adapters.ncnn_layers",
    "litert": "conformance.adapters.litert_ops",
    "executorch": "conformance.adapters.executorch_programs",
    "hls4ml": "conformance.adapters.hls4ml_layers",
    "paddle": "conformance.adapters.paddle_layers",
    "brevitas": "conformance.adapters.brevitas_layers",
    "thinc": "conformance.adapters.thinc_lstm",
    "snntorch": "conformance.adapters.snntorch_slstm",
    "ncps": "conformance.adapters.ncps_lstm",
    "forecasting": "conformance.adapters.forecasting_layers",
    "torchrl": "conformance.adapters.torchrl_layers",
    "ncps-cfc": "conformance.adapters.ncps_cfc",
    "fla": "conformance.adapters.fla_naive",
    "mambapy": "conformance.adapters.mambapy_block",
    "mingru": "conformance.adapters.mingru_pytorch",
    "mlstm": "conformance.adapters.mlstm_native",
    "rwkv": "conformance.adapters.rwkv_mixing",
    "s5": "conformance.adapters.s5_pytorch",
    "torchrecurrent": "conformance.adapters.torchrecurrent_cells",
    "transformers-delta": "conformance.adapters.transformers_delta",
    "xlstm-mlstm": "conformance.adapters.xlstm_mlstm",
    "xlstm-slstm": "conformance.adapters.xlstm_slstm",
    "tinygrad": "conformance.adapters.tinygrad_lstm",
    "reference": "conformance.adapters.reference",
}


class Stage(NamedTuple):
    """A tool in a chain: where its function is, what installs it, what it takes and what it gives.

    takes, gives: "case"; "program" and "session", which can be run; "model", which it takes a runtime to run
    """

    module: str
    name: str
    extra: str
    takes: str
    gives: str


TORCH, PREPARE = "conformance.adapters.torch_stages", "prepare"
STAGES = {
    "torch": Stage(TORCH, "program", "torch", "case", "program"),
    "torch-export": Stage(TORCH, "export", "torch", "program", "program"),
    "jit": Stage(TORCH, "script", "torch", "program", "program"),
    "compile": Stage(TORCH, "compile", "torch", "program", "program"),
    "onnx": Stage(TORCH, "onnx", "chains", "program", "model"),
    "onnx-dynamo": Stage(TORCH, "onnx_dynamo", "chains", "program", "model"),
    "onnx-script": Stage(TORCH, "onnx_script", "chains", "program", "model"),
    "onnxruntime": Stage(SHIPPED["onnxruntime"], PREPARE, "onnxruntime", "model", "session"),
    "onnx-reference": Stage(SHIPPED["onnx-reference"], PREPARE, "onnx", "model", "session"),
    "openvino": Stage(SHIPPED["openvino"], PREPARE, "openvino", "model", "session"),
}


class TargetError(Exception):
    """There is no verdict to be had about this target: exit status 2. The message is one line that is seen."""

    def __init__(self, message: object) -> None:
        super().__init__(visible(message))


class OutOfTime(TargetError):
    """A limit struck before there was anything to be judged."""


Target = LocalTarget | ChildTarget | CommandTarget


def open_target(
    target: Any, *, in_process: bool = False, limits: Limits | None = None, path: Sequence[str] = ()
) -> Target:
    """The target that a name, a class, a function or an object stands for.

    A name is a file, ``package.module``, ``file.py:name``, a shipped name, or one of these behind
    ``python=INTERPRETER``; a chain of stages, ``torch > onnx > onnxruntime``; or ``cmd:`` and a command that speaks
    the line protocol. Only names can be held by a child process; ``in_process`` keeps them here.
    path: folders where a child process finds modules instead of the working directory, the first of which it works in

    Raises TargetError if it cannot be found or loaded, or declares what does not exist.
    """
    try:
        if isinstance(target, (LocalTarget, ChildTarget, CommandTarget)):
            return target
        if not isinstance(target, (str, os.PathLike)):
            return of_object(target)
        text = os.fspath(target)
        if text.startswith("cmd:"):
            if limits and limits.forbid:
                raise LoadError(f"forbid: the kit cannot see what a command imports; leave it out for {text}")
            return CommandTarget(text.removeprefix("cmd:"), text, limits or Limits())
        python, spec = spec_of(text)
        if "file" in spec and limits and (said := forbidden_import(Path(spec["file"]), limits.forbid)):
            raise LoadError(said)
        if in_process:
            return local(spec, text, python)
        return ChildTarget(spec | {"path": list(path)}, text, python=python, limits=limits or Limits())
    except (LoadError, CapabilityError) as error:
        raise TargetError(error) from None


def local(spec: dict[str, Any], text: str, python: str) -> LocalTarget:
    """A target that is named, in this process; what compiles in its calls, a process of its own shows, if anything may.

    Nothing may where none of what compiles is loaded here; and what is may be loaded for somebody else.
    """
    found = LocalTarget.load(spec, text)
    if found.capabilities.recompiles is None and (compiler() or "torch._dynamo" in sys.modules):
        with contextlib.suppress(LoadError, CapabilityError):
            other = ChildTarget(spec, text, python=python, limits=Limits())
            other.stop()
            found.notice(other.compiler)
    return found


def open_chain(stages: Sequence[str], limits: Limits) -> Target:
    """The target that a chain of stages is, also one of a single stage. Raises TargetError."""
    try:
        return ChildTarget(chain_spec(stages), " > ".join(stages), python=sys.executable, limits=limits)
    except (LoadError, CapabilityError) as error:
        raise TargetError(error) from None


def of_object(target: Any) -> LocalTarget:
    """A class, a function or an object as a target, whatever it does when it is looked at. Raises LoadError."""
    try:
        if callable(target) or callable(getattr(target, "forward", None)):
            found = LocalTarget(target, name_of(target), Capabilities.of(declared(target, None)))
            found.notice(named_compiler(target))
            return found
    except (LoadError, CapabilityError):
        raise
    except Exception as error:
        raise LoadError(f"a {type(target).__name__} cannot be looked into: {said(error)}") from None
    raise LoadError(f"{target!r} is a {type(target).__name__}: neither a name nor something to call")


def spec_of(text: str) -> tuple[str, dict[str, Any]]:
    """The interpreter, and the spec that ``child.load`` reads. Raises LoadError."""
    python = sys.executable
    if text.startswith("python="):
        try:
            python, text = interpreter_of(text)
        except ValueError as error:
            raise LoadError(f"{text!r} cannot be read: {error}") from None
    if stages := stages_of(text):
        return python, chain_spec(stages)
    text, name = split_name(text)
    if text in SHIPPED:
        return python, {"module": SHIPPED[text], "name": name, "extra": text.partition("-")[0]}
    if text.endswith(".py") or os.sep in text:
        path = Path(text)
        if not os.path.isfile(path):
            raise LoadError(f"there is no file {text!r}{alternatives(path)}")
        return python, {"file": str(path), "name": name or SourceText.read(path).lone_class}
    if not all(part.isidentifier() for part in text.split(".")):
        raise LoadError(f"{text!r} is neither a Python file nor a module; shipped targets: {', '.join(SHIPPED)}")
    return python, {"module": text, "name": name}


def interpreter_of(text: str) -> tuple[str, str]:
    """The interpreter and the target that ``python=INTERPRETER TARGET`` names. Raises ValueError."""
    words = shlex.split(text.removeprefix("python="))
    if len(words) != 2:
        raise ValueError("it must name an interpreter and one target: python=OTHER/bin/python my_rnn.py")
    return words[0], words[1]


def stages_of(text: str) -> list[str]:
    """The stages of a chain: ``torch > onnx > onnxruntime``; none of a target that is no chain."""
    return [] if ">" not in text or os.path.isfile(text) else [stage.strip() for stage in text.split(">")]


def chain_spec(stages: Sequence[str]) -> dict[str, Any]:
    """The spec of a chain of stages, each of STAGES or ``file.py:name``. Raises LoadError."""
    specs = [stage_spec(stage) for stage in stages]
    for before, after in pairwise(stages):
        given, wanted = STAGES.get(before), STAGES.get(after)
        if given and wanted and given.gives != wanted.takes:
            raise LoadError(f"{before} gives a {given.gives}, but {after} takes a {wanted.takes}")
    first, last = STAGES.get(stages[0]), STAGES.get(stages[-1])
    if first and first.takes != "case":
        raise LoadError(f"{stages[0]} takes a {first.takes}, so it cannot come first; a chain begins with torch")
    if last and last.gives == "model":
        runtimes = [name for name, stage in STAGES.items() if stage.takes == last.gives]
        raise LoadError(f"{stages[-1]} gives a model, which does not run by itself: > {', > '.join(runtimes)}")
    return {"module": "conformance.adapters.chain", "name": "Chain", "stages": specs}


def stage_spec(text: str) -> dict[str, Any]:
    """The spec of one stage, with its label. Raises LoadError."""
    if text in STAGES:
        stage = STAGES[text]
        return {"label": text, "module": stage.module, "name": stage.name, "extra": stage.extra}
    file, name = split_name(text)
    if not name or not file.endswith(".py"):
        raise LoadError(f"{text!r} is no stage of a chain, must be file.py:name or one of {', '.join(STAGES)}")
    if not os.path.isfile(file):
        raise LoadError(f"there is no file {file!r}{alternatives(Path(file))}")
    return {"label": text, "file": file, "name": name}


def move_target(text: str, folder: Path) -> str:
    """A target that is named as seen from a folder, as seen from the working directory.

    Of a command, those words that are files there are moved. Raises ValueError for what cannot be read.
    """
    if text.startswith("cmd:"):
        words = shlex.split(text.removeprefix("cmd:"))
        return "cmd: " + shlex.join(
            visible_path(word, folder) if os.path.isfile(folder / word) else word for word in words
        )
    if text.startswith("python="):
        python, target = interpreter_of(text)
        python = visible_path(python, folder) if os.sep in python else python
        return "python=" + shlex.join([python, move_target(target, folder)])
    if stages := stages_of(text):
        return " > ".join(move_target(stage, folder) for stage in stages)
    file, name = split_name(text)
    if not (file.endswith(".py") or os.sep in file):
        return text
    return visible_path(file, folder) + (f":{name}" if name else "")


def rebase_target(text: str, old: Path, new: Path) -> str:
    """A target whose file lies in one folder, as the file at the same place in another one; a module stays as it is."""
    if text.startswith("python="):
        python, target = interpreter_of(text)
        python = os.path.abspath(python) if os.sep in python else python
        return "python=" + shlex.join([python, rebase_target(target, old, new)])
    if stages := stages_of(text):
        return " > ".join(rebase_target(stage, old, new) for stage in stages)
    file, name = split_name(text)
    place = Path(file).resolve()
    if not (file.endswith(".py") or os.sep in file) or not place.is_relative_to(old):
        return text
    return str(new / place.relative_to(old)) + (f":{name}" if name else "")


def visible_path(path: str, folder: Path) -> str:
    """A path in a folder, as seen from the working directory."""
    return path if os.path.isabs(path) or folder == Path.cwd() else os.path.relpath(folder / path)


def split_name(text: str) -> tuple[str, str | None]:
    """``file.py:name`` as its two parts; a drive letter's colon belongs to the file."""
    head, colon, tail = text.rpartition(":")
    return (head, tail) if colon and tail.isidentifier() and len(head) > 1 else (text, None)


def alternatives(path: Path) -> str:
    """The Python files that stand where one was looked for, for messages."""
    folder = path.parent
    if not os.path.isdir(folder):
        return f"; there is no folder {str(folder)!r} either"
    files = sorted(file.name for file in folder.glob("*.py"))[:8]
    return f"; {str(folder)!r} has {', '.join(files)}" if files else ""


def name_of(target: Any) -> str:
    """How a report calls an object."""
    return getattr(target, "__qualname__", None) or getattr(target, "__name__", None) or type(target).__qualname__
