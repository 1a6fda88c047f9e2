"""A bar that moves, pushed into a lobby: python examples/push.py http://127.0.0.1:8800"""

import sys

import numpy as np

import steadycast

with steadycast.Push(sys.argv[1], key="bar", size=(640, 360), fps=30, format="RGB") as out:
    picture = np.zeros((360, 640, 3), np.uint8)
    for number in range(sys.maxsize):
        picture[:] = (20, 30, 60)
        picture[:, number * 4 % 640 :][:, :20] = (0, 200, 0)
        out.frame(picture)  # waits for its turn: 30 times a second
