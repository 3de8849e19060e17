"""From a dataset to the arrays of a batch."""

# Long because: all tests use the same images that are made here.

from dataclasses import replace

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.data.pipeline.batch import (
    BatchBuilder,
    BatchSettings,
    View,
    active_classes,
    load_sample,
    make_example,
    stack,
)
from mrcnn.data.pipeline.batch_sampler import BatchSampler
from mrcnn.data.transforms.geometric import Sample
from mrcnn.data.transforms.random_augmentation import RandomAugmentation
from mrcnn.errors import InputError

SETTINGS = BatchSettings(
    num_classes=3,
    channels=3,
    min_dim=64,
    max_dim=128,
    min_scale=0,
    resize_mode="canvas",
    max_instances=4,
    mini_mask_shape=(8, 8),
    flip=False,
    seed=0,
)
RNG = np.random.default_rng(0)


def polygon(y1, x1, y2, x2):
    return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)]


def sample(boxes, size=(32, 32), class_ids=None) -> Sample:
    shapes = [polygon(*box) for box in boxes]
    ids = np.arange(1, len(boxes) + 1) if class_ids is None else class_ids
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Sample(
        np.full((*size, 3), 200, np.uint8),
        Instances(array, np.asarray(ids, np.int32), shapes, size),
    )


def make(sample, settings=SETTINGS, rng=RNG):
    return make_example(sample, settings, 5, np.array([1, 1, 0]), rng)


def test_example_by_hand():
    # 32 x 32 into 64 x 128: factor 2, 32 columns of padding on both sides.
    example = make(sample([(1, 2, 11, 22)]))
    assert example["input_image"].shape == (64, 128, 3)
    assert example["input_image"].dtype == np.uint8
    assert example["input_image"][:, 32:96].min() == 200
    assert example["input_image"][:, :32].max() == example["input_image"][:, 96:].max() == 0
    np.testing.assert_array_equal(
        example["input_image_meta"],
        [5, 32, 32, 3, 64, 128, 3, 0, 32, 64, 96, 2, 1, 1, 0],
    )
    np.testing.assert_array_equal(example["input_gt_class_ids"], [1, 0, 0, 0])
    np.testing.assert_array_equal(example["input_gt_boxes"][0], [2, 36, 22, 76])
    assert not example["input_gt_boxes"][1:].any()
    masks = example["input_gt_masks"]
    assert masks.shape == (8, 8, 4) and masks.dtype == np.uint8
    assert masks[:, :, 0].all() and not masks[:, :, 1:].any()


def test_masks_are_those_of_their_boxes():
    # A triangle that is the lower left half of its box.
    shape = [np.array([[4.0, 4.0], [20.0, 20.0], [4.0, 20.0]])]
    instances = Instances(np.float32([[4, 4, 20, 20]]), np.int32([1]), [shape], (32, 32))
    example = make(Sample(np.zeros((32, 32, 3), np.uint8), instances))
    rows, columns = np.mgrid[:8, :8]
    assert example["input_gt_masks"][:, :, 0][rows > columns].all()
    assert not example["input_gt_masks"][:, :, 0][rows < columns].any()


def test_no_objects():
    example = make(sample([]))
    for name in ("class_ids", "boxes", "masks"):
        assert not example[f"input_gt_{name}"].any()


def test_small_boxes_grow_to_a_pixel():
    # Shrunk to an eighth: 0.5 x 40 pixels become 0.0625 x 5; at the lower border too.
    settings = replace(SETTINGS, min_dim=32, max_dim=32)
    example = make(sample([(10, 100, 10.5, 140), (255.5, 0, 256, 8)], size=(256, 256)), settings)
    boxes = example["input_gt_boxes"][:2]
    np.testing.assert_allclose(boxes[:, 2] - boxes[:, 0], 1, atol=1e-6)
    np.testing.assert_allclose((boxes[0, 0] + boxes[0, 2]) / 2, 10.25 / 8, atol=1e-6)
    np.testing.assert_allclose(boxes[0, [1, 3]], [12.5, 17.5])
    np.testing.assert_allclose(boxes[1], [31, 0, 32, 1])
    assert example["input_gt_masks"][:, :, :2].any(axis=(0, 1)).all()


