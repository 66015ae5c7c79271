"""Kernels: the plain definition of each fused operation, and its fast twins."""
