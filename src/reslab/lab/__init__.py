"""Runs on disk and their execution: store, provenance, one run, workers, the plan of many, speed, diagnostics."""
