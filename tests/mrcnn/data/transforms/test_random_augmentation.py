import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.transforms.geometric import Sample
from mrcnn.data.transforms.random_augmentation import RandomAugmentation


def rectangle(y1, x1, y2, x2):
    return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)]


def sample(box=(2, 4, 8, 9), size=(20, 30), value=100) -> Sample:
    image = np.full((*size, 3), value, np.uint8)
    y1, x1, y2, x2 = box
    image[y1:y2, x1:x2] = 240
    return Sample(image, Instances(np.float32([box]), np.int32([1]), [rectangle(*box)], size))


def never():
    raise AssertionError("nothing is to be pasted")


def apply(random_augmentation, seed, before=None, flip=False, draw=never):
    rng = np.random.default_rng(seed)
    return random_augmentation.apply(before or sample(), rng, flip, draw)


def test_settings_come_from_the_configuration():
    assert RandomAugmentation.of(Config()) == RandomAugmentation()
    assert not RandomAugmentation().moves
    settings = {
        "AUGMENT_FLIP_VERTICAL": True,
        "AUGMENT_ROTATE_90": True,
        "AUGMENT_SCALE": [0.5, 2],
        "AUGMENT_CROP": [0.25, 0.75],
        "AUGMENT_COLOR_JITTER": [0.1, 0.2, 0.3, 0.05],
        "AUGMENT_COPY_PASTE": 0.5,
    }
    random_augmentation = RandomAugmentation.of(Config().update(**settings))
    assert random_augmentation == RandomAugmentation(
        True, True, (0.5, 2), (0.25, 0.75), (0.1, 0.2, 0.3, 0.05), 0.5
    )
    assert random_augmentation.moves
    assert not RandomAugmentation(flip_vertical=True, color=(0, 0, 0, 0), copy_paste=1).moves


def test_without_settings_a_sample_stays():
    before = sample()
    assert apply(RandomAugmentation(), 0, before) is before
    assert RandomAugmentation().draw_scale(np.random.default_rng(0)) == 1


def test_flips_and_turns_are_drawn_evenly():
    def boxes(random_augmentation, flip=False):
        found = [apply(random_augmentation, seed, flip=flip).instances for seed in range(200)]
        places, counts = np.unique([[*i.boxes[0], *i.size] for i in found], axis=0, return_counts=1)
        return {tuple(p) for p in places.astype(int).tolist()}, counts.min()

    # Of the box (2, 4, 8, 9) in 20 x 30.
    places, rarest = boxes(RandomAugmentation(flip_vertical=True))
    assert places == {(2, 4, 8, 9, 20, 30), (12, 4, 18, 9, 20, 30)}
    assert rarest > 70
    places, rarest = boxes(RandomAugmentation(rotate_90=True))
    assert places == {
        (2, 4, 8, 9, 20, 30), (21, 2, 26, 8, 30, 20),
        (12, 21, 18, 26, 20, 30), (4, 12, 9, 18, 30, 20),
    }  # fmt: skip
    assert rarest > 30
    # All eight ways to lay it down, each by two of the sixteen outcomes.
    places, rarest = boxes(RandomAugmentation(flip_vertical=True, rotate_90=True), flip=True)
    assert len(places) == 8 and rarest > 10


def test_crops_are_of_the_shares_asked_for_and_anywhere():
    random_augmentation = RandomAugmentation(crop=(0.3, 0.9))
    sizes, lefts = [], []
    numbered = sample(size=(100, 200))
    numbered.image[:, :, 0] = np.arange(200, dtype=np.uint8)
    for seed in range(100):
        after = apply(random_augmentation, seed, numbered)
        sizes.append(after.image.shape[:2])
        lefts.append(int(after.image[0, 0, 0]))
        assert after.instances.size == after.image.shape[:2]
    shares = np.array(sizes) / (100, 200)
    assert 0.295 <= shares.min() < 0.35 and 0.85 < shares.max() <= 0.905
    assert np.corrcoef(shares.T)[0, 1] < 0.5  # the two sides are drawn one by one
    assert min(lefts) < 10 and max(lefts) > 80


