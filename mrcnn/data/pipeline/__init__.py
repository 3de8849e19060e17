"""From datasets to batches, and from detections back to images."""
