"""Our own kernels for convolutions, batch norm and loss: C++ compiled on this machine for CPUs, Triton for GPUs."""
