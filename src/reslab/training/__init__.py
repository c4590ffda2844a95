"""Training: the schedule, the step, the loop, evaluation and checkpoints; knows neither images nor networks."""
