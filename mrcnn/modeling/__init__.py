"""The network: backbone, FPN, RPN, targets, heads, losses and detection, in `keras.ops` alone."""
