"""Work beyond one machine, on engines that exist: batch classification on Ray, a user-defined function for Spark."""
