"""One case of `gpu.py` in this process: ours through Keras, or torchvision's."""

import contextlib
import glob
import gzip
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

CLASSES, OBJECTS, ROIS, POSITIVE = 81, 8, 200, 0.33
WARMUP = 3
LONGEST = 25


def run_case(what: str, case: str, size: tuple[int, int], repeats: int) -> dict[str, Any]:
    """Compile, time or profile a case; or measure the peak of matrix products."""
    if what == "peak":
        return peak()
    run, memory, extra = work(case, size)
    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    if what == "compile":
        return {"first": round(first, 1)}
    for _ in range(WARMUP - 1):
        run()
    if what == "profile":
        return {"kernels": kernels(run)}
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    from gpu import median_of

    return {**median_of(times), "first": round(first, 1), "bytes": memory(), **extra}


def work(case: str, size: tuple[int, int]):
    """A function that does the work of a case, one that tells the peak of the memory of the
    accelerator, and what else is known.
    """
    who, kind, backbone, precision, batch = case.split(":")
    make = {"ours": ours, "torchvision": torchvision}[who]
    return make(kind, backbone, precision, int(batch), size)


def ours(kind: str, backbone: str, precision: str, batch: int, size: tuple[int, int]):
    """A function that runs a step, one that tells the peak of the memory, and the operations."""
    from mrcnn.backend import compiled, jit_compile, peak_memory

    # isort: split
    from flops import count_products, executed_flops, forward_flops
    from keras import ops

    from mrcnn.config import Config
    from mrcnn.modeling.network import Network, dummy_batch
    from mrcnn.training.optimizer import make_optimizer
    from mrcnn.training.schedule import set_trainable

    config = Config().update(
        BACKBONE=backbone, NUM_CLASSES=CLASSES, IMAGES_PER_GPU=batch, IMAGE_RESIZE_MODE="canvas",
        IMAGE_MIN_DIM=min(size), IMAGE_MAX_DIM=max(size), TRAIN_ROIS_PER_IMAGE=ROIS,
        ROI_POSITIVE_RATIO=POSITIVE, DETECTION_MIN_CONFIDENCE=0.0, PRECISION=precision,
    )  # fmt: skip
    network, data = Network(config), dummy_batch(config, batch, size, objects=OBJECTS)
    if kind in ("train", "heads"):
        model = network.training(size)
        set_trainable(network, "all" if kind == "train" else "heads")
        optimizer = make_optimizer(config, 0.0)
        model.compile(optimizer=optimizer, jit_compile=jit_compile())
        optimizer.build(model.trainable_variables)
        flops = executed_flops(count_products(model, batch))

        def step() -> None:
            model.reset_metrics()
            float(model.train_on_batch(data, return_dict=True)["loss"])

        return step, peak_memory, {"flops": flops}
    model = network.inference(size)
    forward, flops = compiled(model), forward_flops(count_products(model, batch))
    inputs = [data["input_image"], data["input_image_meta"]]

    def detect() -> None:
        # All outputs are one computation.
        ops.convert_to_numpy(forward(inputs)[0])

    return detect, peak_memory, {"flops": flops}


