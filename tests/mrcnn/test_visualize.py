import inspect

import pytest

from mrcnn import visualize

# Names, orders and defaults of the original; `show` may follow, and what is named only.
SIGNATURES = {
    "display_images": "images, titles=None, cols=4, cmap=None, norm=None, interpolation=None",
    "random_colors": "N, bright=True",
    "apply_mask": "image, mask, color, alpha=0.5",
    "display_instances": "image, boxes, masks, class_ids, class_names, scores=None, title='', "
    "figsize=(16, 16), ax=None, show_mask=True, show_bbox=True, colors=None, captions=None",
    "display_differences": "image, gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, "
    "pred_score, pred_mask, class_names, title='', ax=None, show_mask=True, show_box=True, "
    "iou_threshold=0.5, score_threshold=0.5",
    "draw_rois": "image, rois, refined_rois, mask, class_ids, class_names, limit=10",
    "draw_box": "image, box, color",
    "display_top_masks": "image, mask, class_ids, class_names, limit=4",
    "plot_precision_recall": "AP, precisions, recalls",
    "plot_overlaps": "gt_class_ids, pred_class_ids, pred_scores, overlaps, class_names, "
    "threshold=0.5",
    "draw_boxes": "image, boxes=None, refined_boxes=None, masks=None, captions=None, "
    "visibilities=None, title='', ax=None",
    "display_table": "table",
    "display_weight_stats": "model",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_original(name):
    signature = inspect.signature(getattr(visualize, name))
    parameters = [
        parameter.replace(annotation=parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ]
    if parameters[-1].name == "show":
        assert parameters.pop().default is False
    assert ", ".join(map(str, parameters)) == SIGNATURES[name]


def test_everything_public_is_there():
    assert set(SIGNATURES) < set(visualize.__all__)
    assert all(hasattr(visualize, name) for name in visualize.__all__)
