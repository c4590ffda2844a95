"""Weights from anywhere on any images: under every network that they fit."""
