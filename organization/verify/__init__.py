"""The command `verify`: for each thing that nobody could verify before a deployment, whether it holds here."""
