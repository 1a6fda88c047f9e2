"""A worker that never says hello."""

import sys
import time

sys.stderr.write("I say nothing\n")
time.sleep(600)
