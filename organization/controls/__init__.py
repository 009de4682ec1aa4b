"""Controls of frameworks, such as the CIS AWS Foundations Benchmark, and which of them a root user satisfies."""
