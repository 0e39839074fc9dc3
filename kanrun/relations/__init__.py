"""Relations hidden in contrastive data: curves, equations, solutions."""
