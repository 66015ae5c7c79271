"""Kernels: the plain definition of each fused operation, and its fast twin."""

from textcnn.kernels.backend import BackendInfo as BackendInfo
from textcnn.kernels.backend import backend_info as backend_info
from textcnn.kernels.backend import conv_max as conv_max
from textcnn.kernels.backend import prepare as prepare
from textcnn.kernels.backend import use_backend as use_backend
