"""Kernels: the plain definition of each fused operation, and its fast twin."""

from textcnn.kernels.backend import BackendInfo as BackendInfo
from textcnn.kernels.backend import backend_info as backend_info
from textcnn.kernels.backend import bag_sum as bag_sum
from textcnn.kernels.backend import conv_max as conv_max
from textcnn.kernels.backend import is_compiled as is_compiled
from textcnn.kernels.backend import prepare as prepare
from textcnn.kernels.backend import row_adagrad as row_adagrad
from textcnn.kernels.backend import row_adam as row_adam
from textcnn.kernels.backend import use_backend as use_backend
