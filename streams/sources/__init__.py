"""Where events come from: one file a dialect, :func:`streams.sources.opening.open_source` for whatever a person names."""