def test_a_mask_without_a_pixel_is_none():
    data = sample([(9, 2, 12, 22), (4, 4, 20, 20)])
    data.instances.segmentations[0] = np.zeros((32, 32), bool)
    for settings in (SETTINGS, replace(SETTINGS, mini_mask_shape=None)):
        example = make(data, settings)
        assert example["input_gt_has_mask"].tolist() == [False, True, False, False]
        assert example["input_gt_class_ids"].tolist() == [1, 2, 0, 0]


def test_boxes_without_extent_are_dropped():
    data = sample([(5, 5, 5, 9), (1, 1, 4, 4)])
    example = make(data)
    assert example["input_gt_class_ids"].tolist() == [2, 0, 0, 0]


def test_crop_drops_what_lies_outside_and_cuts_the_rest():
    # 128 x 64, cropped to 64 x 64 in the middle: rows 32 to 96.
    data = sample([(0, 0, 20, 20), (20, 8, 64, 40), (100, 0, 110, 9)], size=(128, 64))
    settings = replace(SETTINGS, resize_mode="crop")
    plain = np.random.default_rng(3)
    example = make(data, settings, plain)
    top = int(np.random.default_rng(3).integers(65))
    kept = [i for i, box in enumerate(data.instances.boxes) if box[2] > top and box[0] < top + 64]
    assert example["input_gt_class_ids"][: len(kept)].tolist() == [k + 1 for k in kept]
    for slot, index in enumerate(kept):
        y1, x1, y2, x2 = data.instances.boxes[index]
        wanted = [max(y1 - top, 0), x1, min(y2 - top, 64), x2]
        np.testing.assert_allclose(example["input_gt_boxes"][slot], wanted)
        assert example["input_gt_masks"][:, :, slot].all()  # the cut rectangle fills its box


def test_too_many_objects_leave_a_random_subset():
    boxes = [(i, i, i + 5, i + 5) for i in range(9)]
    chosen = set()
    for seed in range(30):
        examples = [make(sample(boxes), rng=np.random.default_rng(seed)) for _ in range(2)]
        ids = examples[0]["input_gt_class_ids"]
        np.testing.assert_array_equal(ids, examples[1]["input_gt_class_ids"])
        assert len(set(ids)) == 4 and ids.tolist() == sorted(ids)
        # Box i begins at row 2 (i - 1), its class is i.
        np.testing.assert_array_equal(examples[0]["input_gt_boxes"][:, 0], 2 * (ids - 1))
        chosen |= set(ids.tolist())
    assert chosen == set(range(1, 10))


@pytest.mark.parametrize("form", ["polygon", "mask"])
def test_full_masks(form):
    data = sample([(1, 2, 11, 22)])
    if form == "mask":
        data.instances.segmentations[0] = data.instances.masks()[:, :, 0]
    example = make(data, replace(SETTINGS, mini_mask_shape=None))
    wanted = np.zeros((64, 128), np.uint8)
    wanted[2:22, 36:76] = 1
    np.testing.assert_array_equal(example["input_gt_masks"][:, :, 0], wanted)


class Images(Dataset):
    """Grey images of given sizes, with one object of class 1 at (1, 2, 11, 22)."""

    def __init__(self, *sizes):
        super().__init__()
        self.add_class("s", 1, "one")
        self.add_class("t", 1, "other")
        for number, (height, width) in enumerate(sizes):
            self.add_image("s", number, None, height=height, width=width)
        self.prepare()

    def load_image(self, image_id):
        shade = np.arange(self.image_info[image_id]["width"], dtype=np.uint8)
        return np.broadcast_to(shade[None, :, None], (*self.image_size(image_id), 3)).copy()

    def load_instances(self, image_id):
        box = np.float32([[1, 2, 11, 22]])
        return Instances(
            box, np.int32([1]), [polygon(1, 2, 11, 22)], tuple(self.image_size(image_id))
        )


def test_active_classes_are_those_of_the_source():
    assert active_classes(Images((32, 32)), 0, 3).tolist() == [1, 1, 0]


