"""The measuring of Accepted: `python -m bench` prints the figures of docs/performance.md.

Rules of the room: every figure is a comparison within one run, in interleaved rounds, because absolute rates of a
shared machine mean little an hour later; the server side has one core and the load another; a run in which any answer
was unexpected is no figure at all.
"""
