"""Ways for letters to travel: Flower's processes, Flower's simulation, this process; and how a site of another machine comes in."""
