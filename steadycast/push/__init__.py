"""The library for programs that show their own pictures: renderers, simulators, agents. Standard library alone.

It talks HTTP to find its lobby and shared memory to fill it, never makes a picture, and keeps none that was refused."""

from steadycast.push.producer import Push

__all__ = ["Push"]
