"""`mrcnn download`: datasets under their names."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mrcnn.cli.common import STANDARD_DATASET, Quiet, Switch

Subset = Literal["train", "val"]


def download(
    dataset: Literal["coco"] = "coco",
    /,
    *,
    year: Literal["2017", "2014"] = "2017",
    subset: Annotated[tuple[Subset, ...], Parameter(consume_multiple=1)] = ("train", "val"),
    out: Path = STANDARD_DATASET,
    base_url: Annotated[str | None, Parameter(show_default=False)] = None,
    keep_zip: Switch = False,
    quiet: Quiet = False,
) -> int:
    """Download COCO 2017 or 2014 into the folder where `mrcnn train` finds it.

    ```
    mrcnn download                             # COCO 2017, 20 GB
    mrcnn download --subset val                # 1 GB, enough for mrcnn evaluate
    mrcnn download --year 2014 --out datasets/coco2014
    ```

    What is interrupted goes on when the same command is run again, and what is complete stays as it
    is. The archives are checked and then removed.

    COCO's server has no valid certificate under its own name; `--base-url
    https://s3.amazonaws.com/images.cocodataset.org` is the same one with a valid one.

    Args:
        dataset: Name of the dataset.
        year: Its release.
        subset: Parts of it.
        out: Folder.
        base_url: Server or mirror [default: COCO's own].
        keep_zip: Do not remove the archives.
    """
    from mrcnn.hub.coco import BASE_URL, Request, complete_subsets, download_coco

    request = Request(out, year, base_url or BASE_URL, keep_zip, verbose=not quiet)
    try:
        was_missing = download_coco(request, subset)
    except KeyboardInterrupt:
        print("the same command goes on from here", file=sys.stderr)
        raise
    if not was_missing:
        parts = " and ".join(dict.fromkeys(subset))
        print(f"{out} has all of COCO {year} {parts}: nothing to do")
    ready = complete_subsets(out, year)
    print(f"COCO {year} is in {out}: {' and '.join(ready)}")
    place = "" if out == STANDARD_DATASET else f" {out}"
    if "train" in ready:
        print(f"train on it with: mrcnn train{place} --edge sobel --p 2")
    else:
        print(f"evaluate on it with: mrcnn evaluate{place} --weights FILE")
    return 0
