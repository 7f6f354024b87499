"""Methods scored side by side."""
