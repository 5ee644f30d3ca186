"""`python -m mtl_depth`: the same as the command `mtl-depth`."""

import sys

from mtl_depth.main import main

sys.exit(main())