def test_scales_are_of_the_range():
    random_augmentation = RandomAugmentation(scale=(0.5, 2.0))
    drawn = np.array(
        [random_augmentation.draw_scale(np.random.default_rng(seed)) for seed in range(300)]
    )
    assert 0.5 <= drawn.min() < 0.55 and 1.9 < drawn.max() <= 2
    # As many shrink as grow.
    assert 120 < (drawn < 1).sum() < 180


def test_colours_stay_in_their_range():
    grey = Sample(
        np.full((4, 4, 3), 100, np.uint8), sample(size=(4, 4), box=(0, 0, 2, 2)).instances
    )
    drawn = [
        apply(RandomAugmentation(color=(0.2, 0, 0, 0)), seed, grey).image[0, 0]
        for seed in range(100)
    ]
    values = np.array(drawn)
    assert 80 <= values.min() < 84 and 116 < values.max() <= 120
    assert (values == values[:, :1]).all()
    # Grey is grey at any saturation and hue, and has no contrast.
    after = apply(RandomAugmentation(color=(0, 0.9, 0.9, 0.5)), 1, grey)
    np.testing.assert_array_equal(after.image, grey.image)
    assert after.instances is grey.instances


def test_objects_are_pasted_with_their_probability():
    other = sample(box=(10, 20, 18, 28), value=50)

    def pasted(probability):
        random_augmentation = RandomAugmentation(copy_paste=probability)
        found = [
            apply(random_augmentation, seed, draw=lambda: other).instances for seed in range(200)
        ]
        return sum(len(instances) == 2 for instances in found)

    assert pasted(0) == 0
    # The one object of the other sample is chosen half of the time.
    assert 70 < pasted(1.0) < 130
    assert 25 < pasted(0.5) < 75
    before = sample()
    assert apply(RandomAugmentation(copy_paste=1.0), 0, before, draw=lambda: None) is before


def test_what_is_pasted_fits_the_image():
    # Twice as large as the image: halved. Of its objects, neither the crowd nor the box alone.
    boxes = [(8, 20, 24, 40), (0, 0, 8, 8), (30, 40, 40, 60)]
    image = np.full((40, 60, 3), 50, np.uint8)
    image[8:24, 20:40] = 200
    shapes = [rectangle(*boxes[0]), rectangle(*boxes[1]), []]
    instances = Instances(np.float32(boxes), np.int32([5, -5, 6]), shapes, (40, 60))
    other = Sample(image, instances)
    random_augmentation = RandomAugmentation(copy_paste=1.0)
    seen = set()
    for seed in range(20):
        after = apply(random_augmentation, seed, draw=lambda: other)
        ids = tuple(after.instances.class_ids.tolist())
        seen.add(ids)
        if ids == (1, 5):
            assert after.instances.boxes.tolist() == [[2, 4, 8, 9], [4, 10, 12, 20]]
            assert after.image[5:11, 11:19].min() > 190
            assert after.image[4:12, 10:20].min() > 100
            outside = after.image.copy()
            outside[4:12, 10:20] = outside[2:8, 4:9] = 100
            assert outside.min() == outside.max() == 100
    assert seen == {(1,), (1, 5)}
    # With a scale, it comes in more sizes.
    heights = {
        float(np.diff(box[::2]).item())
        for seed in range(30)
        for box in apply(
            RandomAugmentation(scale=(0.5, 1), copy_paste=1), seed, draw=lambda: other
        ).instances.boxes[1:]
    }
    assert len(heights) > 5 and min(heights) > 3.9 and max(heights) < 8.1


@pytest.mark.parametrize("seed", range(5))
def test_the_same_rng_gives_the_same_sample(seed):
    random_augmentation = RandomAugmentation(
        True, True, (0.5, 2), (0.5, 1), (0.2, 0.2, 0.2, 0.1), 1.0
    )
    one, two = (
        apply(random_augmentation, seed, flip=True, draw=lambda: sample(value=7)) for _ in range(2)
    )
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.instances.boxes, two.instances.boxes)
