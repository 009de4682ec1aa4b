"""The command `check`: the verdict of each account before anything is deployed, with the rule's own facts and decision."""
