"""Reports: chapters put together and rendered, as a pure function of the run directories."""
