"""Backbones: an image in, C2 to C5 at strides 4, 8, 16 and 32 out.

ResNet-50 and ResNet-101 (arXiv 1512.03385) have the layer names of matterport's weight files. Any
network of `keras.applications` or any callable serves as well; "small" learns from scratch in
minutes.
"""

import inspect
import re
from collections.abc import Callable

import keras
from keras import ops

from mrcnn.errors import InputError, nearest
from mrcnn.modeling.anchors import level_shapes
from mrcnn.modeling.layers import Builder, SizedL2, uses_batch

RESNET_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
RESNET_ARGS = ("stride_in_3x3", "symmetric_padding")
OWN = (*RESNET_BLOCKS, "small")


def build_backbone(builder: Builder, image, name: str | Callable, arguments: dict, mean_pixel):
    """Return [C2, C3, C4, C5] of `image` `(B, H, W, C)`, molded (RGB less `mean_pixel`).

    Args:
        name: `Config.BACKBONE`.
        arguments: Keyword arguments of a keras.applications network, of `resnet` or of "small".

    Raises:
        InputError: No such backbone, or one without the strides 4, 8, 16 and 32.
    """
    outputs = _dispatch(builder, image, name, arguments, mean_pixel)
    found = [tuple(c.shape[1:3]) for c in outputs]
    expected = level_shapes(image.shape[1:3], (4, 8, 16, 32))
    if found != expected:
        raise InputError(
            f"BACKBONE {getattr(name, '__name__', name)} must return maps of {expected} "
            f"(strides 4, 8, 16 and 32), got {found}"
        )
    return outputs


def _dispatch(builder: Builder, image, name: str | Callable, arguments: dict, mean_pixel):
    if callable(name):
        return from_callable(builder, image, name)
    if name in RESNET_BLOCKS:
        unknown = set(arguments) - set(RESNET_ARGS)
        if unknown or not all(isinstance(value, bool) for value in arguments.values()):
            raise InputError(
                f"BACKBONE_ARGS of {name!r} are {' and '.join(RESNET_ARGS)}, true or false, "
                f"got {arguments}"
            )
        return resnet(builder, image, RESNET_BLOCKS[name], **arguments)
    if name == "small":
        width = arguments.get("width", 32)
        if set(arguments) - {"width"} or not isinstance(width, int) or width < 8 or width % 8:
            raise InputError(
                f"BACKBONE_ARGS of 'small' are {{width: a multiple of 8}}, got {arguments}"
            )
        return small(builder, image, width)
    if image.shape[-1] != 3:
        raise InputError(f"{name} takes images of 3 channels, got {image.shape[-1]}")
    return application(builder, image, name, arguments, mean_pixel)


def resnet(
    builder: Builder,
    image,
    blocks: tuple[int, ...],
    stride_in_3x3: bool = False,
    symmetric_padding: bool = False,
):
    """Stages C2 to C5 of a ResNet with bottleneck blocks.

    The defaults are those of the original and of its weight files; with both arguments it is the
    ResNet of torchvision, with `symmetric_padding` alone that of `keras.applications`.

    Args:
        blocks: Number of blocks of every stage.
        stride_in_3x3: The stride of a block sits on its 3 x 3 convolution, not on the first 1 x 1.
        symmetric_padding: Layers of stride 2 pad on all four sides, not on the last two alone:
            what they see lies one position further up and to the left.
    """
    x = builder.layer("zero_padding2d", keras.layers.ZeroPadding2D, (3, 3))(image)
    x = builder.conv_norm(x, 64, (7, 7), "conv1", "bn_conv1", "conv1_relu", strides=2)
    padding = "same"
    if symmetric_padding:
        # After a ReLU zeros are as good as the -inf of a pooling layer that pads.
        x, padding = builder.layer("pool1_pad", keras.layers.ZeroPadding2D)(x), "valid"
    x = builder.layer("pool1", keras.layers.MaxPooling2D, (3, 3), strides=2, padding=padding)(x)
    outputs = []
    for stage, count in enumerate(blocks, start=2):
        filters = 64 * 2 ** (stage - 2)
        for index in range(count):
            stride = 2 if index == 0 and stage > 2 else 1
            strides = (1, stride) if stride_in_3x3 else (stride, 1)
            name = f"{stage}{chr(97 + index)}"
            x = _bottleneck(builder, x, filters, name, strides, index == 0, symmetric_padding)
        outputs.append(x)
    return outputs


