"""Datasets, one file a format, and what they share."""
