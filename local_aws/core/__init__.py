"""What every service builds on: API models, the clock, faults, and the seams to MiniStack."""
