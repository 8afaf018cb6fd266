"""The last layers of an exported encoder as a torch module that can learn: an ONNX graph in, the same graph with other weights out.

The layers below a cut (the output of a LayerNorm) run as they are, in int8, by ONNX Runtime; those above are read node by node and
computed in float32, with products that the export made int8 (`train.quantise`) turned back. So any encoder of ours can be tuned, though
only its graph is there; what is written serves as the graph did before, its trained products in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from wayfind.errors import TrainingError

NORMS_A_LAYER = 2
SMALLEST = 32
"""Numbers of a tensor from which it is a weight, and no constant."""
OF_INT8 = ("_abs", "_max", "_positive", "_scale", "_unit", "_codes")
OF_SUM = ("_sum", "_float", "_rows", "")


class UpperLayers(nn.Module):
    """The last `layers` layers of a graph.

    Raises TrainingError where the graph has no such layers, or an operation that is not known here.
    """

    def __init__(self, graph: Any, layers: int) -> None:
        import onnx

        super().__init__()
        self._onnx, self._graph = onnx, graph
        norms = [node.output[0] for node in graph.graph.node if node.op_type == "LayerNormalization"]
        if len(norms) <= NORMS_A_LAYER * layers:
            raise TrainingError(f"the encoder has {len(norms)} LayerNorms, too few to tune its last {layers} layers")
        self.cut = norms[-1 - NORMS_A_LAYER * layers]
        self.output = "vector"
        tensors = {one.name: onnx.numpy_helper.to_array(one) for one in graph.graph.initializer}
        self._nodes = self._upper(tensors)
        self.weights = nn.ParameterDict()
        self._constants: dict[str, Tensor] = {}
        self._names: dict[str, str] = {}
        for node in self._nodes:
            for name in node[1]:
                self._keep(name, tensors)
        made = {self.cut, *(out for node in self._nodes for out in node[2])}
        used = {name for node in self._nodes for name in node[1] if name}
        self.beside = sorted(used - made - self._constants.keys() - self._names.keys())
        """Tensors of the lower part, beside the cut, that the upper part reads: shapes and the mask."""
        unknown = {node[0] for node in self._nodes} - OPERATIONS.keys()
        if unknown:
            raise TrainingError(f"the encoder's graph uses {', '.join(sorted(unknown))}, which cannot be tuned here")

    def _upper(self, tensors: Mapping[str, np.ndarray]) -> list[tuple[str, list[str], list[str], dict[str, Any]]]:
        """(operation, inputs, outputs, attributes) of every node that depends on the cut, int8 products folded into one each."""
        depends, nodes, folded = {self.cut}, [], set()
        for node in self._graph.graph.node:
            if not depends & set(node.input):
                continue
            depends |= set(node.output)
            if node.op_type == "MatMulInteger":
                x, weight, out = node.input[0].removesuffix("_codes"), node.input[1].removesuffix("_codes"), node.output[0].removesuffix("_sum")
                folded |= {x + end for end in OF_INT8} | {out + end for end in OF_SUM}
                nodes.append(("MatMul", [x, weight], [out], {}))
            else:
                values = {one.name: self._onnx.helper.get_attribute_value(one) for one in node.attribute}
                nodes.append((node.op_type, list(node.input), list(node.output), values))
        products = {id(node) for node in nodes if node[0] == "MatMul"}
        return _leading_to(self.output, [node for node in nodes if id(node) in products or not set(node[2]) & folded])

    def _keep(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        if name in self._names or name in self._constants:
            return
        if f"{name}_codes" in tensors:
            value = tensors[f"{name}_codes"].astype(np.float32) * tensors[f"{name}_scale"][None]
        elif name in tensors:
            value = tensors[name]
        else:
            return
        if value.dtype == np.float32 and value.size >= SMALLEST:
            self._names[name] = f"w{len(self._names)}"
            self.weights[self._names[name]] = nn.Parameter(torch.from_numpy(np.array(value)))
        else:
            self._constants[name] = torch.from_numpy(np.array(value))

    def forward(self, states: Float[Tensor, "batch token hidden"], beside: Mapping[str, Tensor]) -> Float[Tensor, "batch dim"]:
        """The vectors of texts, given their states at the cut and what the lower part says beside."""
        known: dict[str, Tensor] = {self.cut: states, **beside, **self._constants}
        known |= {name: self.weights[own] for name, own in self._names.items()}
        for operation, inputs, outputs, attributes in self._nodes:
            known[outputs[0]] = OPERATIONS[operation]([known[name] if name else None for name in inputs], attributes)
        return functional.normalize(known[self.output], dim=-1)

    def written(self) -> Any:
        """A copy of the graph with the weights as they are now. The products that were trained are float32: what a few dozen steps
        change is less than half a step of int8, and rounding would take it back."""
        graph = type(self._graph)()
        graph.CopyFrom(self._graph)
        tensors = {one.name: one for one in graph.graph.initializer}
        for name, own in self._names.items():
            tensors[name] = self._onnx.numpy_helper.from_array(self.weights[own].detach().numpy(), name)
        nodes = _live(self._in_float(list(graph.graph.node)), {one.name for one in graph.graph.output})
        used = {name for node in nodes for name in node.input}
        for place, values in ((graph.graph.node, nodes), (graph.graph.initializer, [one for name, one in tensors.items() if name in used])):
            del place[:]
            place.extend(values)
        return graph

    def _in_float(self, nodes: list[Any]) -> list[Any]:
        """The nodes of a graph, each trained product as one of float32 in place of those that compute it in int8."""
        products = {outputs[0]: inputs for operation, inputs, outputs, _ in self._nodes if operation == "MatMul" and inputs[1] in self._names}
        make = self._onnx.helper.make_node
        return [make("MatMul", products[node.output[0]], [node.output[0]], name=node.name) if node.output[0] in products else node for node in nodes]


class LowerLayers:
    """The part of a graph up to the cut, run by ONNX Runtime."""

    def __init__(self, graph: Any, upper: UpperLayers, threads: int = 0) -> None:
        import onnx
        import onnxruntime

        whole = type(graph)()
        whole.CopyFrom(graph)
        for name in (upper.cut, *upper.beside):
            whole.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        self._session = onnxruntime.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._cut, self._beside = upper.cut, upper.beside

    def states(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """States at the cut, float32 [batch, token, hidden]."""
        return self._session.run([self._cut], {"ids": ids, "mask": mask})[0]

    def beside(self, mask: np.ndarray) -> dict[str, Tensor]:
        """What the upper part reads beside the states, for texts with this mask."""
        found = self._session.run(self._beside, {"ids": np.zeros_like(mask), "mask": mask}) if self._beside else []
        return {name: torch.from_numpy(np.array(value)) for name, value in zip(self._beside, found)}


def _live(nodes: list[Any], wanted: set[str]) -> list[Any]:
    """The nodes of a graph that some wanted tensor is made of, in their order."""
    kept, wanted = [], set(wanted)
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _leading_to(output: str, nodes: list[tuple[str, list[str], list[str], dict[str, Any]]]) -> list[tuple[str, list[str], list[str], dict[str, Any]]]:
    """The nodes that an output is made of; a graph may have others, of token vectors."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted & set(node[2]):
            wanted |= set(node[1])
            kept.append(node)
    return kept[::-1]


