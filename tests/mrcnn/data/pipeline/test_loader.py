"""Batches in their order, from threads and processes, whatever ends them."""

# Long because: all tests use the same dataset and helpers of processes.

import os
import signal
import subprocess
import sys
import textwrap
import time
from multiprocessing import active_children
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.data.pipeline.loader import Loader, load_images
from mrcnn.data.transforms.random_augmentation import RandomAugmentation
from mrcnn.errors import InputError, WorkerError

CONFIG = SimpleNamespace(
    NUM_CLASSES=6,
    BATCH_SIZE=2,
    SEED=0,
    MEAN_PIXEL=[120.0, 110.0, 100.0],
    IMAGE_MIN_DIM=96,
    IMAGE_MAX_DIM=128,
    IMAGE_MIN_SCALE=0,
    IMAGE_RESIZE_MODE="canvas",
    IMAGE_INTERPOLATION="original",
    IMAGE_PAD_VALUE="black",
    MAX_GT_INSTANCES=6,
    USE_MINI_MASK=True,
    MINI_MASK_SHAPE=(28, 28),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return generate_sample(tmp_path_factory.mktemp("sample"), train=9, val=3, size=128)


@pytest.fixture(scope="module")
def dataset(folder):
    return CocoDataset.from_folder(folder, "train")


def assert_equal(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        assert batch.keys() == other.keys()
        for name in batch:
            np.testing.assert_array_equal(batch[name], other[name])


def children() -> set[int]:
    return {process.pid for process in active_children()}


def gone(pid: int, seconds: float = 15) -> bool:
    """Whether a process ends within some seconds; one that waits to be reaped has ended."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def test_batch_has_the_inputs_of_the_network(dataset):
    loader = Loader(dataset, CONFIG)
    with loader.batches(num_steps=len(loader)) as batches:
        epoch = list(batches)
    assert len(epoch) == len(loader)
    seen = set()
    for batch in epoch:
        shape = batch["input_image"].shape
        assert shape in {(2, 96, 128, 3), (2, 128, 96, 3)}
        wanted = {
            "input_image": (shape, np.float32),
            "input_image_meta": ((2, 18), np.float32),
            "input_gt_class_ids": ((2, 6), np.int32),
            "input_gt_boxes": ((2, 6, 4), np.float32),
            "input_gt_masks": ((2, 28, 28, 6), np.uint8),
            "input_gt_has_mask": ((2, 6), np.bool_),
        }
        assert {name: (a.shape, a.dtype) for name, a in batch.items()} == wanted
        assert set(np.unique(batch["input_gt_masks"])) <= {0, 1}
        # All objects of this dataset have a mask, crowds too.
        np.testing.assert_array_equal(batch["input_gt_has_mask"], batch["input_gt_class_ids"] != 0)
        y1, x1, y2, x2 = batch["input_image_meta"][0, 7:11].astype(int)
        padded = np.ones(shape[1:3], bool)
        padded[y1:y2, x1:x2] = False
        np.testing.assert_array_equal(
            batch["input_image"][0][padded], np.tile([-120, -110, -100], (padded.sum(), 1))
        )
        seen |= set(batch["input_image_meta"][:, 0].astype(int))
    assert seen == set(range(9))


def test_boxes_frame_the_objects_on_the_canvas(dataset):
    """The molded image, cut at a box, is the object that the mini mask shows."""
    loader = Loader(dataset, CONFIG, flip=True, seed=3)
    differences = []
    for step in range(len(loader)):
        batch = loader.batch(step)
        for image, boxes, masks, ids in zip(
            batch["input_image"],
            batch["input_gt_boxes"],
            batch["input_gt_masks"],
            batch["input_gt_class_ids"],
            strict=True,
        ):
            for slot in np.flatnonzero(ids > 0):
                y1, x1, y2, x2 = boxes[slot]
                rows = np.linspace(y1, y2, 28, endpoint=False) + (y2 - y1) / 56
                columns = np.linspace(x1, x2, 28, endpoint=False) + (x2 - x1) / 56
                part = image[rows.astype(int)[:, None], columns.astype(int)[None, :]]
                mask = masks[:, :, slot].astype(bool)
                if 40 < mask.sum() < 28 * 28 - 40:
                    inside, outside = part[mask].mean(axis=0), part[~mask].mean(axis=0)
                    differences.append(np.abs(inside - outside).max())
    assert len(differences) >= 10
    assert np.median(differences) > 60


def test_order_is_kept_without_shuffling(dataset):
    config = SimpleNamespace(**{**vars(CONFIG), "IMAGE_RESIZE_MODE": "square"})
    loader = Loader(dataset, config, batch_size=3, shuffle=False, flip=False)
    with loader.batches(num_steps=len(loader)) as batches:
        ids = [batch["input_image_meta"][:, 0].astype(int).tolist() for batch in batches]
    assert ids == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_sources_without_augmentation(dataset):
    plain = Loader(dataset, CONFIG, flip=False, seed=1)
    options = {"random_augmentation": ALL, "augmentation": shifted}
    loader = Loader(dataset, CONFIG, seed=1, no_augmentation_sources=["coco"], **options)
    assert_equal([loader.batch(step) for step in range(3)], [plain.batch(s) for s in range(3)])


def test_a_batch_depends_on_seed_and_step_alone(dataset):
    loader = Loader(dataset, CONFIG, seed=1)
    with loader.batches(0, 14) as batches:
        run = list(batches)
    with Loader(dataset, CONFIG, seed=1).batches(9, 5) as batches:
        assert_equal(list(batches), run[9:])
    assert_equal([loader.batch(11)], [run[11]])
    other = Loader(dataset, CONFIG, seed=2).batch(11)
    assert any((other[name] != run[11][name]).any() for name in ("input_image_meta",)) or (
        other["input_image"].shape != run[11]["input_image"].shape
    )


@pytest.mark.parametrize("count", [2, 4])
def test_shards_together_are_the_batch(dataset, count):
    whole = Loader(dataset, CONFIG, batch_size=4, seed=3)
    shards = [Loader(dataset, CONFIG, 4, seed=3, shard=(i, count)) for i in range(count)]
    for step in (0, 1, len(whole) + 1):
        parts = [shard.batch(step) for shard in shards]
        assert {len(part["input_image"]) for part in parts} == {4 // count}
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        assert_equal([joined], [whole.batch(step)])
    with shards[1].batches(2, 3) as batches:
        assert_equal(list(batches), [shards[1].batch(step) for step in (2, 3, 4)])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_workers_change_nothing(dataset, workers):
    with Loader(dataset, CONFIG).batches(3, 9) as batches:
        alone = list(batches)
    with Loader(dataset, CONFIG, workers=workers).batches(3, 9) as batches:
        assert_equal(list(batches), alone)
    assert not children()


ALL = RandomAugmentation(True, True, (0.5, 2.0), (0.5, 1.0), (0.3, 0.3, 0.3, 0.1), copy_paste=0.8)


def shifted(image, masks, rng):
    step = int(rng.integers(-20, 20))
    return np.roll(image, step, axis=1), np.roll(masks, step, axis=1)


def test_augmented_batches_depend_on_seed_and_step_alone(dataset):
    options = {"seed": 1, "random_augmentation": ALL, "augmentation": shifted}
    loader = Loader(dataset, CONFIG, **options)
    # In the middle of the second epoch.
    start = len(loader) + 2
    with loader.batches(0, start + 3) as batches:
        run = list(batches)
    with Loader(dataset, CONFIG, **options).batches(start, 3) as batches:
        assert_equal(list(batches), run[start:])
    plain = Loader(dataset, CONFIG, seed=1)
    for step in (0, start):
        # The order is the same, the pictures are not.
        assert run[step]["input_image"].shape == plain.batch(step)["input_image"].shape
        assert (run[step]["input_image"] != plain.batch(step)["input_image"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_workers_change_nothing_in_augmented_batches(dataset, workers):
    options = {
        "random_augmentation": ALL,
        "augmentation": lambda image, masks, rng: shifted(image, masks, rng),
    }
    with Loader(dataset, CONFIG, **options).batches(3, 9) as batches:
        alone = list(batches)
    with Loader(dataset, CONFIG, workers=workers, **options).batches(3, 9) as batches:
        assert_equal(list(batches), alone)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_imgaug_augmenter_follows_the_seed_of_the_loader(dataset, workers):
    iaa = pytest.importorskip("imgaug.augmenters", reason="imgaug (package imaug) not installed")

    def run(seed, workers=0):
        augmenter = iaa.SomeOf(
            (1, 3),
            [
                iaa.Fliplr(0.5),
                iaa.OneOf([iaa.Affine(rotate=(-30, 30)), iaa.Crop(px=(1, 8))]),
                iaa.Multiply((0.8, 1.2)),
                iaa.AdditiveGaussianNoise(scale=9),
            ],
        )
        loader = Loader(
            dataset, CONFIG, flip=False, seed=seed, workers=workers, augmentation=augmenter
        )
        with loader.batches(2, 5) as batches:
            return list(batches)

    once = run(seed=3)
    # A new augmenter, after another run, in other threads or processes.
    assert_equal(run(seed=3, workers=workers), once)
    assert any(
        a["input_image"].shape != b["input_image"].shape
        or (a["input_image"] != b["input_image"]).any()
        for a, b in zip(run(seed=4), once, strict=True)
    )
    plain = Loader(dataset, CONFIG, flip=False, seed=3)
    images = [batch["input_image"] for batch in once]
    assert all((plain.batch(2 + i)["input_image"] != image).any() for i, image in enumerate(images))


def test_one_image_as_a_batch(dataset):
    loader = Loader(dataset, CONFIG, batch_size=1, seed=1, random_augmentation=ALL)
    batch = loader.batch(len(loader) + 3)
    image_id = int(batch["input_image_meta"][0, 0])
    assert_equal([loader.example(image_id, epoch=1)], [batch])


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_images_come_in_their_order(dataset, workers):
    ids = [4, 0, 8, 8, 1]
    with load_images(dataset, ids, workers) as images:
        for image_id, read in zip(ids, images, strict=True):
            np.testing.assert_array_equal(read["image"], dataset.load_image(image_id))
    assert not children()


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_image_that_cannot_be_read_does_not_end_the_reading(tmp_path, workers):
    good = Dataset()
    for number in range(3):
        good.add_image("own", number, str(tmp_path / f"{number}.png"))
        if number != 1:
            Image.new("RGB", (5, 4)).save(tmp_path / f"{number}.png")
    good.prepare()
    with load_images(good, [0, 1, 2], workers) as images:
        first, second, third = images
    assert first["image"].shape == third["image"].shape == (4, 5, 3)
    assert second["error"].tobytes().decode().endswith("1.png")


def test_images_are_not_read_far_ahead():
    read = []

    class Numbered(Dataset):
        def load_image(self, image_id):
            read.append(image_id)
            return np.zeros((2, 2, 3), np.uint8)

    with load_images(Numbered(), range(500)) as images:
        for _ in range(3):
            next(images)
        time.sleep(0.3)
    assert 3 <= len(read) <= 3 + 10
    with load_images(Numbered(), []) as images:
        assert list(images) == []
    with pytest.raises(InputError, match="workers must be at least 0, got -1"):
        load_images(Numbered(), [1], workers=-1)


@pytest.mark.slow
def test_closing_early_ends_the_workers(dataset):
    batches = Loader(dataset, CONFIG, workers=2).batches()
    next(batches)
    pids = children()
    assert len(pids) == 2
    kept = batches._threads, batches._pool  # so that nothing ends for want of a reference
    batches.close()
    assert kept and all(gone(pid) for pid in pids)
    with pytest.raises(StopIteration):
        next(batches)


@pytest.mark.slow
def test_workers_are_deaf_to_interrupts_from_their_first_instruction(dataset):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Loader(dataset, CONFIG, workers=1).batches() as batches:
        next(batches)
        for pid in children():
            with open(f"/proc/{pid}/status") as file:
                status = dict(line.split(":\t", 1) for line in file)
            assert int(status["SigBlk"], 16) & 1 << (signal.SIGINT - 1)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.slow
def test_dropping_the_iterator_ends_the_workers(dataset):
    for _ in Loader(dataset, CONFIG, workers=1).batches():
        pids = children()
        break
    del _
    assert pids and all(gone(pid) for pid in pids)


@pytest.mark.slow
def test_a_killed_worker_ends_in_an_error(dataset):
    batches = Loader(dataset, CONFIG, workers=1).batches()
    next(batches)
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="worker process of the loader died.*-9"):
        for _ in range(1000):
            next(batches)
    assert not children()


SCRIPT = """
    import signal
    import sys
    from types import SimpleNamespace
    from multiprocessing import active_children
    from mrcnn.data.datasets.coco import CocoDataset
    from mrcnn.data.pipeline.loader import Loader

    if __name__ == "__main__":
        # A shell without job control starts background jobs, such as these tests, deaf to it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        config = SimpleNamespace(**{config!r})
        dataset = CocoDataset.from_folder({folder!r}, "train")
        for number, batch in enumerate(Loader(dataset, config, workers=2).batches()):
            if number == 0:
                print(*[process.pid for process in active_children()], flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SIGINT", "SIGKILL"])
def test_nothing_stays_when_the_program_is_stopped(folder, tmp_path, kind):
    script = tmp_path / "endless.py"
    text = textwrap.dedent(SCRIPT).format(config=vars(CONFIG), folder=str(folder))
    script.write_text(text)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            pids = [int(pid) for pid in process.stdout.readline().split()]
            assert len(pids) == 2
            if kind == "SIGINT":
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
            else:
                process.kill()
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert all(gone(pid) for pid in pids)
    if kind == "SIGINT":
        assert errors.count("Traceback") == 1 and "KeyboardInterrupt" in errors


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_file_that_does_not_open_ends_in_one_line(tmp_path, workers):
    generate_sample(tmp_path, train=3, val=3, size=64)
    dataset = CocoDataset.from_folder(tmp_path, "train")
    (tmp_path / "train2017" / "000000000002.jpg").write_bytes(b"no picture")
    with (
        pytest.raises(InputError, match=r"000000000002\.jpg does not open") as caught,
        Loader(dataset, CONFIG, batch_size=1, workers=workers).batches(num_steps=9) as batches,
    ):
        list(batches)
    assert "\n" not in str(caught.value)
    assert not children()


def test_wrong_arguments_are_refused(dataset):
    with pytest.raises(InputError, match="NUM_CLASSES is 3, but the dataset has 6"):
        Loader(dataset, SimpleNamespace(**{**vars(CONFIG), "NUM_CLASSES": 3}))
    for arguments in ({"batch_size": 0}, {"seed": -1}, {"workers": -1}):
        with pytest.raises(InputError, match=f"{next(iter(arguments))} must be at least"):
            Loader(dataset, CONFIG, **arguments)
    with pytest.raises(InputError, match="augmentation must be an imgaug augmenter or a callable"):
        Loader(dataset, CONFIG, augmentation="fliplr")
    for names in (["cooc"], "coco"):
        with pytest.raises(InputError, match=r"list of sources .* images, coco; got .*coo?c"):
            Loader(dataset, CONFIG, no_augmentation_sources=names)
    for shard in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(InputError, match=r"shard is \(index, count\).*got"):
            Loader(dataset, CONFIG, shard=shard)
    with pytest.raises(
        InputError, match="batch_size must divide by the number of shards, 3, got 4"
    ):
        Loader(dataset, CONFIG, batch_size=4, shard=(0, 3))
    empty = Dataset()
    empty.prepare()
    with pytest.raises(InputError, match="no images"):
        Loader(empty, CONFIG)
    with pytest.raises(InputError, match="prepare"):
        Loader(Dataset(), CONFIG)
