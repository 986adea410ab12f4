"""The HTTP face: the contract, section by section, as ASGI."""
