from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.transforms.custom import augment as augment_with
from mrcnn.data.transforms.custom import augment_sample, check_augmenter
from mrcnn.data.transforms.geometric import Sample
from mrcnn.errors import InputError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
MASKS = IMAGE[:, :, :2] % 5 == 0


def augment(augmentation, image, masks, seed=0):
    return augment_with(augmentation, image, masks, np.random.default_rng(seed))


class Augmenter:
    """Behaves as imgaug's augmenters do: each asks the hooks whether it acts."""

    def __init__(self, *children):
        self.children = children
        self.fixed = False
        self.seed = None

    def get_children_lists(self):
        return [list(self.children)] if self.children else []

    def to_deterministic(self):
        copy = type(self)(*self.children)
        copy.fixed = True
        return copy

    def seed_(self, entropy, deterministic_too=False):
        assert deterministic_too
        self.seed = entropy
        for child in self.children:
            child.seed_(entropy, deterministic_too)

    def augment_image(self, image, hooks=None):
        assert self.seed is not None
        assert self.fixed, "image and masks must be augmented with the same random numbers"
        return self.apply(image, hooks, [])

    def apply(self, image, hooks, parents):
        if hooks is not None:
            image = hooks.preprocess(image, augmenter=self, parents=parents)
            if not hooks.is_activated(image, augmenter=self, parents=parents, default=True):
                return image
        image = self.act(image)
        if hooks is None or hooks.is_propagating(
            image, augmenter=self, parents=parents, default=True
        ):
            for child in self.children:
                image = child.apply(image, hooks, [*parents, self])
        return image if hooks is None else hooks.postprocess(image, augmenter=self, parents=parents)

    def act(self, image):
        return image


class Sequential(Augmenter):
    pass


class Fliplr(Augmenter):
    def act(self, image):
        return image[:, ::-1]


class CropAndPad(Augmenter):
    def act(self, image):
        return np.pad(image[1:], ((0, 1), (0, 0), (0, 0)))


class Crop(CropAndPad):
    pass


class Multiply(Augmenter):
    __module__ = "imgaug.augmenters.arithmetic"

    def act(self, image):
        assert image.shape[2] == 3, "colours of masks are changed"
        return image // 2


class WithChannels(Augmenter):
    pass


class PerspectiveTransform(Augmenter):
    __module__ = "imgaug.augmenters.geometric"


def test_masks_move_with_the_image_and_keep_their_values():
    image, masks = augment(Sequential(Fliplr(), Multiply(), Crop()), IMAGE, MASKS)
    wanted = np.zeros_like(IMAGE)
    wanted[:3] = IMAGE[1:, ::-1] // 2
    np.testing.assert_array_equal(image, wanted)
    wanted = np.zeros_like(MASKS)
    wanted[:3] = MASKS[1:, ::-1]
    np.testing.assert_array_equal(masks, wanted)
    assert image.dtype == np.uint8 and masks.dtype == bool


def test_images_without_objects():
    image, masks = augment(Fliplr(), IMAGE, MASKS[:, :, :0])
    np.testing.assert_array_equal(image, IMAGE[:, ::-1])
    assert masks.shape == (4, 6, 0)


@pytest.mark.parametrize(
    ("augmenter", "message"),
    [
        (PerspectiveTransform(), "PerspectiveTransform may move"),
        (Sequential(Multiply(), Sequential(PerspectiveTransform())), "PerspectiveTransform may"),
        (Augmenter(), "Augmenter may move .* are Affine, CropAndPad"),
        (WithChannels(Sequential(Fliplr())), "WithChannels acts on the image alone, but has Seq"),
    ],
)
def test_augmenters_that_would_tear_image_and_masks_apart(augmenter, message):
    with pytest.raises(InputError, match=message):
        augment(augmenter, IMAGE, MASKS)


def test_augmenters_of_colours_may_hold_others():
    check_augmenter(Sequential(WithChannels(Multiply())))


def test_callables():
    image, masks = augment(lambda image, masks: (image[::-1], masks[::-1]), IMAGE, MASKS)
    np.testing.assert_array_equal(image, IMAGE[::-1])
    np.testing.assert_array_equal(masks, MASKS[::-1])
    with pytest.raises(InputError, match=r"must return \(image, masks\).* got ndarray"):
        augment(lambda image, masks: image, IMAGE, MASKS)


