"""Mask R-CNN on Keras 3 with the public API and the weight files of matterport/Mask_RCNN."""

from mrcnn.compat import moved

__version__ = "0.1.0"

moved.install()
