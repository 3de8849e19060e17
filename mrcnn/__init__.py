"""Mask R-CNN on Keras 3 with the public API and the weight files of matterport/Mask_RCNN."""

__version__ = "0.1.0"
