"""Tests of the command that operators run, against a fake AWS."""
