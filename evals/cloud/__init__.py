"""Other machines: what of `tools.cloud` needs more than this one, on a cluster that is set up here for it."""
