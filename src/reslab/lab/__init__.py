"""Runs on disk and their execution: store, provenance, one run, workers, planning, speed, diagnostics."""
