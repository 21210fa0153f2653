"""What serving and training will take before anything runs: physics, a few calibrated constants, and honest bands."""
