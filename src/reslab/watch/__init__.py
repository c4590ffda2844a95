"""The live page: the laboratory at work, read from the run directories alone, in a browser."""
