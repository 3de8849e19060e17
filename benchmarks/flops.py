"""Floating point operations of a Keras model, from the shapes of its convolutions and products.

A multiply-add counts as two. Everything else (activations, normalisation, gathers of RoIAlign,
matching, the edge loss) is left out: below 1 % of a ResNet, and left out it makes a share of the
machine's rate smaller, not larger.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from mrcnn.constants import RPN_LAYERS
from mrcnn.modeling.losses import Losses
from mrcnn.modeling.proposals import Proposals
from mrcnn.modeling.rpn import SampledRPN
from mrcnn.modeling.targets import RoITargets, RPNTargets

# No gradient comes back out of these.
_STOPS = (Proposals, RoITargets, RPNTargets)
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


@dataclass(frozen=True)
class Product:
    """One call of a layer that multiplies by a kernel.

    Attributes:
        name: Name of the layer.
        forward: Operations of the call. The gradient of the kernel and the gradient of the input
            take as many again each.
        learns: The kernel is trained.
        passes_on: Something before the call is trained, so the input needs a gradient.
        reached: A loss depends on the output.
        shortcut: The call repeats a part of another one to spare its backward pass.
    """

    name: str
    forward: int
    learns: bool
    passes_on: bool
    reached: bool
    shortcut: bool = False

    @property
    def step(self) -> int:
        """Operations of the call in one training step, forward and backward."""
        return self.forward * (1 + self.reached * (self.learns + self.passes_on))


def count_products(model: keras.Model, batch: int) -> list[Product]:
    """Every product of a functional model in the order of the graph, nested models included.

    Gradients flow from the inputs of a `Losses` layer, and stop at `stop_gradient`, proposals and
    targets; a model without such a layer has none.

    Args:
        model: The model; which of its layers are trainable counts.
        batch: Images in a batch.
    """
    calls = _flatten(model, batch)
    learned: set[int] = set()
    for call in calls:
        if not call.stops and (call.learns or learned.intersection(call.inputs)):
            learned.update(call.outputs)
    reached: set[int] = set()
    for call in reversed(calls):
        is_loss = isinstance(call.operation, Losses)
        if is_loss or (not call.stops and reached.intersection(call.outputs)):
            reached.update(call.inputs)
    return [
        Product(
            name=call.operation.name,
            forward=call.forward,
            learns=call.learns,
            passes_on=bool(learned.intersection(call.inputs)),
            reached=bool(reached.intersection(call.outputs)),
            shortcut=isinstance(call.operation, SampledRPN),
        )
        for call in calls
        if call.forward
    ]


def forward_flops(products: list[Product]) -> int:
    """Operations of one forward pass."""
    return sum(product.forward for product in products)


def executed_flops(products: list[Product]) -> int:
    """Operations that one training step of this implementation executes.

    The dense RPN runs forward alone, its backward pass exists at the sampled anchors; the mask head
    runs on the positive slots; frozen layers have no gradient of their kernels, and below the
    lowest trained layer there is no gradient at all.
    """
    return sum(product.step for product in products)


def nominal_flops(products: list[Product], mask_factor: float) -> int:
    """Operations of one training step of the architecture as it was published.

    Three times the forward pass of every trained layer (the RPN at all anchors) and once that of
    every frozen one, whatever an implementation saves.

    Args:
        products: Of the training model.
        mask_factor: Sampled RoIs for each one that the mask head is given here: the original runs
            it on all of them.
    """
    total = 0.0
    for product in products:
        if not product.shortcut:
            factor = mask_factor if product.name.startswith("mrcnn_mask") else 1
            total += product.forward * (3 if product.learns else 1) * factor
    return round(total)


@dataclass
class _Call:
    """One operation of the flattened graph; tensors are numbers."""

    operation: Any
    inputs: list[int]
    outputs: list[int]
    learns: bool
    forward: int = 0
    stops: bool = field(init=False)

    def __post_init__(self) -> None:
        self.stops = (
            isinstance(self.operation, _STOPS) or type(self.operation).__name__ == "StopGradient"
        )


def _flatten(model: keras.Model, batch: int) -> list[_Call]:
    sources = [keras.KerasTensor((batch, *x.shape[1:]), x.dtype) for x in model.inputs]
    numbers = iter(range(1 << 62))
    keys = {id(x): next(numbers) for x in model.inputs}
    kernels = {layer.name: layer for layer in model.layers}
    return _calls(model, sources, keys, numbers, kernels)


def _calls(
    model: keras.Model,
    sources: list[keras.KerasTensor],
    keys: dict[int, int],
    numbers: Iterator[int],
    layers: dict[str, Any],
) -> list[_Call]:
    """Calls of one functional model; `keys` knows its inputs and is filled up with its outputs."""
    by_depth = model._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    nodes = [node for node in nodes if not node.is_input]
    shapes = _concrete(model, sources, [node for node in nodes if _has_product(node.operation)])
    calls = []
    for node in nodes:
        operation = node.operation
        inputs = [keys.setdefault(id(x), next(numbers)) for x in node.input_tensors]
        if isinstance(operation, keras.Model):
            inner = dict(zip(map(id, operation.inputs), inputs, strict=True))
            given = [keras.KerasTensor(shapes[id(x)], x.dtype) for x in node.input_tensors]
            calls += _calls(operation, given, inner, numbers, layers)
            for outer, x in zip(node.output_tensors, operation.outputs, strict=True):
                keys[id(outer)] = inner[id(x)]
            continue
        outputs = [keys.setdefault(id(x), next(numbers)) for x in node.output_tensors]
        learns = bool(getattr(operation, "trainable_variables", ()))
        call = _Call(operation, inputs, outputs, learns)
        if isinstance(operation, SampledRPN):
            parts = [layers[name] for name in RPN_LAYERS]
            call.learns = any(part.trainable for part in parts)
            call.forward = _rows(shapes[id(node.output_tensors[0])]) * _size(parts)
        elif _has_product(operation):
            deconvolves = isinstance(operation, keras.layers.Conv2DTranspose)
            shaped = (node.input_tensors if deconvolves else node.output_tensors)[0]
            call.forward = _rows(shapes[id(shaped)]) * _size([operation])
        calls.append(call)
    return calls


def _concrete(
    model: keras.Model, sources: list[keras.KerasTensor], nodes: list[Any]
) -> dict[int, tuple[int, ...]]:
    """Shapes of what goes into and comes out of `nodes`, by id, with the batch known.

    After a reshape to (-1, ...) the graph itself has no number of RoIs; nested models have not even
    sides.
    """
    shapes = {id(x): tuple(s.shape) for x, s in zip(model.inputs, sources, strict=True)}
    tensors = {id(x): x for node in nodes for x in (*node.input_tensors, *node.output_tensors)}
    wanted = [x for x in tensors.values() if id(x) not in shapes]
    if wanted:
        probe = keras.Function(model.inputs, wanted)
        for x, spec in zip(wanted, probe.compute_output_spec(sources), strict=True):
            shapes[id(x)] = tuple(spec.shape)
    return shapes


def _has_product(operation: Any) -> bool:
    is_layer = isinstance(operation, SampledRPN | keras.Model)
    return is_layer or any(hasattr(operation, name) for name in _KERNELS)


def _rows(shape: tuple[int, ...]) -> int:
    """Positions that the kernel is applied to: all but the channels."""
    return math.prod(shape[:-1])


def _size(layers: list[Any]) -> int:
    """Operations of the layers' kernels at one position: two for each entry."""
    kernels = [getattr(layer, name, None) for layer in layers for name in _KERNELS]
    return 2 * sum(math.prod(kernel.shape) for kernel in kernels if kernel is not None)
