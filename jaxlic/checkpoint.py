"""Parameters on disk."""
from __future__ import annotations
def load_params(x): raise SystemExit
