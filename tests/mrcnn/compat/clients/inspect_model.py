"""The calls of samples/coco/inspect_model.ipynb and inspect_weights.ipynb, in their order, on VIA's
annotations.
"""

import os
import random
import sys

import matplotlib.pyplot as plt
import numpy as np

import mrcnn.model as modellib
from mrcnn import utils, visualize
from mrcnn.model import log
from mrcnn.visualize import display_images

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import balloon

FOLDER, MODEL_DIR, WEIGHTS = sys.argv[1:4]
random.seed(0)


class InferenceConfig(balloon.BalloonConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1


config = InferenceConfig()
config.display()


def get_ax(rows=1, cols=1, size=5):
    _, ax = plt.subplots(rows, cols, figsize=(size * cols, size * rows))
    return ax


dataset = balloon.BalloonDataset()
dataset.load_balloon(FOLDER, "val")
dataset.prepare()
model = modellib.MaskRCNN(mode="inference", model_dir=MODEL_DIR, config=config)
model.load_weights(WEIGHTS, by_name=True)

image_id = random.choice(dataset.image_ids)
image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
    dataset, config, image_id, use_mini_mask=False
)
info = dataset.image_info[image_id]
print("image ID: {}.{} ({})".format(info["source"], info["id"], image_id))
results = model.detect([image], verbose=1)
ax = get_ax(1)
r = results[0]
visualize.display_instances(
    image,
    r["rois"],
    r["masks"],
    r["class_ids"],
    dataset.class_names,
    r["scores"],
    ax=ax,
    title="Predictions",
)
plt.savefig("predictions.png")
visualize.display_differences(
    image,
    gt_bbox,
    gt_class_id,
    gt_mask,
    r["rois"],
    r["class_ids"],
    r["scores"],
    r["masks"],
    dataset.class_names,
    ax=get_ax(),
)
AP, precisions, recalls, overlaps = utils.compute_ap(
    gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"]
)
visualize.plot_precision_recall(AP, precisions, recalls)
plt.savefig("precision.png")
visualize.plot_overlaps(gt_class_id, r["class_ids"], r["scores"], overlaps, dataset.class_names)
plt.savefig("overlaps.png")

target_rpn_match, target_rpn_bbox = modellib.build_rpn_targets(
    image.shape, model.anchors, gt_class_id, gt_bbox, model.config
)
log("target_rpn_match", target_rpn_match)
log("target_rpn_bbox", target_rpn_bbox)
positive_anchor_ix = np.where(target_rpn_match[:] == 1)[0]
positive_anchors = model.anchors[positive_anchor_ix]
refined_anchors = utils.apply_box_deltas(
    positive_anchors, target_rpn_bbox[: positive_anchors.shape[0]] * model.config.RPN_BBOX_STD_DEV
)
visualize.draw_boxes(image, boxes=positive_anchors, refined_boxes=refined_anchors, ax=get_ax())
plt.savefig("anchors.png")

pillar = model.keras_model.get_layer("ROI").output
nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression:0")
if nms_node is None:
    nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression/NonMaxSuppressionV2:0")
if nms_node is None:
    nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0")
rpn = model.run_graph(
    [image],
    [
        ("rpn_class", model.keras_model.get_layer("rpn_class").output),
        ("pre_nms_anchors", model.ancestor(pillar, "ROI/pre_nms_anchors:0")),
        ("refined_anchors", model.ancestor(pillar, "ROI/refined_anchors:0")),
        ("refined_anchors_clipped", model.ancestor(pillar, "ROI/refined_anchors_clipped:0")),
        ("post_nms_anchor_ix", nms_node),
        ("proposals", model.keras_model.get_layer("ROI").output),
    ],
)
limit = 20
sorted_anchor_ids = np.argsort(rpn["rpn_class"][:, :, 1].flatten())[::-1]
visualize.draw_boxes(image, boxes=model.anchors[sorted_anchor_ids[:limit]], ax=get_ax())
pre_nms_anchors = utils.denorm_boxes(rpn["pre_nms_anchors"][0], image.shape[:2])
refined_anchors = utils.denorm_boxes(rpn["refined_anchors"][0], image.shape[:2])
refined_anchors_clipped = utils.denorm_boxes(rpn["refined_anchors_clipped"][0], image.shape[:2])
visualize.draw_boxes(
    image,
    boxes=pre_nms_anchors[:limit],
    refined_boxes=refined_anchors[:limit],
    ax=get_ax(),
)
visualize.draw_boxes(image, refined_boxes=refined_anchors_clipped[:limit], ax=get_ax())
ixs = rpn["post_nms_anchor_ix"][:limit]
visualize.draw_boxes(image, refined_boxes=refined_anchors_clipped[ixs], ax=get_ax())
plt.savefig("after_nms.png")

mrcnn = model.run_graph(
    [image],
    [
        ("proposals", model.keras_model.get_layer("ROI").output),
        ("probs", model.keras_model.get_layer("mrcnn_class").output),
        ("deltas", model.keras_model.get_layer("mrcnn_bbox").output),
        ("masks", model.keras_model.get_layer("mrcnn_mask").output),
        ("detections", model.keras_model.get_layer("mrcnn_detection").output),
    ],
)
det_class_ids = mrcnn["detections"][0, :, 4].astype(np.int32)
padding_start = np.where(det_class_ids == 0)[0]
det_count = padding_start[0] if len(padding_start) else len(det_class_ids)
det_class_ids = det_class_ids[:det_count]
detections = mrcnn["detections"][0, :det_count]
captions = [
    f"{dataset.class_names[int(c)]} {s:.3f}" if c > 0 else ""
    for c, s in zip(detections[:, 4], detections[:, 5], strict=True)
]
visualize.draw_boxes(
    image,
    refined_boxes=utils.denorm_boxes(detections[:, :4], image.shape[:2]),
    visibilities=[2] * len(detections),
    captions=captions,
    title="Detections",
    ax=get_ax(),
)
plt.savefig("detections.png")
det_boxes = utils.denorm_boxes(mrcnn["detections"][0, :det_count, :4], image.shape[:2])
det_mask_specific = np.array([mrcnn["masks"][0, i, :, :, c] for i, c in enumerate(det_class_ids)])
det_masks = np.array(
    [utils.unmold_mask(m, det_boxes[i], image.shape) for i, m in enumerate(det_mask_specific)]
)
display_images(det_mask_specific[:4] * 255, cmap="Blues", interpolation="none")
display_images(det_masks[:4] * 255, cmap="Blues", interpolation="none")

activations = model.run_graph(
    [image],
    [
        ("input_image", model.keras_model.get_layer("input_image").output),
        ("rpn_bbox", model.keras_model.get_layer("rpn_bbox").output),
        ("roi", model.keras_model.get_layer("ROI").output),
    ],
)
plt.imshow(modellib.unmold_image(activations["input_image"][0], config))
plt.savefig("input.png")

visualize.display_weight_stats(model)
layers = [x for x in model.get_trainable_layers() if x.__class__.__name__ in ["Conv2D"]]
fig, ax = plt.subplots(len(layers), 2, figsize=(6, 2 * len(layers)))
for row, layer in enumerate(layers):
    for w, weight in enumerate(layer.get_weights()):
        tensor = layer.weights[w]
        ax[row, w].set_title(tensor.name)
        ax[row, w].hist(weight[w].flatten(), 50)
plt.savefig("weights.png", dpi=30)
