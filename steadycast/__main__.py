"""`python -m steadycast` is the same as the `steadycast` command."""

from __future__ import annotations

from steadycast.cli import main

if __name__ == "__main__":
    main()
