"""The benchmark: counts by hand, the order of repeats, the whole command on a tiny network."""

import importlib.util
import json
import sys
from pathlib import Path

import keras
import pytest
from keras import layers, ops

from mrcnn.config import Config
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.errors import InputError, run_cli
from mrcnn.modeling.losses import Losses
from mrcnn.modeling.network import Network
from mrcnn.training.schedule import set_trainable

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "benchmarks"
# A network so narrow that it takes no time.
NARROW = {
    "BACKBONE": "small",
    "BACKBONE_ARGS": {"width": 8},
    "TOP_DOWN_PYRAMID_SIZE": 16,
    "RPN_CHANNELS": 24,
    "FPN_CLASSIF_FC_LAYERS_SIZE": 32,
    "MASK_HEAD_CHANNELS": 8,
    "PRE_NMS_LIMIT": 50,
    "POST_NMS_ROIS_TRAINING": 30,
    "POST_NMS_ROIS_INFERENCE": 20,
    "TRAIN_ROIS_PER_IMAGE": 10,
    "RPN_TRAIN_ANCHORS_PER_IMAGE": 16,
    "MAX_GT_INSTANCES": 8,
    "DETECTION_MAX_INSTANCES": 12,
}


def load(name, monkeypatch):
    """Import a script the way Python runs it: with its own folder first on the search path."""
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), str(ROOT / "samples" / "coco"), *sys.path])
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def flops(monkeypatch):
    return load("flops", monkeypatch)


@pytest.fixture
def measure(monkeypatch):
    return load("measure", monkeypatch)


def forwards(flops, model, batch):
    return {product.name: product.forward for product in flops.count_products(model, batch)}


def test_products_of_every_kind_of_layer(flops):
    image = keras.Input((8, 12, 3))
    x = layers.Conv2D(5, (3, 1), strides=2, padding="same", name="conv")(image)  # 4 x 6
    x = layers.DepthwiseConv2D(3, padding="valid", name="depthwise")(x)  # 2 x 4
    x = layers.SeparableConv2D(7, 2, padding="same", name="separable")(x)  # 2 x 4
    x = layers.Activation("relu")(x)
    x = layers.Conv2DTranspose(4, 2, strides=2, name="transposed")(x)  # 4 x 8
    x = layers.Dense(9, name="dense")(layers.Flatten()(x))
    assert forwards(flops, keras.Model(image, x), 2) == {
        "conv": 2 * 2 * (4 * 6) * (3 * 1 * 3 * 5),
        "depthwise": 2 * 2 * (2 * 4) * (3 * 3 * 5),
        "separable": 2 * 2 * (2 * 4) * (2 * 2 * 5 + 5 * 7),
        "transposed": 2 * 2 * (2 * 4) * (2 * 2 * 4 * 7),
        "dense": 2 * 2 * (4 * 8 * 4) * 9,
    }


def test_groups_share_no_products(flops):
    image = keras.Input((4, 4, 6))
    x = layers.Conv2D(10, 3, groups=2, padding="same", name="grouped")(image)
    assert forwards(flops, keras.Model(image, x), 1) == {"grouped": 2 * 16 * 9 * 3 * 10}


def test_a_nested_model_and_a_folded_batch_have_shapes(flops):
    inner_image = keras.Input((None, None, 3))
    inner = keras.Model(inner_image, layers.Conv2D(4, 3, padding="same", name="c")(inner_image))
    rois = keras.Input((5, 6, 7, 3))
    x = inner(ops.reshape(rois, (-1, 6, 7, 3)))  # the graph knows neither 2 * 5 nor, inside, 6, 7
    assert forwards(flops, keras.Model(rois, x), 2) == {"c": 2 * (2 * 5 * 6 * 7) * (9 * 3 * 4)}


def test_a_shared_layer_counts_at_every_call(flops):
    shared = layers.Dense(2, use_bias=False, name="shared")
    x = keras.Input((3,))
    model = keras.Model(x, [shared(x), shared(2 * x)])
    assert [p.forward for p in flops.count_products(model, 1)] == [12, 12]


class Total(Losses):
    """A loss of one tensor."""

    def __init__(self):
        layers.Layer.__init__(self)

    def call(self, x):
        return ops.sum(x)


def test_stop_gradient_stops_the_count(flops):
    x = keras.Input((3,))
    below = layers.Dense(3, name="below")(x)
    above = layers.Dense(3, name="above")(ops.stop_gradient(below))
    beside = layers.Dense(3, name="beside")(below)
    ignored = layers.Dense(3, name="ignored")(below)
    for branch, factors in (
        (above, {"below": 1, "above": 2, "ignored": 1}),
        (beside, {"below": 2, "beside": 3, "ignored": 1}),
    ):
        model = keras.Model(x, [Total()(branch), ignored])
        steps = {p.name: p.step for p in flops.count_products(model, 1)}
        assert steps == {name: factor * 2 * 9 for name, factor in factors.items()}


@pytest.fixture(scope="module")
def network():
    config = Config().update(
        NUM_CLASSES=4, IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128, IMAGES_PER_GPU=1, **NARROW
    )
    return Network(config)


