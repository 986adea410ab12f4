"""The contract of asynchronous operations as pure Python: no I/O, no clock, no randomness, no asyncio.

Whatever depends on time or chance is handed in. So every rule of the HTTP contract can be read, tested and
replayed without a server, a database or a sleep. Read `lifecycle.py` first.
"""
