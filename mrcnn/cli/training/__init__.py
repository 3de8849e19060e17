"""What `mrcnn train` does: a configuration from its options, checked data, and the run."""
