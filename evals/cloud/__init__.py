"""Other machines: a cluster that is set up here, for what of `tools.cloud` needs more than this one, and SkyPilot's word on its tasks."""
