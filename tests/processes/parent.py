"""Somebody else's application with ours mounted in it, whose author has forgotten the lifespan."""

from starlette.applications import Starlette
from starlette.routing import Mount

from tests.processes.menu import app

parent = Starlette(routes=[Mount("/ops", app)])
