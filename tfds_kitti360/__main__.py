"""`python -m tfds_kitti360`: the same as the command `kitti360-build`."""

import sys

from tfds_kitti360.build import main

if __name__ == "__main__":  # worker processes import this module
    sys.exit(main())
