"""The encoders that are known, as data: names of elements and properties, their units, and how they are fed."""

from steadycast.vendors.table.row import MemoryPath, Row, Setting, Try, Want
from steadycast.vendors.table.rows import ROWS, named, of_codec, row, works_on

__all__ = ["ROWS", "MemoryPath", "Row", "Setting", "Try", "Want", "named", "of_codec", "row", "works_on"]