def by_name(flops, network, which, batch=1):
    model = network.training((128, 128))
    set_trainable(network, which)
    products = {}
    for product in flops.count_products(model, batch):
        products.setdefault(product.name, []).append(product)
    return products


def test_a_step_of_all_layers(flops, network):
    products = by_name(flops, network, "all", batch=2)
    first = products["small_conv1"][0]
    assert first.forward == 2 * 2 * 64 * 64 * (9 * 3 * 8)
    assert first.step == 2 * first.forward  # the image needs no gradient
    p2 = products["fpn_p2"][0]
    assert p2.forward == 2 * 2 * 32 * 32 * (9 * 16 * 16)
    assert p2.step == 3 * p2.forward
    # The dense RPN has no backward pass; that of 8 positive and 16 negative anchors stands in.
    everywhere = 32 * 32 + 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2
    assert sum(p.forward for p in products["rpn_conv_shared"]) == 2 * 2 * everywhere * 9 * 16 * 24
    for name in ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"):
        assert all(p.step == p.forward for p in products[name])
    (sampled,) = products["rpn_sampled"]
    assert sampled.forward == 2 * 2 * 24 * (9 * 16 * 24 + 24 * 6 + 24 * 12)
    assert sampled.step == 3 * sampled.forward
    assert sampled.shortcut
    # Three of ten RoIs are positive slots.
    mask = products["mrcnn_mask_conv1"][0]
    assert mask.forward == 2 * 2 * 3 * 14 * 14 * (9 * 16 * 8)
    assert mask.step == 3 * mask.forward
    classifier = products["mrcnn_class_conv1"][0]
    assert classifier.forward == 2 * 2 * 10 * (7 * 7 * 16 * 32)


def test_a_step_of_the_heads_has_no_backward_pass_below_the_pyramid(flops, network):
    products = by_name(flops, network, "heads")
    for name, (first, *_) in products.items():
        if name.startswith("small_"):
            assert first.step == first.forward
    # The pyramid's first convolutions learn, but what they read does not.
    for name in ("fpn_c5p5", "fpn_c2p2"):
        assert products[name][0].step == 2 * products[name][0].forward
    assert products["fpn_p2"][0].step == 3 * products["fpn_p2"][0].forward


def test_a_step_from_stage_4_up_goes_back_to_stage_4(flops, network):
    products = by_name(flops, network, "4+")
    assert products["small_res3_b"][0].step == products["small_res3_b"][0].forward
    assert products["small_res4_down"][0].step == 2 * products["small_res4_down"][0].forward
    assert products["small_res4_a"][0].step == 3 * products["small_res4_a"][0].forward
    # A lateral convolution from a frozen stage needs no gradient of its input.
    assert products["fpn_c3p3"][0].step == 2 * products["fpn_c3p3"][0].forward
    assert products["fpn_c4p4"][0].step == 3 * products["fpn_c4p4"][0].forward


def test_inference_is_forward_alone(flops, network):
    products = flops.count_products(network.inference((128, 128)), 1)
    assert flops.executed_flops(products) == flops.forward_flops(products)
    assert not any(product.shortcut for product in products)


def test_nominal_and_executed_of_a_list(flops):
    def product(name, forward, learns, passes_on, reached, shortcut=False):
        return flops.Product(name, forward, learns, passes_on, reached, shortcut)

    products = [
        product("frozen", 100, False, False, True),
        product("first", 10, True, False, True),
        product("rpn_conv_shared", 7, True, True, False),
        product("rpn_sampled", 3, True, True, True, shortcut=True),
        product("mrcnn_mask_conv1", 2, True, True, True),
    ]
    assert flops.executed_flops(products) == 100 + 2 * 10 + 7 + 3 * 3 + 3 * 2
    assert flops.nominal_flops(products, 4.0) == 100 + 3 * 10 + 3 * 7 + 4 * 3 * 2


def test_variants_take_turns_with_the_rate_between(measure):
    events = []
    rates = iter([100.0, 200.0, 400.0, 200.0, 100.0])

    def rate():
        events.append("rate")
        return next(rates)

    work = {"a": lambda: events.append("a"), "b": lambda: events.append("b")}
    timings = measure.measure(work, repeats=2, warmup=1, rate=rate)
    assert events == ["a", "b", "rate", "a", "rate", "b", "rate", "b", "rate", "a", "rate"]
    assert timings["a"].gflops_around == [150.0, 150.0]
    assert timings["b"].gflops_around == [300.0, 300.0]
    assert [len(timings["a"].seconds), len(timings["a"].warmup_seconds)] == [2, 1]


def test_shares_and_ratios_by_hand(measure):
    base = measure.Timing([2.0, 4.0, 1.0], [4.0, 8.0, 2.0], [50.0, 25.0, 100.0])
    other = measure.Timing([3.0, 4.0, 2.0], [4.0, 10.0, 2.0], [50.0, 50.0, 25.0])
    # 80 GFLOP in 2 s are 40 GFLOP/s, 0.8 of 50.
    assert base.shares(80e9) == pytest.approx([0.8, 0.8, 0.8])
    ratios = measure.paired_ratios(other, base)
    assert ratios["seconds"]["median"] == 1.5  # of 1.5, 1, 2
    assert [ratios["seconds"][key] for key in ("min", "max")] == [1.0, 2.0]
    assert ratios["cpu_seconds"]["median"] == 1.0  # of 1, 1.25, 1
    assert ratios["seconds_at_equal_rate"]["median"] == 1.5  # of 1.5, 2, 0.5


