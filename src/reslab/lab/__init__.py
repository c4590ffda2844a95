"""Runs on disk and their execution: the store, one run, workers, and the plan of many."""