def _bottleneck(
    builder: Builder,
    x,
    filters: int,
    block: str,
    strides: tuple[int, int],
    project: bool,
    symmetric_padding: bool,
):
    """A block of three convolutions, the first two with `strides`, and a shortcut."""
    res, bn = f"res{block}_branch", f"bn{block}_branch"
    y = builder.conv_norm(
        x, filters, (1, 1), f"{res}2a", f"{bn}2a", f"{res}2a_relu", strides=strides[0]
    )
    padding = "same"
    if symmetric_padding and strides[1] == 2:
        y, padding = builder.layer(f"{res}2b_pad", keras.layers.ZeroPadding2D)(y), "valid"
    y = builder.conv_norm(
        y,
        filters,
        (3, 3),
        f"{res}2b",
        f"{bn}2b",
        f"{res}2b_relu",
        strides=strides[1],
        padding=padding,
    )
    y = builder.conv_norm(y, 4 * filters, (1, 1), f"{res}2c", f"{bn}2c")
    if project:
        stride = max(strides)
        x = builder.conv_norm(x, 4 * filters, (1, 1), f"{res}1", f"{bn}1", strides=stride)
    x = builder.layer(f"res{block}_add", keras.layers.Add)([y, x])
    return builder.relu(x, f"res{block}_out")


def small(builder: Builder, image, width: int = 32):
    """A network of residual blocks with group normalisation, which trains from scratch with any
    batch size.

    Args:
        width: Channels at stride 2; they double twice and then stay.
    """
    x = _conv_group_norm(builder, image / 64.0, width, "small_conv1", stride=2)
    outputs = []
    for stage in range(2, 6):
        filters = width * min(2 ** (stage - 1), 4)
        x = _conv_group_norm(builder, x, filters, f"small_res{stage}_down", stride=2)
        y = _conv_group_norm(builder, x, filters, f"small_res{stage}_a")
        y = _conv_group_norm(builder, y, filters, f"small_res{stage}_b", relu=False)
        x = builder.layer(f"small_res{stage}_add", keras.layers.Add)([x, y])
        x = builder.relu(x, f"small_res{stage}_out")
        outputs.append(x)
    return outputs


def _conv_group_norm(
    builder: Builder, x, filters: int, name: str, stride: int = 1, relu: bool = True
):
    x = builder.conv(
        x, filters, (3, 3), name, strides=stride, padding="same", kernel_initializer="he_normal"
    )
    x = builder.layer(f"{name}_gn", keras.layers.GroupNormalization, 8)(x)
    return builder.relu(x, f"{name}_relu") if relu else x


class Backbone(keras.Model):
    """A network from elsewhere; `train_bn` acts on it as `uses_batch` says.

    An argument `training=False` in the graph is not enough: Keras replaces it by the mode that the
    outer model is called in.
    """

    def __init__(self, inputs, outputs, train_bn: bool | None, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self.train_bn = train_bn

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=uses_batch(self.train_bn, training), mask=mask)


def application(builder: Builder, image, name: str, arguments: dict, mean_pixel):
    """C2 to C5 of a network of `keras.applications`: the last feature map of each stride.

    Its own preprocessing is applied to the RGB values.
    """
    constructor, preprocess = _find_application(name)

    def make(name):
        try:
            probe = constructor(
                include_top=False, weights=None, input_shape=(128, 128, 3), **arguments
            )
            network = constructor(
                include_top=False, weights=None, input_shape=(None, None, 3), **arguments
            )
        except (TypeError, ValueError) as error:
            raise InputError(
                f"BACKBONE_ARGS {arguments} do not fit {constructor.__name__}: {error}"
            ) from None
        if len(network.layers) != len(probe.layers):
            raise InputError(
                f"{constructor.__name__} cannot be a BACKBONE: it has other layers for other sizes "
                "of images"
            )
        network = _settled(network)
        taps = [network.layers[index].output for index in _stride_layers(probe)]
        model = Backbone(network.input, taps, builder.train_bn, name=name)
        return _regularized(model, builder.decay)

    rgb = image + ops.convert_to_tensor(mean_pixel, dtype="float32")
    return builder.layer("backbone", make)(preprocess(rgb))


class StoredNormalization(keras.layers.Layer):
    """`keras.layers.Normalization` that reads its weights when it is called: that of Keras keeps
    what they were when it was built, whatever a file sets them to.
    """

    def build(self, input_shape):
        self.mean = self.add_weight((input_shape[-1],), "zeros", trainable=False, name="mean")
        self.variance = self.add_weight(
            (input_shape[-1],), "ones", trainable=False, name="variance"
        )

    def call(self, inputs):
        deviation = ops.maximum(ops.sqrt(self.variance), keras.config.epsilon())
        return (inputs - self.mean) / deviation


