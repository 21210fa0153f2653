"""One model that many sizes are cut from: its units are found, ordered by importance, cut, and taught to do without the rest.

A unit is an attention head or a neuron of a feed-forward block (ACME, arXiv 2507.14802, backbone generation; DynaBERT, arXiv
2004.04037). Widths keep a share of them in every layer, depths a share of the layers; hidden width, embeddings and norms stay.
"""
