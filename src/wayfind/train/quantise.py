"""Int8 graphs: an ONNX graph of float32 in, one out whose matrix products and tables are int8 and whose rows stay independent.

A product x W becomes s_x s_W (q_x q_W): q_x has one scale s_x for each token, q_W one for each output channel, and the sum is one
of integers, exact. Since no scale is taken over the batch, a text alone and in any batch has the same vector. Activations are
unsigned with zero point 128: ONNX Runtime multiplies unsigned by signed several times faster than signed by signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

LARGEST = 127
WEIGHT_LARGEST = 63
"""Seven bits: 255 · 63 · 2 stays within int16, in which processors without VNNI add two products; eight bits would saturate there."""
SMALLEST_TABLE = 1000
"""Rows of a table of token vectors; smaller ones (positions, types) stay float32."""


def quantised(graph: Any, weight_largest: int = WEIGHT_LARGEST) -> Any:
    """A copy of an ONNX model with int8 weights; see the module."""
    import onnx

    model = type(graph)()
    model.CopyFrom(graph)
    rewriting = _Rewriting(onnx, model.graph, weight_largest)
    nodes = [made for node in model.graph.node for made in rewriting.of(node)]
    used = {name for node in nodes for name in node.input} | {found.name for found in model.graph.output}
    kept = [one for one in [*model.graph.initializer, *rewriting.made.values()] if one.name in used]
    for place, values in ((model.graph.node, nodes), (model.graph.initializer, kept)):
        del place[:]
        place.extend(values)
    onnx.checker.check_model(model)
    return model


class _Rewriting:
    """Nodes in, nodes that compute the same in int8 out; keeps the tensors and the activations that were quantised."""

    def __init__(self, onnx: Any, graph: Any, weight_largest: int) -> None:
        self.onnx, self.weight_largest = onnx, weight_largest
        self.tensors = {one.name: one for one in graph.initializer}
        self.made: dict[str, Any] = {}
        self._activations: dict[str, tuple[str, str]] = {}
        for name, value in (("int8_largest", np.float32(LARGEST)), ("int8_least", np.float32(1e-12)), ("int8_one", np.float32(1)), ("int8_zero", np.uint8(128))):
            self._keep(name, np.array(value))
        self._keep("int8_last", np.array([-1], np.int64))

    def of(self, node: Any) -> Iterator[Any]:
        """The nodes that stand for one node."""
        if node.op_type == "MatMul" and node.input[1] in self.tensors and len(self.tensors[node.input[1]].dims) == 2:
            yield from self._product(node)
        elif node.op_type == "Gather" and node.input[0] in self.tensors and self._is_table(node):
            yield from self._lookup(node)
        else:
            yield node

    def _is_table(self, node: Any) -> bool:
        dims = self.tensors[node.input[0]].dims
        return len(dims) == 2 and dims[0] >= SMALLEST_TABLE and not any(one.name == "axis" and one.i for one in node.attribute)

    def _product(self, node: Any) -> Iterator[Any]:
        x, weight, out = node.input[0], node.input[1], node.output[0]
        codes, scale = self._weights(weight, 0, self.weight_largest)
        if x not in self._activations:
            yield from self._activation(x)
        x_codes, x_scale = self._activations[x]
        make = self.onnx.helper.make_node
        yield make("MatMulInteger", [x_codes, codes, "int8_zero"], [f"{out}_sum"], name=f"{out}_matmul")
        yield make("Cast", [f"{out}_sum"], [f"{out}_float"], to=self.onnx.TensorProto.FLOAT, name=f"{out}_cast")
        yield make("Mul", [f"{out}_float", x_scale], [f"{out}_rows"], name=f"{out}_row_scale")
        yield make("Mul", [f"{out}_rows", scale], [out], name=f"{out}_channel_scale")

    def _activation(self, x: str) -> Iterator[Any]:
        """x to uint8 codes around 128, each row (token) by its own largest."""
        make, scale, codes = self.onnx.helper.make_node, f"{x}_scale", f"{x}_codes"
        yield make("Abs", [x], [f"{x}_abs"], name=f"{x}_abs")
        yield make("ReduceMax", [f"{x}_abs", "int8_last"], [f"{x}_max"], keepdims=1, name=f"{x}_max")
        yield make("Max", [f"{x}_max", "int8_least"], [f"{x}_positive"], name=f"{x}_positive")
        yield make("Div", [f"{x}_positive", "int8_largest"], [scale], name=f"{x}_scale")
        yield make("Div", [x, scale], [f"{x}_unit"], name=f"{x}_unit")
        yield make("QuantizeLinear", [f"{x}_unit", "int8_one", "int8_zero"], [codes], name=f"{x}_quantise")
        self._activations[x] = codes, scale

    def _lookup(self, node: Any) -> Iterator[Any]:
        table, rows, out = node.input[0], node.input[1], node.output[0]
        codes, scale = self._weights(table, 1, LARGEST)
        make = self.onnx.helper.make_node
        yield make("Gather", [codes, rows], [f"{out}_codes"], name=f"{out}_codes")
        yield make("Cast", [f"{out}_codes"], [f"{out}_float"], to=self.onnx.TensorProto.FLOAT, name=f"{out}_cast")
        yield make("Gather", [scale, rows], [f"{out}_scale"], name=f"{out}_scale")
        yield make("Unsqueeze", [f"{out}_scale", "int8_last"], [f"{out}_column"], name=f"{out}_column")
        yield make("Mul", [f"{out}_float", f"{out}_column"], [out], name=f"{out}_row_scale")

    def _weights(self, name: str, axis: int, largest: int) -> tuple[str, str]:
        """Names of a tensor's codes and of their scales, one for each place along the other axis."""
        codes, scale = f"{name}_codes", f"{name}_scale"
        if codes not in self.made:
            weight = self.onnx.numpy_helper.to_array(self.tensors[name])
            step = np.maximum(np.abs(weight).max(axis=axis, keepdims=True) / largest, np.finfo(np.float32).tiny)
            self._keep(codes, np.rint(weight / step).astype(np.int8))
            self._keep(scale, step.reshape(-1).astype(np.float32))
        return codes, scale

    def _keep(self, name: str, value: np.ndarray) -> None:
        self.made[name] = self.onnx.numpy_helper.from_array(value, name)
