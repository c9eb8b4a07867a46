"""`python -m jaxlic` is the command `jaxlic`."""

import sys

from jaxlic.cli import main

sys.exit(main())
