"""Many sites whose data stay where they are: how alike they are, what they learn from each other, and what of it is sent.

The site's half of ACME (arXiv 2507.14802, personalised architecture aggregation). A site sends a sketch of its features and the
importance of its units, never an example, a label or a weight.
"""
