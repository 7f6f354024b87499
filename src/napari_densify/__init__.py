"""Densify: paint a few slices, get the whole volume."""

try:
    from napari_densify._version import __version__
except ImportError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
