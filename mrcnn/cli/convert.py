"""`mrcnn convert`: a dataset to COCO's format."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from mrcnn.cli.common import (
    FORMAT,
    WHOLE,
    FormatName,
    FormatOptions,
    Quiet,
    Switch,
    progress_bar,
)
from mrcnn.errors import InputError

if TYPE_CHECKING:
    from mrcnn.data.datasets.dataset import Dataset
    from mrcnn.data.recognition.formats import Options
    from mrcnn.data.recognition.recognise import Recognised

FOLDER = Group("Output in a folder", sort_key=25)


def convert(
    format: FormatName,
    source: Path,
    out: Path,
    /,
    *,
    subset: Annotated[str | None, Parameter(group=FORMAT)] = None,
    options: FormatOptions = FormatOptions(),
    split: Annotated[str | None, Parameter(group=FOLDER)] = None,
    seed: Annotated[int | None, WHOLE, Parameter(group=FOLDER)] = None,
    copy: Annotated[Switch, Parameter(group=FOLDER)] = False,
    check: Switch = False,
    max_pixels: Annotated[int | None, WHOLE, Parameter(show_default=False, metavar="N")] = None,
    quiet: Quiet = False,
) -> int:
    """Convert a dataset to COCO's format: into a folder with its images, or into one JSON file.

    ```
    mrcnn convert labelme photos datasets/mine --split 0.85/0.15
    mrcnn convert yolo data.yaml datasets/mine
    mrcnn convert via cells/train/via_region_data.json cells.json
    ```

    FORMAT and SOURCE are one of

    ```
    auto         any of those below: what a folder is, is found out
    coco         a folder in COCO's layout or Roboflow's, or a JSON file
    via          a JSON file of VGG Image Annotator 1 or 2, or a folder with one
    labelme      a folder of labelme's JSON files
    voc          a folder in the layout of Pascal VOC; --classes or class_names.txt
                 names the classes, if they are not those of VOC
    yolo         a data.yaml of YOLO segmentation
    png          a folder with images/ and masks/; masks have a value for each object
    objects      a folder with images/ and masks/NAME/, or NAME/images and
                 NAME/masks; masks have a file for each object
    cityscapes   a folder with leftImg8bit and gtFine, pictures or polygons
    ```

    With --masks, SOURCE of png and objects is the folder of the images. A folder with train/ and
    val/ (and test/), each in a format, is a dataset of that format.

    Into a folder go all splits that the data have, with one list of classes, and their images as
    links or copies, so that it can be moved: OUT/annotations/instances_NAME.json and OUT/NAME.
    --split divides data that have no splits, by image: each class gets its share of each split, and
    the same --seed gives the same division. A table shows the number of objects of each class.

    Into a file OUT.json goes one split, and the images stay where they are. With OUT =
    DIR/annotations/instances_NAME.json, `mrcnn train DIR` takes NAME as its split; the file names
    are then relative to DIR/NAME, which is made if it is not there.

    Args:
        format: Format of SOURCE.
        source: File or folder, by format.
        out: Folder or JSON file to write.
        subset: The split to convert, of data that have several [default: train for a file, all for
            a folder].
        split: Shares of train and val, or of train, val and test, such as 0.85/0.15.
        seed: Draws which images go into which split [default: 0].
        copy: Copy the images in place of linking them.
        check: Read the result back and compare; for a file.
        max_pixels: Take images of up to so many pixels, of files that you trust [default:
            178956970].
    """
    from mrcnn.data.conversion.convert import convert_folder
    from mrcnn.data.conversion.dividing import parse_shares
    from mrcnn.data.reading.header import allow_pixels
    from mrcnn.data.recognition.recognise import recognise

    if seed is not None and split is None:
        raise InputError("--seed draws the images of --split, which is not given: leave it out")
    if max_pixels is not None:
        if max_pixels < 1:
            raise InputError(f"--max-pixels must be at least 1, got {max_pixels}")
        allow_pixels(max_pixels)
    told = options.of_format()
    data = recognise(source, format, told)
    if format == "auto":
        print(data)
    if out.suffix.lower() == ".json":
        if split is not None or copy:
            raise InputError(f"--split and --copy are for a folder; {out} is a file")
        return convert_file(data, out, told, subset, check, quiet)
    if check:
        raise InputError(f"--check is for a file; {out} is a folder")
    if subset is not None:
        data = data.only(subset)
    shares = None if split is None else parse_shares(split)
    bar = progress_bar("converting", quiet)
    written = convert_folder(data, out, bar, told, shares, seed or 0, copy)
    print(written.table())
    for note in written.notes:
        print(note)
    print(f"written: {out} (images: {', '.join(written.ways) or 'none'})")
    return 0


def convert_file(
    data: "Recognised", out: Path, told: "Options", subset: str | None, check: bool, quiet: bool
) -> int:
    """Write one split of a dataset into a file."""
    from mrcnn.data.checks.files import refuse_other_sizes, size_faults
    from mrcnn.data.datasets.coco_files import PREFIX
    from mrcnn.data.datasets.to_coco import coco_content
    from mrcnn.data.recognition.opening import open_split
    from mrcnn.files.writing import write_json

    if subset is not None:
        data.only(subset)  # refuses one that there is not, and any of data that are not divided
    dataset = open_split(data, subset or "train", told)
    layout = out.parent.name == "annotations" and out.name.startswith(PREFIX)
    if check and not layout:
        raise InputError(f"--check needs OUT to be DIR/annotations/{PREFIX}NAME.json")
    image_dir = out.parent
    if layout:
        image_dir = out.parent.parent / out.stem.removeprefix(PREFIX)
        image_dir.mkdir(parents=True, exist_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    numbers = progress_bar("converting", quiet)(dataset.image_ids, dataset.num_images)
    refuse_other_sizes(size_faults(dataset))
    content = coco_content(dataset, image_dir, numbers)
    write_json(out, content)
    print(
        f"{out}: {len(content['images'])} images, {len(content['annotations'])} objects, "
        f"{len(content['categories'])} classes"
    )
    for reason, count in getattr(dataset, "skipped", {}).items():
        print(f"left out: {count} ({reason})")
    for what, count in getattr(dataset, "remarks", {}).items():
        print(f"look at: {count} ({what})")
    if check:
        compare(dataset, out)
        print("checked: classes, sizes, boxes and masks are the same when read back")
    return 0


def compare(dataset: "Dataset", file: Path) -> None:
    """Compare a dataset with what `CocoDataset` reads from its COCO file.

    Raises:
        InputError: They differ; it names the first image.
    """
    import numpy as np

    from mrcnn.data.datasets.coco import CocoDataset
    from mrcnn.data.datasets.coco_files import PREFIX
    from mrcnn.data.masks import encode

    subset = file.stem.removeprefix(PREFIX)
    twin = CocoDataset.from_folder(file.parent.parent, subset)
    if twin.class_names != dataset.class_names or twin.num_images != dataset.num_images:
        raise InputError(f"{file} reads back with other classes or another number of images")
    for image_id in dataset.image_ids:
        ours, theirs = dataset.load_instances(image_id), twin.load_instances(image_id)
        same = (
            ours.size == theirs.size
            and np.array_equal(ours.class_ids, theirs.class_ids)
            and np.allclose(ours.boxes, theirs.boxes, atol=0.01)
            # One by one: full masks of a thousand objects fill the memory.
            and all(
                encode(one, ours.size)["counts"] == encode(other, ours.size)["counts"]
                for one, other in zip(ours.segmentations, theirs.segmentations, strict=True)
            )
        )
        if not same:
            raise InputError(
                f"{file} reads back with other objects on {dataset.image_reference(image_id)}"
            )
