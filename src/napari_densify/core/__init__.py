"""Core vocabulary of the package: labels, blocks, volumes, settings, messages."""
