"""The one settings tree: read, checked and explained. This room never starts anything and keeps no state."""