def _sizes(value: Tensor) -> list[int]:
    return [int(one) for one in value.reshape(-1).tolist()]


def _reshaped(inputs: list, attributes: Mapping[str, Any]) -> Tensor:
    x, sizes = inputs[0], _sizes(inputs[1])
    return x.reshape([x.shape[at] if size == 0 and not attributes.get("allowzero") else size for at, size in enumerate(sizes)])


def _sliced(inputs: list, attributes: Mapping[str, Any]) -> Tensor:
    x, starts, ends, *rest = inputs
    axes = _sizes(rest[0]) if rest and rest[0] is not None else range(starts.numel())
    for axis, start, end in zip(axes, _sizes(starts), _sizes(ends)):
        x = x.narrow(axis, *_span(x.shape[axis], start, end))
    return x


def _span(size: int, start: int, end: int) -> tuple[int, int]:
    first, last, _ = slice(start, end).indices(size)
    return first, max(last - first, 0)


def _unsqueezed(inputs: list, attributes: Mapping[str, Any]) -> Tensor:
    x = inputs[0]
    for axis in sorted(_sizes(inputs[1])):
        x = x.unsqueeze(axis)
    return x


def _clipped(inputs: list, attributes: Mapping[str, Any]) -> Tensor:
    least, most = (inputs[1:] + [None, None])[:2]
    x = inputs[0] if least is None else torch.maximum(inputs[0], least)
    return x if most is None else torch.minimum(x, most)


def _kept(attributes: Mapping[str, Any]) -> bool:
    return bool(attributes.get("keepdims", 1))


KINDS = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool}
"""ONNX's number of a type -> torch's."""
OPERATIONS: dict[str, Callable[[list, Mapping[str, Any]], Tensor]] = {
    "Add": lambda x, a: x[0] + x[1],
    "Cast": lambda x, a: x[0].to(KINDS[a["to"]]),
    "Clip": _clipped,
    "Concat": lambda x, a: torch.cat(x, dim=a["axis"]),
    "Div": lambda x, a: x[0] / x[1],
    "Erf": lambda x, a: torch.erf(x[0]),
    "Expand": lambda x, a: x[0] * torch.ones(_sizes(x[1]), dtype=x[0].dtype),
    "IsNaN": lambda x, a: torch.isnan(x[0]),
    "LayerNormalization": lambda x, a: functional.layer_norm(x[0], x[0].shape[-1:], x[1], x[2] if len(x) > 2 else None, a.get("epsilon", 1e-5)),
    "MatMul": lambda x, a: x[0] @ x[1],
    "Mul": lambda x, a: x[0] * x[1],
    "ReduceL2": lambda x, a: x[0].norm(dim=_sizes(x[1]), keepdim=_kept(a)),
    "ReduceMean": lambda x, a: x[0].mean(dim=_sizes(x[1]), keepdim=_kept(a)),
    "ReduceSum": lambda x, a: x[0].sum(dim=_sizes(x[1]), keepdim=_kept(a)),
    "Reshape": _reshaped,
    "Shape": lambda x, a: torch.tensor(x[0].shape[a.get("start", 0) : a.get("end")], dtype=torch.int64),
    "Slice": _sliced,
    "Softmax": lambda x, a: torch.softmax(x[0], dim=a.get("axis", -1)),
    "Sqrt": lambda x, a: torch.sqrt(x[0]),
    "Sub": lambda x, a: x[0] - x[1],
    "Transpose": lambda x, a: x[0].permute(*a["perm"]),
    "Unsqueeze": _unsqueezed,
    "Where": lambda x, a: torch.where(x[0], x[1], x[2]),
}
