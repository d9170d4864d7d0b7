"""The parts of tools/coverage: it runs a list of real fixes end to end and says how many became live patches, and why the rest did not."""