def test_flip_is_decided_by_seed_epoch_and_image():
    data = Images(*[(32, 64)] * 8)
    sampler = BatchSampler([0] * 8, 2, shuffle=False, seed=0)
    build = BatchBuilder(data, replace(SETTINGS, flip=True), sampler)
    flips = np.zeros((8, 30), bool)
    for image_id in range(8):
        for epoch in range(30):
            example = build.example(image_id, epoch)
            flipped = example["input_image"][0, 0, 0] > example["input_image"][0, -1, 0]
            # x 2..22 of 64 is 42..62 after the flip; twice as large on the canvas.
            x = (84, 124) if flipped else (4, 44)
            np.testing.assert_array_equal(example["input_gt_boxes"][0], [2, x[0], 22, x[1]])
            flips[image_id, epoch] = flipped
    assert 80 < flips.sum() < 160  # of 240
    assert not (flips == flips[:, :1]).all(axis=1).any()
    assert not (flips == flips[:1]).all(axis=0).any()
    # The next seed does not do in an epoch what this one does in the next.
    other = BatchBuilder(data, replace(SETTINGS, flip=True, seed=1), sampler)
    theirs = [
        [other.example(i, e)["input_gt_boxes"][0, 1] == 84 for e in range(29)] for i in range(8)
    ]
    assert 0.3 < np.mean(np.array(theirs) == flips[:, 1:]) < 0.7
    again = build.example(3, 7)["input_image"]
    np.testing.assert_array_equal(again, build.example(3, 7)["input_image"])


def test_batch_holds_the_images_of_the_sampler():
    build = BatchBuilder(Images(*[(32, 64)] * 5), SETTINGS, BatchSampler([0] * 5, 2, False, 0))
    assert build(1)["input_image_meta"][:, 0].tolist() == [2, 3]
    assert build(2)["input_image_meta"][:, 0].tolist() == [4, 0]
    assert build(4)["input_image"].shape == (2, 64, 128, 3)


def test_stack_refuses_different_shapes():
    with pytest.raises(InputError, match="differ in shape"):
        stack([make(sample([], size=(32, 64))), make(sample([], size=(64, 32)))])


def test_load_sample_refuses_what_does_not_fit():
    data = Images((32, 32))
    with pytest.raises(InputError, match=r"\(32, 32, 3\).*\(height, width, 1\)"):
        load_sample(data, 0, channels=1)

    class Smaller(Images):
        def load_image(self, image_id):
            return np.zeros((16, 32, 3), np.uint8)

    with pytest.raises(InputError, match=r"is \(16, 32\), its masks are \(32, 32\)"):
        load_sample(Smaller((32, 32)), 0, channels=3)

    class Unknown(Images):
        def load_instances(self, image_id):
            return replace(super().load_instances(image_id), class_ids=np.int32([3]))

    with pytest.raises(InputError, match=r"class ids \[3\]; the dataset has 1 to 2"):
        load_sample(Unknown((32, 32)), 0, channels=3)


def test_settings_come_from_the_configuration():
    class Small(Config):
        NUM_CLASSES = 7
        IMAGE_MIN_DIM = 64
        IMAGE_MAX_DIM = 96
        IMAGE_RESIZE_MODE = "canvas"
        MAX_GT_INSTANCES = 9

    settings = BatchSettings.of(Small(), flip=True, seed=3)
    assert settings == BatchSettings(7, 3, 64, 96, 0, "canvas", 9, (56, 56), True, 3)

    class Full(Small):
        USE_MINI_MASK = False

    assert BatchSettings.of(Full(), flip=False, seed=0).mini_mask_shape is None


def test_an_object_with_a_box_alone_has_a_flag_and_no_mask():
    data = sample([(1, 2, 11, 22), (4, 4, 20, 20)])
    data.instances.segmentations[0] = []
    for settings in (SETTINGS, replace(SETTINGS, mini_mask_shape=None)):
        example = make(data, settings)
        assert example["input_gt_has_mask"].tolist() == [False, True, False, False]
        assert example["input_gt_masks"].any(axis=(0, 1)).tolist() == [False, True, False, False]
        # The box is that of any other object.
        np.testing.assert_array_equal(example["input_gt_boxes"][0], [2, 36, 22, 76])
        assert example["input_gt_class_ids"].tolist() == [1, 2, 0, 0]


