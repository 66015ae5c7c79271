"""Model inspection for `textcnn inspect`: layer shapes, receptive fields, parameters, drawings."""
