"""`mrcnn browse`: images and objects as training gets them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mrcnn.cli.common import (
    FORMAT,
    OUTPUT,
    PICTURES,
    WHOLE,
    ConfigOptions,
    DatasetFolder,
    FormatName,
    FormatOptions,
    PictureOptions,
    data_config,
    dataset_folder,
    open_dataset,
)
from mrcnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.config import Config
    from mrcnn.data.datasets.dataset import Dataset
    from mrcnn.data.pipeline.batch import Batch
    from mrcnn.drawing.style import Style

CELL = 420


def browse(
    dataset: DatasetFolder = None,
    *,
    settings: ConfigOptions = ConfigOptions(),
    split: str | None = None,
    format: Annotated[FormatName, Parameter(group=FORMAT)] = "auto",
    options: FormatOptions = FormatOptions(),
    count: Annotated[int, WHOLE] = 6,
    augmentations: Annotated[int, WHOLE] = 4,
    color_by: Annotated[Literal["instance", "class"], Parameter(group=PICTURES)] = "instance",
    pictures: PictureOptions = PictureOptions(),
    out: Annotated[Path, Parameter(group=OUTPUT)] = Path("sheet.png"),
) -> int:
    """Show what the network will see: images as training gets them, with their objects.

    ```
    mrcnn browse datasets/coco --count 4 --augmentations 5 --out sheet.png \\
        --set AUGMENT_ROTATE_90=true "AUGMENT_SCALE=[0.5, 2]"
    ```

    Each line of the sheet is an image: as it is without augmentation, then in the first epochs of a
    training with this configuration. Boxes, masks (mini masks, as large as their boxes), names and
    the padding are those of the batches. `--set SEED=1` shows other images and other augmentations.

    Args:
        split: Part of the dataset [default: train].
        format: Format of the annotations.
        count: Images.
        augmentations: Epochs of each image.
        color_by: What has a color of its own; a class has the same one on all images.
        out: The picture, a .png or .jpg file.
    """
    from PIL import Image

    from mrcnn.config_effects import SHOWN
    from mrcnn.data.checks.pixels import with_range
    from mrcnn.data.pipeline.loader import Loader
    from mrcnn.data.transforms.random_augmentation import RandomAugmentation
    from mrcnn.visualize import picture_sheet

    for name, number in (("count", count), ("augmentations", augmentations)):
        if number < 1:
            raise InputError(f"--{name} must be at least 1, got {number}")
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--out must be a .png or .jpg file, got {out}")
    style = pictures.style(color_by)
    folder = dataset_folder(dataset)
    config = data_config(settings, folder, SHOWN, "the picture")
    data = open_dataset(folder, split, format, options)
    config = config.update(NUM_CLASSES=data.num_classes, CLASS_NAMES=list(data.class_names))
    config = with_range(config, data)
    plain = Loader(data, config, flip=False)
    loader = Loader(
        data, config, flip=config.FLIP, random_augmentation=RandomAugmentation.of(config)
    )
    rows = []
    for image_id in choose_images(data, count, config.SEED):
        epochs = [loader.example(image_id, epoch) for epoch in range(augmentations)]
        examples = [plain.example(image_id), *epochs]
        rows.append([picture(example, config, style) for example in examples])
    titles = ["not augmented", *(f"epoch {epoch + 1}" for epoch in range(augmentations))]
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture_sheet(rows, titles, cell=CELL)).save(out)
    print(f"{out}: {len(rows)} images, augmented by {describe(config)}")
    return 0


def choose_images(dataset: "Dataset", count: Annotated[int, WHOLE], seed: int) -> list[int]:
    """Draw `count` images, those without objects only where there are not enough others."""
    import numpy as np

    chosen: list[int] = []
    empty: list[int] = []
    for image_id in np.random.default_rng(seed).permutation(dataset.image_ids):
        if len(chosen) == count:
            break
        (chosen if len(dataset.load_instances(image_id)) else empty).append(int(image_id))
    return chosen + empty[: count - len(chosen)]


def picture(batch: "Batch", config: "Config", style: "Style | None" = None) -> "np.ndarray":
    """The only image of a batch, with its objects."""
    import numpy as np

    from mrcnn.data.encodings import encode_part
    from mrcnn.data.image import unmold_image
    from mrcnn.data.masks import paste
    from mrcnn.visualize import Style, draw_instances

    image = unmold_image(batch["input_image"][0], config)
    size = (image.shape[0], image.shape[1])
    names = config.CLASS_NAMES or []
    used = np.flatnonzero(batch["input_gt_class_ids"][0])
    boxes, class_ids = batch["input_gt_boxes"][0][used], batch["input_gt_class_ids"][0][used]
    masks: Any = batch["input_gt_masks"][0][:, :, used].astype(bool)
    if config.USE_MINI_MASK:
        pasted = [paste(masks[:, :, i], box, size) for i, box in enumerate(boxes)]
        masks = [encode_part(*part, size) for part in pasted]
    captions = [
        names[abs(class_id)]
        + (" (crowd)" if class_id < 0 else "")
        + ("" if has_mask else " (box alone)")
        for class_id, has_mask in zip(class_ids, batch["input_gt_has_mask"][0][used], strict=True)
    ]
    # Drawn no smaller than the cell that it is then shrunk into, with letters of 13 pixels there.
    side = max(size)
    scale = max(1, -(-CELL // side))
    shrunk = scale * side / CELL
    style = style or Style()
    style = replace(style, line_width=(style.line_width or 1.5) * shrunk)
    drawn = {"scale": scale, "font_size": 13 * shrunk, "captions": captions}
    return draw_instances(image, boxes, masks, class_ids, names, style=style, **drawn)


def describe(config: "Config") -> str:
    """The settings of the augmentation that are on."""
    names = [name for name in config.to_dict() if name == "FLIP" or name.startswith("AUGMENT_")]
    on = [f"{name} {getattr(config, name)}" for name in names if getattr(config, name)]
    return ", ".join(on) or "nothing"