def test_a_cut_object_gets_the_box_of_what_is_left():
    """An L, of which the crop shows the foot alone, or the bar alone."""
    outline = np.array([[0, 0], [8, 0], [8, 56], [64, 56], [64, 64], [0, 64]], np.float64)
    instances = Instances(np.float32([[0, 0, 64, 64]]), np.int32([1]), [[outline]], (64, 64))
    data = Sample(np.zeros((64, 64, 3), np.uint8), instances)
    settings = replace(SETTINGS, min_dim=32, resize_mode="crop")
    seen = set()
    for seed in range(40):
        plain = np.random.default_rng(seed)
        top, left = int(plain.integers(33)), int(plain.integers(33))
        example = make(data, settings, np.random.default_rng(seed))
        boxes = example["input_gt_boxes"][example["input_gt_class_ids"] > 0]
        if left >= 8 and top <= 24:
            seen.add("nothing")
            assert len(boxes) == 0
        elif left >= 8:
            seen.add("foot")
            np.testing.assert_allclose(boxes, [[56 - top, 0, min(64 - top, 32), 32]])
        elif top <= 24:
            seen.add("bar")
            np.testing.assert_allclose(boxes, [[0, 0, 32, 8 - left]])
    assert seen == {"nothing", "foot", "bar"}


def test_a_view_has_the_canvas_and_the_scale_asked_for():
    # Portrait, on the canvas of landscape images: 64 x 32 by 1, and by 1/2.
    data = sample([(8, 4, 24, 12)], size=(64, 32))
    for scale, size in ((1.0, (64, 32)), (0.5, (32, 16))):
        example = make_example(data, SETTINGS, 5, np.ones(3), RNG, View((64, 128), scale))
        assert example["input_image"].shape == (64, 128, 3)
        meta = example["input_image_meta"]
        y1, x1, y2, x2 = meta[7:11]
        assert (y2 - y1, x2 - x1) == size and meta[11] == scale
        wanted = np.array([8, 4, 24, 12]) * scale + np.array([y1, x1, y1, x1])
        np.testing.assert_allclose(example["input_gt_boxes"][0], wanted)
        shown = example["input_image"].any(axis=2)
        assert shown.sum() == size[0] * size[1]
        assert shown[int(y1) : int(y2), int(x1) : int(x2)].all()


class Marked(Images):
    """Black images, in which an object, a triangle, is white; and one that is blue a box alone."""

    def load_image(self, image_id):
        image = np.zeros((*self.image_size(image_id), 3), np.uint8)
        image[self.load_instances(image_id).masks()[:, :, 0]] = 250
        image[40:44, 60:66] = (0, 0, 255)
        return image

    def load_instances(self, image_id):
        triangle = [np.array([[20.0, 10.0], [50.0, 10.0], [20.0, 36.0]])]
        boxes = np.float32([[10, 20, 36, 50], [40, 60, 44, 66]])
        return Instances(boxes, np.int32([1, 2]), [triangle, []], tuple(self.image_size(image_id)))


@pytest.mark.parametrize("mode", ["square", "canvas", "pad64", "crop", "none"])
@pytest.mark.parametrize(
    "random_augmentation",
    [
        RandomAugmentation(flip_vertical=True),
        RandomAugmentation(rotate_90=True),
        RandomAugmentation(scale=(0.5, 2.0)),
        RandomAugmentation(crop=(0.4, 0.9)),
        RandomAugmentation(True, True, (0.6, 1.5), (0.5, 1)),
    ],
    ids=["flip", "turn", "scale", "crop", "all"],
)
def test_boxes_and_masks_stay_on_the_pixels_of_their_objects(mode, random_augmentation):
    size = (64, 128)
    settings = replace(
        SETTINGS, resize_mode=mode, flip=True, random_augmentation=random_augmentation
    )
    build = BatchBuilder(Marked(size), settings, BatchSampler([0], 1, False, 0))
    shape = {"square": (128, 128), "crop": (64, 64)}.get(mode, size)
    seen = {1: 0, 2: 0}
    for epoch in range(25):
        example = build.example(0, epoch)
        assert example["input_image"].shape == (*shape, 3)
        image = example["input_image"].astype(int)
        pixels = {1: image[:, :, 0] > 125, 2: image[:, :, 2] - image[:, :, 0] > 125}
        ids = example["input_gt_class_ids"].tolist()
        for class_id, where in pixels.items():
            rows, columns = np.nonzero(where)
            if where.sum() < 12:
                continue
            # What is to be seen is an object, in its box, and none is where nothing is to be seen.
            assert class_id in ids
            slot = ids.index(class_id)
            found = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            # The tips of the triangle are thinner than a pixel, twice as long when enlarged.
            np.testing.assert_allclose(example["input_gt_boxes"][slot], found, atol=5)
            seen[class_id] += 1
            y1, x1, y2, x2 = example["input_gt_boxes"][slot]
            if class_id == 2:
                assert not example["input_gt_has_mask"][slot]
            elif min(y2 - y1, x2 - x1) > 12:
                grid = (np.arange(8) + 0.5) / 8
                cells = where[
                    (y1 + grid * (y2 - y1)).astype(int)[:, None],
                    (x1 + grid * (x2 - x1)).astype(int)[None],
                ]
                assert (cells == example["input_gt_masks"][:, :, slot]).mean() > 0.8
        for class_id, box in zip(ids, example["input_gt_boxes"], strict=True):
            # A sliver of an object need not hold the centre of a pixel.
            if class_id and (box[2:] - box[:2]).min() > 5:
                assert pixels[class_id].any()
    assert min(seen.values()) >= 5


