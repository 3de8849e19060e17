"""Datasets of any format written in COCO's, divided into splits with one list of classes."""
