"""Training on a cluster: Slurm and Ray, followed through what their tasks write."""
