"""`python -m autovcoder`, for launchers that start modules, such as ``accelerate launch -m``. Reads the arguments."""

from __future__ import annotations

from autovcoder.cli.main import main

if __name__ == "__main__":
    main()
