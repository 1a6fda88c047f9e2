"""A worker that ends before it says hello."""

import sys

sys.exit("no module named luck")
