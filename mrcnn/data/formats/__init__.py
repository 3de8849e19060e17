"""Readers of annotation formats, each into a `mrcnn.data.dataset.Dataset`."""
