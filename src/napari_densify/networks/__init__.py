"""Networks built from a frozen config, and their files."""
