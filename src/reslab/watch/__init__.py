"""The live page: runs at work, shown in a browser and read only from the run directories."""
