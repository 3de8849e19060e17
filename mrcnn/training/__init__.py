"""Training: the schedule, the optimizer, checkpoints, logs, and the loop over them."""
