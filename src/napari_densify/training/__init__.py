"""Training from sparse labels."""
