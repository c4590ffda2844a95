"""Training on a cluster: Slurm and Ray, followed by what their tasks write."""
