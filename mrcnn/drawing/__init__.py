"""Drawing: what `mrcnn.visualize` offers, one file about one thing each."""
