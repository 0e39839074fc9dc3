"""Every setting, typed, and what is allowed."""
