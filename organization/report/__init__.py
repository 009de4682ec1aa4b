"""The command `report`: the status of every account of the deployment, and how old that knowledge is."""
