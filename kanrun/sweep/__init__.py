"""Many runs from one command: what they are, where they run, and what they add up to."""
