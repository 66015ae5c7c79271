"""What `inspect` shows of a model: shapes, receptive fields, parameters, drawings."""
