"""Weight files: formats, names, loading with a report, converters."""
