"""What is wrong with a dataset: pure functions that judge it and yield findings."""
