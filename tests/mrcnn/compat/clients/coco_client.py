"""The calls of samples/coco/coco.py of the original, in its order; with options of the edge loss,
those of the authors' fork.
"""

import argparse
import csv
import os
import sys
import time

import numpy as np
from pycocotools import mask as maskUtils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from tiny import Tiny


class CocoConfig(Tiny, Config):
    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 5

    def __init__(self, args=None):
        super().__init__()
        if args and args.fork:
            self.RUN_NAME = args.run_name
            self.EDGE_LOSS_SMOOTHING_GT = args.edge_loss_smoothing_groundtruth
            self.EDGE_LOSS_SMOOTHING_PREDICTIONS = args.edge_loss_smoothing_predictions
            self.EDGE_LOSS_FILTERS = args.edge_loss_filters
            self.EDGE_LOSS_NORM = args.edge_loss_norm
            self.EDGE_LOSS_WEIGHT_FACTOR = args.edge_loss_weight_factor
            self.EDGE_LOSS_WEIGHT_ENTROPY = args.edge_loss_weight_entropy
            self.MASK_SHAPE = (args.mask_size, args.mask_size)


class CocoDataset(utils.Dataset):
    def load_coco(self, dataset_dir, subset, year="2017", class_ids=None, return_coco=False):
        coco = COCO(f"{dataset_dir}/annotations/instances_{subset}{year}.json")
        image_dir = f"{dataset_dir}/{subset}{year}"
        if not class_ids:
            class_ids = sorted(coco.getCatIds())
        image_ids = []
        for id in class_ids:
            image_ids.extend(list(coco.getImgIds(catIds=[id])))
        image_ids = list(set(image_ids))
        for i in class_ids:
            self.add_class("coco", i, coco.loadCats(i)[0]["name"])
        for i in image_ids:
            self.add_image(
                "coco",
                image_id=i,
                path=os.path.join(image_dir, coco.imgs[i]["file_name"]),
                width=coco.imgs[i]["width"],
                height=coco.imgs[i]["height"],
                annotations=coco.loadAnns(
                    coco.getAnnIds(imgIds=[i], catIds=class_ids, iscrowd=None)
                ),
            )
        if return_coco:
            return coco

    def load_mask(self, image_id):
        image_info = self.image_info[image_id]
        if image_info["source"] != "coco":
            return super().load_mask(image_id)
        instance_masks, class_ids = [], []
        for annotation in self.image_info[image_id]["annotations"]:
            class_id = self.map_source_class_id("coco.{}".format(annotation["category_id"]))
            if class_id:
                m = self.annToMask(annotation, image_info["height"], image_info["width"])
                if m.max() < 1:
                    continue
                if annotation["iscrowd"]:
                    class_id *= -1
                    if m.shape[0] != image_info["height"] or m.shape[1] != image_info["width"]:
                        m = np.ones([image_info["height"], image_info["width"]], dtype=bool)
                instance_masks.append(m)
                class_ids.append(class_id)
        if class_ids:
            mask = np.stack(instance_masks, axis=2).astype(bool)
            return mask, np.array(class_ids, dtype=np.int32)
        return super().load_mask(image_id)

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] == "coco":
            return "http://cocodataset.org/#explore?id={}".format(info["id"])
        super().image_reference(image_id)

    def annToMask(self, ann, height, width):
        segm = ann["segmentation"]
        if isinstance(segm, list):
            rle = maskUtils.merge(maskUtils.frPyObjects(segm, height, width))
        elif isinstance(segm["counts"], list):
            rle = maskUtils.frPyObjects(segm, height, width)
        else:
            rle = ann["segmentation"]
        return maskUtils.decode(rle)


def build_coco_results(dataset, image_ids, rois, class_ids, scores, masks):
    if rois is None:
        return []
    results = []
    for image_id in image_ids:
        for i in range(rois.shape[0]):
            bbox = np.around(rois[i], 1)
            results.append(
                {
                    "image_id": image_id,
                    "category_id": dataset.get_source_class_id(class_ids[i], "coco"),
                    "bbox": [bbox[1], bbox[0], bbox[3] - bbox[1], bbox[2] - bbox[0]],
                    "score": scores[i],
                    "segmentation": maskUtils.encode(np.asfortranarray(masks[:, :, i])),
                }
            )
    return results


