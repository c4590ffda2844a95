"""Kernels of our own for the CPU, batch norm and 3x3 convolutions: compiled on this machine, or done without."""
