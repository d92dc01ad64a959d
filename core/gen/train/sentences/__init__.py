"""How the network that reads whole sentences is trained."""
