"""``python -m py2bpf``."""

import sys

from .cli import main

sys.exit(main())