def write_eval_to_csv(cocoEval, model_path):
    step_number = model_path.split("_")[-1].split(".")[0]
    name = f"coco_eval_type_{cocoEval.params.iouType}_at_step_{step_number}.csv"
    with open(os.path.join(os.path.dirname(model_path), name), "w") as csvfile:
        csv.writer(csvfile).writerows([["AP", cocoEval.stats[0]]])


def evaluate_coco(model, dataset, coco, model_path, limit=0, image_ids=None):
    image_ids = image_ids or dataset.image_ids
    if limit:
        image_ids = image_ids[:limit]
    coco_image_ids = [dataset.image_info[id]["id"] for id in image_ids]
    t_prediction = 0
    results = []
    for i, image_id in enumerate(image_ids):
        image = dataset.load_image(image_id)
        t = time.time()
        r = model.detect([image], verbose=0)[0]
        t_prediction += time.time() - t
        image_results = build_coco_results(
            dataset,
            coco_image_ids[i : i + 1],
            r["rois"],
            r["class_ids"],
            r["scores"],
            r["masks"].astype(np.uint8),
        )
        results.extend(image_results)
    coco_results = coco.loadRes(results)
    for kind in ("segm", "bbox"):
        cocoEval = COCOeval(coco, coco_results, kind)
        cocoEval.params.imgIds = coco_image_ids
        cocoEval.evaluate()
        cocoEval.accumulate()
        cocoEval.summarize()
        write_eval_to_csv(cocoEval, model_path)
    print(f"Prediction time: {t_prediction}. Average {t_prediction / len(image_ids)}/image")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--logs", default="logs")
    parser.add_argument("--fork", action="store_true", help="what only the authors' fork calls")
    parser.add_argument("--edge-loss-smoothing-predictions", action="store_true")
    parser.add_argument("--edge-loss-smoothing-groundtruth", action="store_true")
    parser.add_argument("--edge-loss-filters", default="", nargs="*", type=str)
    parser.add_argument("--run-name", default=None, type=str)
    parser.add_argument("--edge-loss-norm", default="l2")
    parser.add_argument("--edge-loss-weight-entropy", action="store_true")
    parser.add_argument("--edge-loss-weight-factor", default=1.0, type=float)
    parser.add_argument("--mask-size", default=28, type=int)
    args = parser.parse_args()
    if args.command == "train":
        config = CocoConfig(args)
    else:

        class InferenceConfig(CocoConfig):
            GPU_COUNT = 1
            IMAGES_PER_GPU = 1
            DETECTION_MIN_CONFIDENCE = 0

        config = InferenceConfig(args)
    config.display()
    mode = "training" if args.command == "train" else "inference"
    model = modellib.MaskRCNN(mode=mode, config=config, model_dir=args.logs)
    model_path = model.find_last() if args.model.lower() == "last" else args.model
    print("Loading weights ", model_path)
    model.load_weights(model_path, by_name=True)
    if args.command == "train":
        augmentation = None
        if args.fork:
            import imgaug

            with open(os.path.join(model.log_dir, "configuration.log"), "w") as file:
                config.display(file=file)
            augmentation = imgaug.augmenters.Fliplr(0.5)
        dataset_train = CocoDataset()
        dataset_train.load_coco(args.dataset, "train")
        dataset_train.prepare()
        dataset_val = CocoDataset()
        dataset_val.load_coco(args.dataset, "val")
        dataset_val.prepare()
        for layers, epochs, rate in (("heads", 1, 1), ("4+", 2, 1), ("all", 3, 0.1)):
            model.train(
                dataset_train,
                dataset_val,
                learning_rate=config.LEARNING_RATE * rate,
                epochs=epochs,
                layers=layers,
                augmentation=augmentation,
            )
    elif args.command == "evaluate":
        dataset_val = CocoDataset()
        coco = dataset_val.load_coco(args.dataset, "val", return_coco=True)
        dataset_val.prepare()
        evaluate_coco(model, dataset_val, coco, model_path, limit=None)
