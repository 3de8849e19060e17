"""What torchvision's Mask R-CNN computes, for `test_torchvision.py`: run by a Python that has it.

    python torchvision_reference.py VERSION IMAGES.npz OUT

IMAGES.npz holds RGB images (`image0`, `image1`, ...) and a batch to train on (`batch_images`,
`batch_boxes`, `batch_labels`, `batch_masks`). The folder OUT then holds `state.npz`, the weights;
`0.npz`, `1.npz`, ..., what is computed of each image; and `training.npz`, losses and gradients. The
weights are random ones of a fixed seed. Such weights give flat scores and boxes
that stay at their anchors, so the outputs of the last layers are spread (`SPREAD`).
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torchvision

# Of the training: proposals of an image, RoIs that the heads see at most, share of positive ones.
ROIS, SAMPLES, POSITIVE = 300, 2000, 0.1
# The layers whose outputs are spread, and the standard deviation that they get.
SPREAD = {
    "rpn.head.cls_logits": 2.0,
    "rpn.head.bbox_pred": 0.2,
    "roi_heads.box_predictor.cls_score": 2.0,
    "roi_heads.box_predictor.bbox_pred": 1.0,
    "roi_heads.mask_predictor.mask_fcn_logits": 3.0,
}


def network(version: str, image: np.ndarray) -> torch.nn.Module:
    """The network with weights of a fixed seed, in inference form."""
    torch.manual_seed(0)
    make = getattr(torchvision.models.detection, version)
    model = make(weights=None, weights_backbone=None, num_classes=91).eval()
    with torch.no_grad():
        for name, module in model.named_modules():
            if hasattr(module, "running_var"):
                # Statistics that a trained network could have; the sum of a block's branches grows
                # by little.
                size = module.weight.shape
                module.weight.copy_(
                    torch.rand(size) * 0.4 + (0.1 if name.endswith(".bn3") else 0.8)
                )
                module.bias.copy_(torch.randn(size) * 0.1)
                module.running_mean.copy_(torch.randn(size) * 0.1)
                module.running_var.copy_(torch.rand(size) + 0.5)
        for name, deviation in SPREAD.items():
            spread(model, model.get_submodule(name), deviation, image)
    return model


def spread(model: torch.nn.Module, layer, deviation: float, image: np.ndarray) -> None:
    """Give each channel of a layer the mean 0 and a standard deviation on an image."""
    outputs = []
    handle = layer.register_forward_hook(lambda _, __, output: outputs.append(output.detach()))
    model([torch.from_numpy(image).permute(2, 0, 1) / 255])
    handle.remove()
    values = torch.cat([x.transpose(0, 1).flatten(1) for x in outputs], dim=1)
    factor = deviation / values.std(dim=1)
    layer.weight.mul_(factor.reshape(-1, *(1 for _ in layer.weight.shape[1:])))
    layer.bias.copy_((layer.bias - values.mean(dim=1)) * factor)


def inference(model: torch.nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """All that is computed of an image on the way, and what is found in it."""
    seen: dict[str, np.ndarray] = {}

    def keep(name: str, module: torch.nn.Module) -> None:
        def hook(_, __, output):
            if isinstance(output, dict):
                output = list(output.values())
            if isinstance(output, tuple):
                output = [
                    x for part in output for x in (part if isinstance(part, list) else [part])
                ]
            parts = output if isinstance(output, list) else [output]
            for index, part in enumerate(parts):
                if torch.is_tensor(part):
                    seen[f"{name}{index}"] = part.numpy().copy()

        handles.append(module.register_forward_hook(hook))

    handles: list = []
    heads = model.roi_heads
    for name, module in {
        "feature": model.backbone, "rpn": model.rpn.head, "proposals": model.rpn,
        "pooled": heads.box_roi_pool, "box": heads.box_predictor,
        "mask_pooled": heads.mask_roi_pool, "mask": heads.mask_predictor,
    }.items():  # fmt: skip
        keep(name, module)
    with torch.no_grad():
        (found,) = model([torch.from_numpy(image).permute(2, 0, 1) / 255])
    for handle in handles:
        handle.remove()
    seen["boxes"], seen["labels"], seen["scores"] = (
        found[name].numpy() for name in ("boxes", "labels", "scores")
    )
    seen["masks"] = np.packbits(found["masks"][:, 0].numpy() > 0.5, axis=-1)
    return seen


def training(model: torch.nn.Module, version: str, given) -> dict[str, np.ndarray]:
    """The losses of a batch, and the norm of the gradient of every weight.

    All anchors and RoIs are samples, so that none are drawn: there is room for more than there are.
    """
    images = given["batch_images"]
    other = getattr(torchvision.models.detection, version)(
        weights=None, weights_backbone=None, num_classes=91, min_size=min(images.shape[1:3]),
        max_size=max(images.shape[1:3]), rpn_batch_size_per_image=1 << 20,
        rpn_post_nms_top_n_train=ROIS, box_batch_size_per_image=SAMPLES,
        box_positive_fraction=POSITIVE,
    )  # fmt: skip
    other.load_state_dict(model.state_dict())
    other.train()
    for module in other.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    targets = [
        {"boxes": torch.from_numpy(boxes), "labels": torch.from_numpy(labels).long(),
         "masks": torch.from_numpy(masks)}
        for boxes, labels, masks in zip(
            given["batch_boxes"], given["batch_labels"], given["batch_masks"], strict=True
        )
    ]  # fmt: skip
    losses = other([torch.from_numpy(x).permute(2, 0, 1) / 255 for x in images], targets)
    sum(losses.values()).backward()
    result = {name: value.detach().numpy() for name, value in losses.items()}
    for name, weight in other.named_parameters():
        if weight.grad is not None:
            result[f"gradient {name}"] = weight.grad.norm().numpy()
    return result


def main(version: str, images: str, out: str) -> None:
    given, folder = np.load(images), Path(out)
    names = [name for name in given.files if name.startswith("image")]
    model = network(version, given[names[0]])
    state = {name: x.numpy() for name, x in model.state_dict().items()}
    np.savez(folder / "state.npz", **state)
    np.savez(folder / "training.npz", **training(model, version, given))
    for index, name in enumerate(names):
        np.savez(folder / f"{index}.npz", **inference(model, given[name]))


if __name__ == "__main__":
    main(*sys.argv[1:])
