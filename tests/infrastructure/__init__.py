"""Tests of the templates, the artefact and the locks."""
