"""The training loop, its losses, optimizers, checkpoints and process groups."""
