"""Model architectures, one file each, listed in the registry."""
