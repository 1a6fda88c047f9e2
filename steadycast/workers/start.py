"""The way into every worker: `python -m steadycast.workers.start MODULE` makes it one that can be asked why it hangs,
then is that module.

Only what Python itself has is imported before, so that even an import that hangs can be looked into. SIGUSR1 writes the
Python stacks of all threads into the log: by a C handler, which needs neither the event loop nor the interpreter's
lock. SIGUSR2 is blocked in lobby workers before there is a second thread; the one in `graph` waits for it.
"""

from __future__ import annotations

import faulthandler
import os
import runpy
import signal
import sys

STACKS = signal.SIGUSR1
GRAPH = signal.SIGUSR2


def main() -> None:
    """Never returns where the module is a worker's."""
    faulthandler.register(STACKS, all_threads=True)
    if os.environ.get("STEADYCAST_WORKER", "").startswith("lobby-"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {GRAPH})
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
