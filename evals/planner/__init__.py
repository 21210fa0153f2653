"""How well runs are planned: scenarios in a simulated world, an oracle that knows it, and several planners side by side."""
