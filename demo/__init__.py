"""The package on the local AWS: the demo, single invocations, and what operators do there, for tests and benchmarks too."""
