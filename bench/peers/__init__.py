"""The peers: what a FastAPI user would otherwise take to accept work and answer at once, each as its own
documentation shows it.

The modules named `app_*` run in the peers' own environment and import nothing of Accepted; the others start them and
what they need. Where a choice had to be made it was made in the peer's favour, and is told beside the figure.
"""