def _usual_name(layer: keras.Layer) -> str:
    """Return how Keras calls a layer without a name of its own: "layer_normalization"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()


def _settled(network: keras.Model) -> keras.Model:
    """Return a network whose layers have the names that weight files know: Keras numbers those
    without a name of their own over all networks of a process.
    """
    counts: dict[str, int] = {}

    def copy(layer: keras.Layer) -> keras.Layer:
        settings, usual = layer.get_config(), _usual_name(layer)
        if re.fullmatch(rf"{usual}(_\d+)?", layer.name):
            number = counts[usual] = counts.get(usual, -1) + 1
            settings["name"] = f"{usual}_{number}" if number else usual
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            return StoredNormalization(name=settings["name"])
        return layer.__class__.from_config(settings)

    numbered = any(
        re.fullmatch(rf"{_usual_name(layer)}(_\d+)?", layer.name) and layer.variables
        for layer in network.layers
    )
    return keras.models.clone_model(network, clone_function=copy) if numbered else network


def from_callable(builder: Builder, image, function: Callable):
    """C2 to C5 of a function that applies Keras layers to an image tensor `(B, None, None, C)`.

    The original passes `stage5` and `train_bn` as well, and takes C1 to C5.
    """

    def make(name):
        inputs = keras.Input((None, None, image.shape[-1]), name="backbone_image")
        known = inspect.signature(function).parameters
        options = {"stage5": True, "train_bn": builder.train_bn}
        outputs = function(inputs, **{key: options[key] for key in options if key in known})
        if not isinstance(outputs, list | tuple) or len(outputs) not in (4, 5):
            raise InputError(
                "a BACKBONE callable returns [C2, C3, C4, C5] at strides 4, 8, 16 and 32, or C1 too"
            )
        model = Backbone(inputs, list(outputs[-4:]), builder.train_bn, name=name)
        return _regularized(model, builder.decay)

    return builder.layer("backbone", make)(image)


def _find_application(name: str):
    known = [
        key
        for key, value in vars(keras.applications).items()
        if inspect.ismodule(value) and hasattr(value, "preprocess_input")
    ]
    constructors = {}
    for key in known:
        module = getattr(keras.applications, key)
        for attribute, value in vars(module).items():
            if inspect.isfunction(value) and attribute[0].isupper():
                constructors[attribute] = (value, module.preprocess_input)
    if name not in constructors:
        names = [*OWN, *sorted(constructors)]
        raise InputError(
            f"BACKBONE {name!r} is unknown; it is one of {', '.join(names)}, or a callable."
            f"{nearest(name, names)}"
        )
    return constructors[name]


def _stride_layers(network: keras.Model) -> list[int]:
    """Index of the last layer with an output at each of the strides 4, 8, 16 and 32; `network`
    takes 128 x 128.
    """
    last = {}
    for index, layer in enumerate(network.layers):
        shape = getattr(layer.output, "shape", ())
        if len(shape) == 4 and shape[1] == shape[2] and shape[1] in (32, 16, 8, 4):
            last[128 // shape[1]] = index
    missing = [stride for stride in (4, 8, 16, 32) if stride not in last]
    if missing:
        raise InputError(
            f"BACKBONE {network.name} has no feature map at stride {', '.join(map(str, missing))}"
        )
    return [last[stride] for stride in (4, 8, 16, 32)]


def _regularized(model: keras.Model, decay: float) -> keras.Model:
    for layer in model._flatten_layers():
        for name in ("kernel", "bias", "depthwise_kernel", "pointwise_kernel"):
            variable = getattr(layer, name, None)
            if decay and isinstance(variable, keras.Variable):
                variable.regularizer = SizedL2(decay)
    return model


def layer_stages(builder: Builder) -> dict[str, int]:
    """The stage 1 to 5 of every backbone layer, by name: stage n ends with Cn."""
    stages = {}
    for name, layer in builder.layers.items():
        if name == "backbone":
            ends = [tensor._keras_history.operation.name for tensor in layer.outputs]
            stage = 2
            for inner in layer.layers:
                stages[inner.name] = stage
                stage += inner.name in ends
            continue
        match = re.match(r"(?:small_)?(?:res|bn)(\d)", name)
        if match:
            stages[name] = int(match[1])
        elif re.match(r"(small_)?conv1|bn_conv1", name):
            stages[name] = 1
    return stages
