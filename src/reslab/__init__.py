"""ResLab: a laboratory for deep residual learning."""

__version__ = "0.1.0"
