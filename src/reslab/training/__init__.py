"""Training: schedule, step, loop, evaluation and checkpoints; independent of particular images and networks."""
