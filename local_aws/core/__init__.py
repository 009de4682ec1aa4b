"""What every service builds on: API models, coverage, the clock, faults, and the seams to MiniStack."""
