"""The calls of samples/coco/inspect_data.ipynb, in its order, on VIA's annotations."""

import os
import random
import sys

import matplotlib.lines as lines
import matplotlib.patches as patches
import matplotlib.pyplot as plt
import numpy as np

import mrcnn.model as modellib
from mrcnn import utils, visualize
from mrcnn.model import log
from mrcnn.visualize import display_images

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import balloon

random.seed(0)
np.random.seed(0)
config = balloon.BalloonConfig()
dataset = balloon.BalloonDataset()
dataset.load_balloon(sys.argv[1], "train")
dataset.prepare()
print(f"Image Count: {len(dataset.image_ids)}")
for i, info in enumerate(dataset.class_info):
    print("{:3}. {:50}".format(i, info["name"]))

for image_id in np.random.choice(dataset.image_ids, 2):
    image = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    visualize.display_top_masks(image, mask, class_ids, dataset.class_names)
    plt.savefig(f"top_{image_id}.png")

image_id = random.choice(dataset.image_ids)
image = dataset.load_image(image_id)
mask, class_ids = dataset.load_mask(image_id)
bbox = utils.extract_bboxes(mask)
print("image_id ", image_id, dataset.image_reference(image_id))
log("image", image)
log("mask", mask)
log("class_ids", class_ids)
log("bbox", bbox)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)
plt.savefig("instances.png")

original_shape = image.shape
image, window, scale, padding, _ = utils.resize_image(
    image,
    min_dim=config.IMAGE_MIN_DIM,
    max_dim=config.IMAGE_MAX_DIM,
    mode=config.IMAGE_RESIZE_MODE,
)
mask = utils.resize_mask(mask, scale, padding)
bbox = utils.extract_bboxes(mask)
print("Original shape: ", original_shape)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)

image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
    dataset, config, image_id, use_mini_mask=False
)
log("image_meta", image_meta)
display_images([image] + [mask[:, :, i] for i in range(min(mask.shape[-1], 7))])
plt.savefig("masks.png")
image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
    dataset, config, image_id, augment=True, use_mini_mask=True
)
display_images([image] + [mask[:, :, i] for i in range(min(mask.shape[-1], 7))])
mask = utils.expand_mask(bbox, mask, image.shape)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)
plt.savefig("expanded.png")

backbone_shapes = modellib.compute_backbone_shapes(config, config.IMAGE_SHAPE)
anchors = utils.generate_pyramid_anchors(
    config.RPN_ANCHOR_SCALES,
    config.RPN_ANCHOR_RATIOS,
    backbone_shapes,
    config.BACKBONE_STRIDES,
    config.RPN_ANCHOR_STRIDE,
)
num_levels = len(backbone_shapes)
anchors_per_cell = len(config.RPN_ANCHOR_RATIOS)
print("Anchors in Level: ", [int(np.prod(s)) * anchors_per_cell for s in backbone_shapes])
image_id = np.random.choice(dataset.image_ids, 1)[0]
image, image_meta, _, _, _ = modellib.load_image_gt(dataset, config, image_id)
fig, ax = plt.subplots(1, figsize=(5, 5))
ax.imshow(image)
levels = len(backbone_shapes)
for level in range(levels):
    colors = visualize.random_colors(levels)
    level_start = sum(int(np.prod(s)) * anchors_per_cell for s in backbone_shapes[:level])
    for rect in anchors[level_start : level_start + anchors_per_cell]:
        y1, x1, y2, x2 = rect
        p = patches.Rectangle(
            (x1, y1), x2 - x1, y2 - y1, linewidth=2, facecolor="none", edgecolor=colors[level]
        )
        ax.add_patch(p)
ax.add_line(lines.Line2D([0, 1], [0, 1]))
plt.savefig("anchors.png")

random_rois = 100
g = modellib.data_generator(
    dataset, config, shuffle=True, random_rois=random_rois, batch_size=2, detection_targets=True
)
(
    [
        normalized_images,
        image_meta,
        rpn_match,
        rpn_bbox,
        gt_class_ids,
        gt_boxes,
        gt_masks,
        rpn_rois,
        rois,
    ],
    [mrcnn_class_ids, mrcnn_bbox, mrcnn_mask],
) = next(g)
log("rois", rois)
log("mrcnn_class_ids", mrcnn_class_ids)
log("mrcnn_bbox", mrcnn_bbox)
log("mrcnn_mask", mrcnn_mask)

b = 0
sample_image = modellib.unmold_image(normalized_images[b], config)
positive_anchor_ids = np.where(rpn_match[b] == 1)[0]
indices = positive_anchor_ids
refined_anchors = utils.apply_box_deltas(
    anchors[indices], rpn_bbox[b, : len(indices)] * config.RPN_BBOX_STD_DEV
)
visualize.draw_boxes(sample_image, boxes=anchors[indices], refined_boxes=refined_anchors)
plt.savefig("refined.png")
negative = np.where(rpn_match[b] == -1)[0]
visualize.draw_boxes(sample_image, boxes=anchors[negative[:10]])

bbox_specific = mrcnn_bbox[b, np.arange(mrcnn_bbox.shape[1]), mrcnn_class_ids[b, :, 0], :]
refined_rois = utils.apply_box_deltas(
    rois[b].astype(np.float32), bbox_specific[:, :4] * config.BBOX_STD_DEV
)
mask_specific = mrcnn_mask[b, np.arange(mrcnn_mask.shape[1]), :, :, mrcnn_class_ids[b, :, 0]]
visualize.draw_rois(
    sample_image,
    rois[b],
    refined_rois,
    mask_specific,
    mrcnn_class_ids[b, :, 0],
    dataset.class_names,
)
plt.savefig("rois.png")
