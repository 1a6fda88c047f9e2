"""What a producer of pictures and a lobby worker agree on: how pixels lie in a buffer, and what they say to each other.

Pure, of the standard library alone, because it is part of other people's programs. It opens no socket and no memory."""

from steadycast.frames.layout import Layout, Plane, layout

__all__ = ["Layout", "Plane", "layout"]
