"""Pictures of instances, boxes and scores, sheets of pictures, loss curves, tables of weights.

Function names and argument orders that matterport/Mask_RCNN has too are those of its `visualize`.
Functions that make figures return them, as pyplot's current one: `plt.savefig` writes it. With
`show=True` they open a window, and in a notebook the figure appears at the end of the cell.
"""

import importlib
from typing import Any

from mrcnn.drawing.boxes import draw_boxes, draw_rois
from mrcnn.drawing.display import display_differences, display_instances, display_top_masks
from mrcnn.drawing.images import apply_mask, display_images, draw_box, random_colors
from mrcnn.drawing.instances import caption
from mrcnn.drawing.losses import plot_losses
from mrcnn.drawing.matches import Matches, ObjectSet, draw_matches, match_instances
from mrcnn.drawing.raster import draw_instances
from mrcnn.drawing.scores import plot_overlaps, plot_precision_recall
from mrcnn.drawing.sheets import picture_sheet
from mrcnn.drawing.style import ColorBy, Mark, Style, class_color
from mrcnn.drawing.tables import (
    WeightStats,
    display_table,
    display_weight_stats,
    plot_weight_histograms,
    weight_arrays,
    weight_stats,
)

__all__ = [
    "ColorBy",
    "ObjectSet",
    "Mark",
    "Matches",
    "Style",
    "WeightStats",
    "apply_mask",
    "caption",
    "class_color",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_instances",
    "draw_matches",
    "draw_rois",
    "match_instances",
    "picture_sheet",
    "plot_losses",
    "plot_overlaps",
    "plot_precision_recall",
    "plot_weight_histograms",
    "random_colors",
    "weight_arrays",
    "weight_stats",
]

# What scripts reach through the original's module; not imported before that.
MODULES = {
    "IPython": "IPython",
    "itertools": "itertools",
    "lines": "matplotlib.lines",
    "np": "numpy",
    "patches": "matplotlib.patches",
    "plt": "matplotlib.pyplot",
    "random": "random",
    "utils": "mrcnn.utils",
}
NAMES = {"find_contours": "skimage.measure", "Polygon": "matplotlib.patches"}


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(MODULES[name])
    if name in NAMES:
        return getattr(importlib.import_module(NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
