"""The napari plugin: draws and asks, computes nothing."""
