"""``python -m napari_densify.engine [--light]``: the process that the viewer talks to."""

import argparse

from napari_densify.engine.process import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="densify engine", description=__doc__)
    parser.add_argument("--light", action="store_true", help="never load torch")
    main(light=parser.parse_args().light)
