"""The former name of `edge_agreement.boundary_losses`."""

from edge_agreement.boundary_losses import *  # noqa: F403
