"""Classical segmentation methods, one pure function each."""
