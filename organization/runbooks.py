"""The runbooks: their names, and how Automation shows that a step has no output. Pure, without input or output."""

PREFIX = "RootVirtualMfa-"
"""How the name of each begins."""
NOTIFY, REEVALUATE, REMOVAL = f"{PREFIX}Notify", f"{PREFIX}Reevaluate", f"{PREFIX}RemoveRootCredentials"

NO_OUTPUT = "No output available"
"""The beginning of the sentence that Automation gives for an output of a step that did not succeed. Seen by users of AWS."""
