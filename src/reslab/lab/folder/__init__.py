"""The folder of a run: its files, read, checked, written and looked up."""
