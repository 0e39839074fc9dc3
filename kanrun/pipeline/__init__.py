"""One way through: config, problem, stages, result."""
