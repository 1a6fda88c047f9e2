"""HTTP: one file a noun, handlers of a few lines; errors become status codes here. It decides nothing."""
