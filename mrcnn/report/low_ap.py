"""What to look at first when the scores of a run are near 0."""

from dataclasses import dataclass

# Below this mask AP a run has learned next to nothing.
NEAR_ZERO = 0.02
# Runs from pretrained backbones leave 0 after about so many steps and passes over the data.
FEW_STEPS, FEW_EPOCHS = 300, 5.0


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run at its end.

    Attributes:
        mask_ap: AP of masks, 0 to 1.
        box_ap: AP of boxes.
        any_class_ap50: AP of boxes at an IoU of 0.5 with all classes taken for one.
        images: Validation images that were looked at.
        objects: On these images.
        detections: On these images, of any score.
        best_score: The highest one.
        min_confidence: `DETECTION_MIN_CONFIDENCE`.
        backbone_random: Nothing was loaded into the backbone at the start.
        steps: Done.
        epochs: Passes over the training images.
        learning_rate: Of the first stage.
        losses: Training losses of the log, in order.
        val_losses: Validation losses of the log, in order.
    """

    mask_ap: float
    box_ap: float
    any_class_ap50: float
    images: int
    objects: int
    detections: int
    best_score: float
    min_confidence: float
    backbone_random: bool
    steps: int
    epochs: float
    learning_rate: float
    losses: tuple[float, ...] = ()
    val_losses: tuple[float, ...] = ()


def first_look(facts: RunFacts) -> list[str]:
    """Lines on what to look at first, the likeliest first; none where the scores are not near 0."""
    if facts.mask_ap >= NEAR_ZERO:
        return []
    lines = [
        *_about_start(facts),
        *_about_losses(facts),
        *_about_detections(facts),
    ]
    return lines or [
        "nothing of the run stands out: look at validation.png, and at what the network is given "
        "(mrcnn browse, mrcnn check)"
    ]


def _about_start(facts: RunFacts) -> list[str]:
    lines = []
    if facts.backbone_random:
        lines.append(
            "backbone: it started from random numbers, which a few hundred images rarely overcome; "
            "start from --weights imagenet, or from a file"
        )
    if facts.steps < FEW_STEPS or facts.epochs < FEW_EPOCHS:
        lines.append(
            f"length: {facts.steps:,} steps, {facts.epochs:.1f} passes over the training images; "
            f"expect objects after some {FEW_STEPS} steps and {FEW_EPOCHS:g} passes: --epochs"
        )
    return lines


def _about_losses(facts: RunFacts) -> list[str]:
    lines = []
    if len(facts.losses) > 1 and facts.losses[-1] > 0.8 * facts.losses[0]:
        lines.append(
            f"learning rate: the loss went from {facts.losses[0]:.2f} to {facts.losses[-1]:.2f} "
            f"only, at a rate of {facts.learning_rate:g}: see curves.png; if it falls steadily, "
            "raise the rate or train longer, if it jumps, lower the rate (--set LEARNING_RATE=...)"
        )
    if facts.val_losses and facts.val_losses[-1] > 1.3 * min(facts.val_losses):
        lines.append(
            f"overfitting: the validation loss rose from {min(facts.val_losses):.2f} to "
            f"{facts.val_losses[-1]:.2f}: train shorter, augment more (AUGMENT_ keys), or add "
            "images"
        )
    return lines


def _about_detections(facts: RunFacts) -> list[str]:
    where = f"{facts.images} validation images with {facts.objects} objects"
    if not facts.detections:
        return [f"detections: nothing was found on {where}, with any score"]
    lines = []
    if facts.best_score < facts.min_confidence:
        lines.append(
            f"scores: the best of {facts.detections} detections on {where} is "
            f"{facts.best_score:.2f}, below DETECTION_MIN_CONFIDENCE {facts.min_confidence:g}, so "
            f"that mrcnn detect shows nothing; see --min-score {facts.best_score / 2:.2f}"
        )
    if facts.any_class_ap50 > max(0.1, 5 * facts.box_ap):
        lines.append(
            f"classes: objects are found (AP50 of boxes {facts.any_class_ap50:.2f} with all "
            "classes taken for one), but under wrong names: compare the class names of the splits, "
            "and see which classes have few objects (mrcnn check)"
        )
    elif facts.box_ap > max(0.05, 5 * facts.mask_ap):
        lines.append(
            f"masks: boxes are found (AP {facts.box_ap:.2f}), their masks are not: look at the "
            "outlines (mrcnn browse)"
        )
    return lines
