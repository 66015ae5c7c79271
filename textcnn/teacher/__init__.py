"""Teachers: what answers for texts without a label, so that a small model can learn from a large one."""