def test_objects_come_from_images_of_the_same_source():
    data = Images(*[(32, 64)] * 6)
    for number in (1, 3, 5):
        data.image_info[number]["source"] = "t"
    settings = replace(SETTINGS, random_augmentation=RandomAugmentation(copy_paste=1.0))
    build = BatchBuilder(data, settings, BatchSampler([0] * 6, 2, False, 0))
    partners, loaded = set(), []
    data.load_image = lambda image_id: loaded.append(image_id) or Images.load_image(data, image_id)
    for epoch in range(40):
        loaded.clear()
        build.example(0, epoch)
        assert loaded[0] == 0 and set(loaded[1:]) <= {2, 4}
        partners |= set(loaded[1:])
    assert partners == {2, 4}


def upside_down(image, masks):
    return image[::-1], masks[::-1]


@pytest.mark.parametrize("mini", [True, False])
def test_a_callable_acts_on_the_image_of_the_network(mini):
    # 32 x 32 into 64 x 128: the image is at columns 32 to 96, rows 0 to 64.
    data = sample([(1, 2, 11, 22), (4, 4, 20, 20)])
    data.instances.segmentations[1] = []
    data.image[0, 0] = 0
    settings = SETTINGS if mini else replace(SETTINGS, mini_mask_shape=None)
    active = np.array([1, 1, 0])
    example = make_example(data, settings, 5, active, RNG, augmentation=upside_down)
    plain = make_example(data, settings, 5, active, RNG)
    np.testing.assert_array_equal(example["input_image"], plain["input_image"][::-1])
    # Rows 2..22 and 8..40 become 42..62 and 24..56.
    np.testing.assert_array_equal(
        example["input_gt_boxes"][:2], [[42, 36, 62, 76], [24, 40, 56, 72]]
    )
    assert example["input_gt_has_mask"].tolist() == [True, False, False, False]
    masks = example["input_gt_masks"]
    assert not masks[:, :, 1:].any()
    if mini:
        assert masks[:, :, 0].all()
    else:
        np.testing.assert_array_equal(masks[:, :, 0], plain["input_gt_masks"][::-1, :, 0])
        assert masks[42:62, 36:76, 0].all()


def test_objects_that_a_callable_removes_are_dropped():
    def halve(image, masks):
        masks = masks.copy()
        masks[:, 64:] = False
        return image, masks

    data = sample([(1, 20, 11, 30), (4, 4, 20, 24)])
    example = make_example(data, SETTINGS, 5, np.ones(3), RNG, augmentation=halve)
    # Columns 40..80 of the second, 72..92 of the first, which ends with it.
    assert example["input_gt_class_ids"].tolist() == [2, 0, 0, 0]
    np.testing.assert_array_equal(example["input_gt_boxes"][0], [8, 40, 40, 64])


def test_images_of_plain_sources_stay_as_they_are():
    data = Images((32, 64), (32, 64))
    data.image_info[1]["source"] = "t"
    settings = replace(
        SETTINGS, flip=True, random_augmentation=RandomAugmentation(True, True, (0.5, 2), (0.5, 1))
    )
    build = BatchBuilder(
        data, settings, BatchSampler([0] * 2, 2, False, 0), upside_down, frozenset({"t"})
    )
    plain = BatchBuilder(data, SETTINGS, build.sampler)
    for epoch in range(8):
        for image_id, same in ((0, False), (1, True)):
            example, expected = build.example(image_id, epoch), plain.example(image_id, epoch)
            assert all(np.array_equal(example[name], expected[name]) for name in example) == same
