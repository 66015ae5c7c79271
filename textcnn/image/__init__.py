"""From image files and arrays to channels-first tensors."""