class Noise(Augmenter):
    __module__ = "imgaug.augmenters.arithmetic"

    def act(self, image):
        return np.random.default_rng(self.seed).integers(0, 255, image.shape, np.uint8)


def test_augmenters_are_seeded_and_stay_as_they_were():
    noise = Noise()
    both = Sequential(noise)
    one, _ = augment(both, IMAGE, MASKS, seed=1)
    again, _ = augment(both, IMAGE, MASKS, seed=1)
    np.testing.assert_array_equal(one, again)
    assert (augment(both, IMAGE, MASKS, seed=2)[0] != one).any()
    # Other threads use it at the same time, and what `to_deterministic` returns shares its insides.
    assert both.seed is noise.seed is None


def test_callables_with_a_parameter_rng_get_it():
    def noise(image, masks, *, rng):
        return rng.integers(0, 255, image.shape, np.uint8), masks

    one, _ = augment(noise, IMAGE, MASKS, seed=1)
    np.testing.assert_array_equal(
        one, np.random.default_rng(1).integers(0, 255, IMAGE.shape, np.uint8)
    )


def test_objects_of_a_sample():
    """A mask, a box alone and an object that the crop takes away, moved up by a row."""
    masks = np.zeros((4, 6, 3), bool)
    masks[1:3, 2:5, 0] = masks[0:1, 0:2, 2] = True
    boxes = np.float32([[1, 2, 3, 5], [0.6, 1.2, 3.4, 3], [0, 0, 1, 2]])
    shapes = [masks[:, :, 0], [], masks[:, :, 2]]
    instances = Instances(boxes, np.int32([1, -2, 3]), shapes, (4, 6))
    after = augment_sample(Crop(), Sample(IMAGE, instances), np.random.default_rng(0))
    np.testing.assert_array_equal(after.image[:3], IMAGE[1:])
    # The box alone, rounded to rows 1 to 3 and columns 1 to 3, moves with the image.
    assert after.instances.boxes.tolist() == [[0, 2, 2, 5], [0, 1, 2, 3]]
    assert after.instances.class_ids.tolist() == [1, -2]
    assert after.instances.has_mask.tolist() == [True, False]
    np.testing.assert_array_equal(after.instances.masks()[:3, :, 0], masks[1:, :, 0])


def test_wrong_arguments():
    with pytest.raises(InputError, match="callable .* got SimpleNamespace"):
        augment(SimpleNamespace(), IMAGE, MASKS)
    with pytest.raises(InputError, match=r"shape of the masks, \(4, 6, 2\), got \(4, 6, 1\)"):
        augment(lambda image, masks: (image, masks[:, :, :1]), IMAGE, MASKS)
    with pytest.raises(InputError, match="shape of the image"):
        augment(lambda image, masks: (image[1:], masks), IMAGE, MASKS)
    with pytest.raises(InputError, match=r"two arguments, \(image, masks\).*\(image\) does not"):
        augment(lambda image: image, IMAGE, MASKS)


@pytest.mark.filterwarnings("ignore")
def test_imgaug():
    iaa = pytest.importorskip("imgaug.augmenters", reason="imgaug (package imaug) not installed")
    masks = np.zeros((60, 80, 3), bool)
    masks[5:30, 10:40, 0] = masks[30:55, 45:70, 1] = masks[2:12, 2:75, 2] = True
    image = (200 * masks).astype(np.uint8)
    choices = [
        iaa.Fliplr(0.5),
        iaa.Flipud(0.5),
        iaa.OneOf([iaa.Affine(rotate=90), iaa.Affine(rotate=45), iaa.Crop(px=(1, 8))]),
        iaa.Multiply((0.8, 1.2)),
        iaa.GaussianBlur(sigma=(0.0, 1.0)),
    ]
    pipeline = iaa.SomeOf((1, 3), choices)
    moved = 0
    for _ in range(20):
        image_after, masks_after = augment(pipeline, image, masks)
        # Each mask is a channel of the image.
        assert ((image_after > 100) != masks_after).mean() < 0.02
        moved += bool((masks_after != masks).any())
    assert moved > 5
    with pytest.raises(InputError, match="Rot90"):
        augment(iaa.Sometimes(0.5, iaa.Rot90(1)), image, masks)
