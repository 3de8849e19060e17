"""The calls of samples/demo.ipynb, in its order."""

import os
import sys

import matplotlib.pyplot as plt
import skimage.io

import mrcnn.model as modellib
from mrcnn import utils, visualize

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import coco_client as coco

IMAGE, MODEL_DIR, COCO_MODEL_PATH = sys.argv[1:4]
if not os.path.exists(COCO_MODEL_PATH):
    utils.download_trained_weights(COCO_MODEL_PATH)


class InferenceConfig(coco.CocoConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0.0


config = InferenceConfig()
config.display()
model = modellib.MaskRCNN(mode="inference", model_dir=MODEL_DIR, config=config)
model.load_weights(COCO_MODEL_PATH, by_name=True)
class_names = ["BG", "one", "two", "three", "four", "five"]
image = skimage.io.imread(IMAGE)
results = model.detect([image], verbose=1)
r = results[0]
visualize.display_instances(image, r["rois"], r["masks"], r["class_ids"], class_names, r["scores"])
plt.savefig("demo.png")