def torchvision(kind: str, backbone: str, precision: str, batch: int, size: tuple[int, int]):
    """The same of torchvision's network with the same counts, sizes and kinds of images."""
    import torch
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(0)
    learning = 0 if kind == "heads" else 5
    body = resnet_fpn_backbone(backbone_name=backbone, weights=None, trainable_layers=learning)
    model = MaskRCNN(
        body, CLASSES, min_size=min(size), max_size=max(size), box_batch_size_per_image=ROIS,
        box_positive_fraction=POSITIVE, box_score_thresh=0.0, rpn_post_nms_top_n_train=2000,
    ).to(device, memory_format=torch.channels_last)  # fmt: skip
    generator = np.random.default_rng(0)
    images = [torch.from_numpy(generator.random((3, *size), dtype="float32")) for _ in range(batch)]
    if device == "cuda":
        images = [image.pin_memory() for image in images]
    cast = contextlib.nullcontext
    if precision == "bfloat16":

        def cast():
            return torch.autocast(device, torch.bfloat16)

    def inputs():
        return [image.to(device, non_blocking=True) for image in images]

    def memory() -> int | None:
        return torch.cuda.max_memory_allocated() if device == "cuda" else None

    if kind in ("train", "heads"):
        model.train()
        learned = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(learned, lr=0.0, momentum=0.9, weight_decay=1e-4)
        targets = [_target(torch, size, device, generator) for _ in range(batch)]

        def step() -> None:
            with cast():
                loss = sum(model(inputs(), targets).values())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, 5.0)
            optimizer.step()
            float(loss)

        return step, memory, {}
    model.eval()
    # Masks stay 28 x 28.
    model.transform.postprocess = lambda result, *_: result
    # Random weights give all classes about one score: as many pairs of a RoI and a class as there
    # are RoIs are looked at, which is what we do.
    scores: list = []
    handle = model.roi_heads.box_predictor.register_forward_hook(
        lambda _, __, output: scores.append(output[0].float().softmax(-1)[:, 1:].flatten())
    )
    with torch.inference_mode(), cast():
        model(inputs())
    handle.remove()
    rank = max(1, scores[0].numel() - scores[0].numel() // (CLASSES - 1))
    model.roi_heads.score_thresh = float(scores[0].cpu().kthvalue(rank).values)

    def detect() -> None:
        with torch.inference_mode(), cast():
            [found["scores"].cpu() for found in model(inputs())]
        if device == "cuda":
            torch.cuda.synchronize()

    return detect, memory, {}


def _target(torch, size, device, generator):
    sides = generator.uniform(0.1, 0.5, (OBJECTS, 2)) * size
    corners = generator.uniform(0, 1, (OBJECTS, 2)) * (size - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1)[:, [1, 0, 3, 2]]
    masks = np.zeros((OBJECTS, *size), "uint8")
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = 1
    return {
        "boxes": torch.from_numpy(boxes.astype("float32")).to(device),
        "labels": torch.ones(OBJECTS, dtype=torch.int64, device=device),
        "masks": torch.from_numpy(masks).to(device),
    }


def peak() -> dict[str, Any]:
    """TFLOP/s of the best of some products of 8192 x 8192 matrices, in both precisions."""
    from mrcnn.backend import compiled, device_name, has_accelerator, version

    # isort: split
    import keras
    from keras import ops

    side = 8192 if has_accelerator() else 512
    result: dict[str, Any] = {"device": device_name(), "backend": version()}
    for precision in ("float32", "bfloat16"):
        x = ops.cast(keras.random.normal((side, side), seed=0), precision)
        given = keras.Input((side,), dtype=precision)
        squares = ops.matmul(given, ops.transpose(given))
        product = compiled(keras.Model(given, ops.sum(ops.cast(squares, "float32"))))
        times = []
        for _ in range(8):
            start = time.perf_counter()
            float(product(x))
            times.append(time.perf_counter() - start)
        result[precision] = round(2 * side**3 / min(times) / 1e12, 1)
    return result


def kernels(run: Callable[[], None], steps: int = 3) -> list[dict[str, Any]]:
    """The longest kernels of a step on the accelerator, by the operation they belong to."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, create_perfetto_trace=True):
            for _ in range(steps):
                run()
        (path,) = glob.glob(f"{folder}/**/perfetto_trace.json.gz", recursive=True)
        with gzip.open(path) as file:
            events = json.load(file)
    events = events["traceEvents"] if isinstance(events, dict) else events
    devices = {
        event["pid"]
        for event in events
        if event.get("name") == "process_name" and "/device:GPU" in event["args"]["name"]
    }
    threads = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in events
        if event.get("name") == "thread_name"
    }
    total: Counter[str] = Counter()
    for event in events:
        thread = threads.get((event.get("pid"), event.get("tid")), "")
        if event.get("ph") == "X" and event["pid"] in devices and thread.startswith("Stream"):
            about = event.get("args", {})
            operation = about.get("tf_op") or about.get("name") or ""
            total[f"{event['name'][:50]} | {operation[-110:]}"] += event["dur"]
    everything = sum(total.values()) or 1
    lines = [
        {"name": name, "milliseconds": time_ / 1000 / steps, "share": time_ / everything}
        for name, time_ in total.most_common(LONGEST)
    ]
    return [{"name": "all", "milliseconds": everything / 1000 / steps, "share": 1.0}, *lines]
