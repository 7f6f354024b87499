"""Small real volumes with truth and a ready sparse annotation, for trying things out.

The files lie beside this module, with their licences; ``sample_data/README.md`` in
the repository says where they come from and how they were made.
"""

from napari_densify.data.samples import SampleFiles, sample_files, sample_names

__all__ = ["SampleFiles", "sample_files", "sample_names"]
