"""Studies: their questions, a file each, the plans that combine them, and their chapters in the report."""
