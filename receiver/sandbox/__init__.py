"""A faithful emulator of the Meetings API and its storage, for the demo and tests alone."""

from receiver.sandbox.config import SandboxConfig
from receiver.sandbox.server import Sandbox, run_forever

__all__ = ["Sandbox", "SandboxConfig", "run_forever"]
