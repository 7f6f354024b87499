"""Scores on scored voxels only."""
