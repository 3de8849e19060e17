"""Datasets, images, masks and the input pipeline. Knows NumPy, no deep learning framework."""