def test_summary_by_hand(measure):
    values = measure.summary([5.0, 1.0, 2.0, 4.0, 3.0])
    assert values == {"median": 3.0, "min": 1.0, "max": 5.0, "q25": 2.0, "q75": 4.0, "iqr": 2.0}


def test_a_probe_counts_what_it_convolves(measure):
    run, flops = measure._probe(3, 4, 6, 8, 2)
    run()
    assert flops == 2 * (2 * 8 * 8 * 9 * 4 * 6)


def test_peak_memory_sees_an_allocation(measure):
    before = measure.PeakMemory().bytes()["host"]
    if before is None:
        pytest.skip("this system does not tell the peak of a process")
    bytearray(b"x" * 300_000_000)
    assert measure.host_peak() > before + 200_000_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "1024"], "--size"),
        (["--size", "100x128"], "divide by 32"),
        (["--size", "0x128"], "positive"),
        (["--repeats", "0"], "--repeats"),
        (["--edge", "none", "sobbel", "--part", "inference"], "sobbel"),
        (["--set", "BATCHES=3", "--part", "inference"], "BATCHES"),
    ],
)
def test_bad_arguments_are_one_line(arguments, words, monkeypatch, capsys, tmp_path):
    benchmark = load("benchmark", monkeypatch)
    assert run_cli(benchmark.main, [*arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert words in error
    assert "\n" not in error


def test_the_backend_cannot_change_once_keras_is_there(monkeypatch):
    benchmark = load("benchmark", monkeypatch)
    monkeypatch.setattr(benchmark.importlib.util, "find_spec", lambda name: name)
    benchmark.choose_backend(keras.backend.backend())
    other = "jax" if keras.backend.backend() != "jax" else "tensorflow"
    with pytest.raises(InputError, match=keras.backend.backend()):
        benchmark.choose_backend(other)
    monkeypatch.setattr(benchmark.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="not installed"):
        benchmark.choose_backend(other)


def test_the_whole_command(monkeypatch, capsys, tmp_path):
    benchmark, measure = load("benchmark", monkeypatch), load("measure", monkeypatch)
    parts = load("parts", monkeypatch)
    monkeypatch.setattr(measure, "SHAPES", {measure.REFERENCE: (3, 8, 8, 16)})
    monkeypatch.setattr(parts, "LOADER_SECONDS", 0.01)
    dataset = generate_sample(tmp_path / "sample", train=6, val=3)
    settings = {key: value for key, value in NARROW.items() if key != "BACKBONE"}
    code = benchmark.main(
        ["--backbone", "small", "--size", "96x128", "--batch", "2", "--edge", "none", "sobel"]
        + ["--part", "train-all", "inference", "detect", "loader", "--repeats", "2"]
        + ["--detections", "3", "--workers", "0", "--dataset", str(dataset)]
        + ["--out", str(tmp_path / "out")]
        + ["--set", *(f"{key}={json.dumps(value)}" for key, value in settings.items())]
    )
    assert code == 0
    result = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    rows = {(row["part"], row["variant"]): row for row in result["parts"]}
    assert {part for part, _ in rows} == {"train-all", "inference", "detect", "loader"}
    assert {"none", "sobel"} == {variant for part, variant in rows if part == "train-all"}
    assert ("detect", "3 found") in rows
    assert result["config"]["IMAGE_RESIZE_MODE"] == "canvas"
    for (part, _), row in rows.items():
        assert len(row["raw"]["seconds"]) == 2
        assert row["images_per_second"] == pytest.approx(row["images"] / row["seconds"]["median"])
        if part == "loader":
            continue
        flops = row["gflop"]["executed"]
        shares = sorted(
            flops / seconds / rate
            for seconds, rate in zip(
                row["raw"]["seconds"], row["raw"]["gflops_around"], strict=True
            )
        )
        assert row["share"]["executed"]["median"] == pytest.approx(sum(shares) / 2)
    none, sobel = rows["train-all", "none"], rows["train-all", "sobel"]
    assert none["gflop"] == sobel["gflop"]
    ratios = {ratio["what"]: ratio for ratio in result["ratios"]}
    pairs = zip(sobel["raw"]["seconds"], none["raw"]["seconds"], strict=True)
    median = sum(a / b for a, b in pairs) / 2
    ratio = ratios["train-all: sobel / none"]["seconds"]["median"]
    assert ratio == pytest.approx(median)
    assert any(what.startswith("detect, 3 found / train-all") for what in ratios)
    printed = capsys.readouterr().out
    assert "train-all: sobel / none" in printed
    table = [line for line in printed.splitlines() if line.startswith(("part ", "train-all  "))]
    assert len({len(line) for line in table[:3]}) == 1
